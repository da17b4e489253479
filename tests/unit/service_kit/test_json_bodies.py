import time
from decimal import Decimal

import pytest
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from service_kit.json_bodies import JsonRoute, read_json
from service_kit.problem_responses import add_problem_handlers


class Page(BaseModel):
    size: int


@pytest.fixture
def client() -> AsyncClient:
    app, router = FastAPI(), APIRouter(route_class=JsonRoute)
    add_problem_handlers(app)

    @router.post("/page")
    async def page(body: Page) -> int:
        return body.size

    app.include_router(router)
    return AsyncClient(transport=ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize(
    "number", ["1E+100000000", "1E-100000000", "-1e99999999", "9" * 4000, "0." + "1" * 4000, "1e31", "NaN"]
)
async def test_a_number_out_of_all_bounds_is_refused_at_once(client: AsyncClient, number: str) -> None:
    began = time.process_time()
    answer = await client.post(
        "/page", content=f'{{"size": {number}}}', headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["detail"] in {"A number in the body is out of all bounds.", "NaN is not JSON."}
    assert time.process_time() - began < 1  # without the bound the first one takes minutes


async def test_a_name_that_is_there_twice_is_refused(client: AsyncClient) -> None:
    body = b'{"size": 1, "size": 2}'
    answer = await client.post("/page", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "A name is twice in one object of the body."


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=4))
def test_a_number_that_people_write_is_taken_exactly(number: Decimal) -> None:
    assert read_json(f"[{number:f}]".encode()) == [number]

import psycopg
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from contracts import problems
from contracts.problems import PROBLEM_MEDIA_TYPE
from service_kit.fields import Line, RequestBody
from service_kit.problem_responses import Problem, add_problem_handlers
from service_kit.request_limits import BodyLimit


class Secret(RequestBody):
    password: Line


def application() -> FastAPI:
    app = FastAPI()
    add_problem_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=1000, paths={"/large": 5000})

    @app.get("/sold-out")
    async def sold_out() -> None:
        raise Problem(problems.NOT_ENOUGH_SEATS, "2 seats are left.", seats_remaining=2)

    @app.get("/database-down")
    async def database_down() -> None:
        raise psycopg.OperationalError("connection to 10.0.0.7 with password=hunter2 failed")

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("hunter2")

    @app.post("/secret")
    @app.post("/large")
    async def secret(body: Secret) -> None: ...

    return app


@pytest.fixture
async def client() -> AsyncClient:
    transport = ASGITransport(application(), raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://test")


async def test_a_problem_is_answered_with_its_members(client: AsyncClient) -> None:
    answer = await client.get("/sold-out")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert answer.json() == {
        "type": "https://frontrow.dev/problems/not-enough-seats",
        "title": "Fewer seats are left than were asked for",
        "status": 409,
        "detail": "2 seats are left.",
        "seats_remaining": 2,
    }


@pytest.mark.parametrize(
    ("path", "status"), [("/database-down", 503), ("/bug", 500), ("/nowhere", 404), ("/secret", 405)]
)
async def test_no_failure_tells_its_insides(client: AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert answer.json()["status"] == status
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    if status == 503:
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"password": ', 400),
        (b'{"password": "hunter2", "pin": "hunter2"}', 422),
        (b'{"password": ["hunter2"]}', 422),
        (b'["hunter2"]', 422),
        (b'{"password": "' + b"x" * 2000 + b'"}', 413),
    ],
)
async def test_a_wrong_body_is_refused_without_repeating_it(
    client: AsyncClient, body: bytes, status: int
) -> None:
    answer = await client.post("/secret", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/secret", 900, 422), ("/secret", 2000, 413), ("/large", 2000, 422), ("/large", 6000, 413)],
)
async def test_a_body_without_a_declared_length_is_counted_as_it_arrives(
    client: AsyncClient, path: str, size: int, status: int
) -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        yield b'{"password": "'
        for _ in range(size // 100):
            yield b"x" * 100
        yield b'"}'

    answer = await client.post(path, content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == status

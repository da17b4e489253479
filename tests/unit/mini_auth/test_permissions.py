"""The Authorization header, and the answers to its absence and its faults."""

from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Response

from contracts.token_claims import Identity
from mini_auth.permissions import (
    ANYONE,
    PUBLIC,
    SIGNED_IN,
    Person,
    UndeclaredRouteError,
    require_declared_permissions,
)
from service_kit.problem_responses import add_problem_handlers
from tests.tokens import Desk

Required = Annotated[Identity, Depends(SIGNED_IN)]
Optional = Annotated[Identity | None, Depends(ANYONE)]


def make_app(desk: Desk) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    add_problem_handlers(app)
    app.state.token_verifier = desk.verifier

    @app.get("/mine")
    async def mine(identity: Required) -> int:
        return identity.person_id

    @app.get("/anyone")
    async def anyone(identity: Optional) -> int:
        return identity.person_id if identity else 0

    @app.get("/hosts", dependencies=[Depends(Person("hosts", roles={"host"}))])
    async def hosts() -> str:
        return "host"

    @app.get("/admins", dependencies=[Depends(Person("admins", roles={"admin"}))])
    async def admins() -> str:
        return "admin"

    return app


async def get(desk: Desk, path: str, *authorization: str) -> httpx.Response:
    transport = httpx.ASGITransport(make_app(desk))
    headers = [("Authorization", value) for value in authorization]
    async with httpx.AsyncClient(transport=transport, base_url="http://frontrow.test") as client:
        return await client.get(path, headers=headers)


def problem(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["type"].rpartition("/")[2]


async def test_a_good_token_passes_everywhere_that_its_roles_do(desk: Desk) -> None:
    bearer = f"Bearer {desk.token()}"
    assert (await get(desk, "/mine", bearer)).json() == 7
    assert (await get(desk, "/anyone", bearer)).json() == 7
    assert (await get(desk, "/hosts", bearer)).json() == "host"
    assert problem(await get(desk, "/admins", bearer)) == (403, "forbidden")


async def test_the_scheme_is_recognised_in_any_case(desk: Desk) -> None:
    assert (await get(desk, "/mine", f"bEARER {desk.token()}")).json() == 7


async def test_no_token_is_missing_where_one_is_needed_and_nobody_elsewhere(desk: Desk) -> None:
    missing = await get(desk, "/mine")
    assert problem(missing) == (401, "token-missing")
    assert missing.headers["www-authenticate"] == "Bearer"
    assert (await get(desk, "/anyone")).json() == 0


@pytest.mark.parametrize("path", ["/mine", "/anyone", "/hosts"])
@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer x", "Basic dGVzdDp0ZXN0", "", "x", "Bearer a b"]
)
async def test_a_bad_header_is_refused_also_where_none_is_needed(desk: Desk, path: str, header: str) -> None:
    refused = await get(desk, path, header)
    assert problem(refused) == (401, "token-invalid")
    assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_two_headers_are_refused(desk: Desk) -> None:
    bearer = f"Bearer {desk.token()}"
    assert problem(await get(desk, "/anyone", bearer, bearer)) == (401, "token-invalid")


async def test_before_any_key_is_known_the_answer_is_to_try_again(desk: Desk) -> None:
    desk.keys.hold()
    desk.keys.age_ms = None
    answer = await get(desk, "/mine", f"Bearer {desk.token()}")
    assert problem(answer) == (503, "temporarily-unavailable")
    assert answer.headers["retry-after"]


def test_a_role_that_does_not_exist_is_a_mistake_in_the_code() -> None:
    with pytest.raises(ValueError, match="no role"):
        Person("hosts", roles={"hosts"})


def test_the_documentation_tells_which_addresses_take_a_token(desk: Desk) -> None:
    document = make_app(desk).openapi()
    assert document["components"]["securitySchemes"]["accessToken"]["scheme"] == "bearer"
    for path in ("/mine", "/anyone", "/hosts"):
        assert document["paths"][path]["get"]["security"] == [{"accessToken": []}]
        assert "requestBody" not in document["paths"][path]["get"]
        assert not document["paths"][path]["get"].get("parameters")


def test_a_route_without_exactly_one_permission_ends_the_start(desk: Desk) -> None:
    require_declared_permissions(make_app(desk))
    open_to_all, doubtful, raw = make_app(desk), make_app(desk), make_app(desk)
    open_to_all.add_api_route("/open", lambda: "nobody thought of it")
    doubtful.add_api_route("/two", lambda: "", dependencies=[Depends(PUBLIC), Depends(SIGNED_IN)])
    raw.add_route("/raw", lambda _: Response())
    with pytest.raises(UndeclaredRouteError, match=r"GET /open .* declares none"):
        require_declared_permissions(open_to_all)
    with pytest.raises(UndeclaredRouteError, match=r"GET /two .* declares public, signed-in"):
        require_declared_permissions(doubtful)
    with pytest.raises(UndeclaredRouteError, match="/raw"):
        require_declared_permissions(raw)

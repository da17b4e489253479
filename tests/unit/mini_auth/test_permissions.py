"""The Authorization header, and the answers to its absence and its faults."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI, Response

from contracts.api_keys import API_KEY_HEADER, ApiKeyText
from contracts.token_claims import Identity
from mini_auth.callers import MAX_KNOWLEDGE_AGE_SECONDS, Callers
from mini_auth.guest_links import GUEST_LINK_HEADER, GuestLinkDesk, GuestLinkVerifier
from mini_auth.permissions import (
    BOOK,
    BROWSE_EVENTS,
    HOST_EVENTS,
    PUBLIC,
    Anyone,
    Person,
    PersonOrKey,
    UndeclaredRouteError,
    require_declared_permissions,
)
from service_kit.problem_responses import add_problem_handlers
from tests.tokens import Desk

SECRET = b"the key of links, 32 bytes of it"
ANYONE, SIGNED_IN = Anyone("anyone"), Person("signed-in")
Required = Annotated[Identity, Depends(SIGNED_IN)]
Optional = Annotated[Identity | None, Depends(ANYONE)]
Booker = Annotated[Identity, Depends(BOOK)]
PAY = PersonOrKey("pay", scope="bookings:write", is_sensitive=True)
Browser = Annotated[Identity | None, Depends(BROWSE_EVENTS)]


def make_app(desk: Desk) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    add_problem_handlers(app)
    guest_links = GuestLinkVerifier(desk.keys, SECRET, clock=desk.clock)
    app.state.callers = Callers(desk.verifier, desk.api_keys.keys, guest_links, desk.keys)

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

    @app.get("/book")
    async def book(identity: Booker) -> int:
        return identity.person_id

    @app.get("/browse")
    async def browse(identity: Browser) -> int:
        return identity.person_id if identity else 0

    @app.get("/host-events", dependencies=[Depends(HOST_EVENTS)])
    async def host_events() -> str:
        return "host"

    @app.get("/payments", dependencies=[Depends(PAY)])
    async def payments() -> str:
        return "paid"

    return app


async def get(
    desk: Desk, path: str, *authorization: str, keys: Sequence[str] = (), links: Sequence[str] = ()
) -> httpx.Response:
    transport = httpx.ASGITransport(make_app(desk))
    headers = [("Authorization", value) for value in authorization] + [(API_KEY_HEADER, key) for key in keys]
    headers += [(GUEST_LINK_HEADER, link) for link in links]
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
    assert document["components"]["securitySchemes"]["apiKey"]["name"] == "X-Api-Key"
    assert document["components"]["securitySchemes"]["guestLink"]["name"] == "X-Guest-Link"
    assert {"guestLink": []} in document["paths"]["/book"]["get"]["security"]
    for path in ("/browse", "/host-events"):
        assert document["paths"][path]["get"]["security"] == [{"accessToken": []}, {"apiKey": []}]
    for path in ("/mine", "/hosts"):
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


async def test_a_key_does_what_its_scope_and_the_roles_of_now_allow(desk: Desk) -> None:
    key = desk.api_keys.make(person_id=9, roles=["customer"], scopes=["bookings:write", "events:write"])
    assert (await get(desk, "/book", keys=[key])).json() == 9
    for path in ("/browse", "/host-events", "/mine", "/anyone", "/admins"):
        assert problem(await get(desk, path, keys=[key])) == (403, "forbidden"), path
    desk.api_keys.rows[0]["roles"] = ["customer", "host"]
    desk.api_keys.pass_time(1.01)
    assert (await get(desk, "/host-events", keys=[key])).json() == "host"


async def test_a_token_has_no_scope_and_needs_none(desk: Desk) -> None:
    for path in ("/book", "/browse", "/host-events"):
        assert (await get(desk, path, f"Bearer {desk.token()}")).status_code == 200


async def test_a_token_and_a_key_together_are_refused_and_so_are_two_keys(desk: Desk) -> None:
    key = desk.api_keys.make(scopes=["bookings:write", "events:read"])
    for path in ("/book", "/browse", "/mine", "/anyone"):
        both = await get(desk, path, f"Bearer {desk.token()}", keys=[key])
        assert problem(both) == (401, "token-invalid"), path
        assert problem(await get(desk, path, keys=[key, key])) == (401, "api-key-invalid"), path


@pytest.mark.parametrize("text", ["", "x", "frontrow_key_", f"frontrow_key_{'0' * 16}_", "a b", "x" * 9000])
async def test_what_is_no_key_is_refused_also_where_none_is_needed_and_asks_nobody(
    desk: Desk, text: str
) -> None:
    for path in ("/book", "/browse", "/anyone"):
        refused = await get(desk, path, keys=[text])
        assert problem(refused) == (401, "api-key-invalid")
        assert refused.headers["www-authenticate"] == "Bearer"
    assert desk.api_keys.asked == []


async def test_where_a_key_cannot_be_looked_up_the_answer_is_to_try_again(desk: Desk) -> None:
    desk.api_keys.fails = True
    answer = await get(desk, "/book", keys=[ApiKeyText("0" * 16, "a" * 43).text])
    assert problem(answer) == (503, "temporarily-unavailable")
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("name", ["age_ms", "confirmed_age_ms"])
async def test_what_is_sensitive_waits_for_fresh_knowledge_and_the_rest_goes_on(
    desk: Desk, name: str
) -> None:
    bearer = f"Bearer {desk.token()}"
    oldest_ms = int(MAX_KNOWLEDGE_AGE_SECONDS * 1000)
    setattr(desk.keys, name, oldest_ms)
    assert (await get(desk, "/payments", bearer)).json() == "paid"
    for age_ms in (oldest_ms + 1, None) if name == "confirmed_age_ms" else (oldest_ms + 1,):
        setattr(desk.keys, name, age_ms)
        refused = await get(desk, "/payments", bearer)
        assert problem(refused) == (503, "temporarily-unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        assert problem(await get(desk, "/payments")) == (401, "token-missing")
        for path in ("/book", "/browse", "/host-events"):
            assert (await get(desk, path, bearer)).status_code == 200


def guest_link(desk: Desk, person_id: int = 9) -> str:
    return GuestLinkDesk(SECRET).write(person_id, now=datetime.fromtimestamp(desk.clock.now, UTC))[0]


async def test_a_guests_link_books_and_opens_nothing_else(desk: Desk) -> None:
    link = guest_link(desk)
    assert (await get(desk, "/book", links=[link])).json() == 9
    for path in ("/mine", "/anyone", "/browse", "/hosts", "/admins", "/host-events"):
        assert problem(await get(desk, path, links=[link])) == (403, "forbidden"), path


async def test_a_guests_link_comes_alone(desk: Desk) -> None:
    link, bearer = guest_link(desk), f"Bearer {desk.token()}"
    key = desk.api_keys.make(scopes=["bookings:write"])
    for answer in (
        await get(desk, "/book", links=[link, link]),
        await get(desk, "/book", bearer, links=[link]),
        await get(desk, "/book", keys=[key], links=[link]),
        await get(desk, "/book", bearer, keys=[key], links=[link]),
    ):
        assert problem(answer) == (401, "token-invalid")


@pytest.mark.parametrize("link", ["", "x", "A" * 2000])
async def test_a_bad_link_is_refused_also_where_none_is_needed(desk: Desk, link: str) -> None:
    for path in ("/book", "/mine", "/anyone"):
        assert problem(await get(desk, path, links=[link])) == (401, "token-invalid")

"""Who may do what: nobody without a token, hosts alone make events, everyone has only what is theirs."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from contracts import problems
from tests.integration.write_api.application import Application, Customer, event_body
from write_api.app import create_app
from write_api.settings import WriteApiSettings

OPEN = {("post", f"/api/v1/{name}") for name in ("accounts", "login", "refresh", "guests")}
SETTINGS = WriteApiSettings(
    region="eu",
    listen="127.0.0.1:1",
    main_database="postgresql://",
    reader_database="postgresql://",
    key_sealing_key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    consistency_key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    link_key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
)
OPERATIONS = [
    (method, path)
    for path, operations in create_app(SETTINGS).openapi()["paths"].items()
    for method in operations
]
GUARDED = [operation for operation in OPERATIONS if operation not in OPEN]
HOSTS_ONLY = [operation for operation in GUARDED if operation[1].startswith("/api/v1/events")]


@dataclass
class Scene:
    """A host with an event, a customer with a booking, and what the database holds then."""

    application: Application
    host: Customer
    customer: Customer
    stranger: Customer
    event: dict[str, Any]
    booking: dict[str, Any]
    counts: dict[str, int]


@pytest.fixture
async def scene(application: Application) -> AsyncIterator[Scene]:
    """After the test, nothing may have changed."""
    host, stranger = await application.sign_up("host"), await application.sign_up("host", "customer")
    customer = await application.sign_up()
    event = await host.created()
    booking = await customer.booked(event["id"])
    counts = application.database.counts()
    yield Scene(application, host, customer, stranger, event, booking, counts)
    assert application.database.counts() == counts
    assert await customer.booking(booking["id"]) == booking


async def ask(client: httpx.AsyncClient, scene: Scene, method: str, path: str) -> httpx.Response:
    """A request that would be right, were it sent by the right person."""
    address = path.format(
        event_id=scene.event["id"],
        booking_id=scene.booking["id"],
        session_id=1,
        api_key_id=1,
        organisation_id=1,
        person_id=1,
        invitation_id=1,
    )
    bodies: dict[tuple[str, str], Any] = {
        ("post", "/api/v1/events"): event_body(),
        ("post", "/api/v1/events/bulk"): {"events": [event_body()]},
        ("put", "/api/v1/events/{event_id}"): {"name": "mine now"},
        ("post", "/api/v1/bookings"): {"event_id": scene.event["id"], "quantity": 1},
    }
    return await client.request(method, address, json=bodies.get((method, path)))


def test_all_but_four_addresses_need_a_token() -> None:
    assert set(OPERATIONS) >= OPEN
    assert len(GUARDED) == 27


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_without_a_token_or_with_a_bad_one_nothing_is_done(
    scene: Scene, method: str, path: str
) -> None:
    missing = await ask(scene.application.anonymous, scene, method, path)
    assert (missing.status_code, missing.json()["type"]) == (401, problems.TOKEN_MISSING.uri)
    assert missing.headers["WWW-Authenticate"].startswith("Bearer")
    token = scene.customer.client.headers["Authorization"]
    forged = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    for value in (forged, "Bearer nonsense", "Basic dGVzdDp0ZXN0"):
        invalid = await ask(scene.application.client(Authorization=value), scene, method, path)
        assert (invalid.status_code, invalid.json()["type"]) == (401, problems.TOKEN_INVALID.uri)


@pytest.mark.parametrize(("method", "path"), HOSTS_ONLY)
async def test_only_hosts_make_and_change_events(scene: Scene, method: str, path: str) -> None:
    answer = await ask(scene.customer.client, scene, method, path)
    assert (answer.status_code, answer.json()["type"]) == (403, problems.FORBIDDEN.uri)


async def test_another_hosts_event_is_not_changed_and_not_even_seen_while_it_is_inactive(
    application: Application,
) -> None:
    host, stranger = await application.sign_up("host"), await application.sign_up("host")
    event = await host.created()
    answer = await stranger.update(event["id"], name="mine now")
    assert (answer.status_code, answer.json()["type"]) == (403, problems.FORBIDDEN.uri)
    await host.update(event["id"], status="inactive")
    hidden = await stranger.update(event["id"], name="mine now")
    missing = await stranger.update(9_000_000_000, name="mine now")
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert (await host.update(event["id"])).json()["name"] == event["name"]


@pytest.mark.parametrize(("method", "suffix"), [("get", ""), ("put", "/confirm"), ("put", "/cancel")])
async def test_another_persons_booking_is_like_none(scene: Scene, method: str, suffix: str) -> None:
    answers = [
        await scene.stranger.client.request(method, f"/api/v1/bookings/{booking_id}{suffix}")
        for booking_id in (scene.booking["id"], 9_000_000_000)
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (404, problems.NOT_FOUND.uri)


async def test_the_event_host_sees_no_booking_of_a_customer_either(scene: Scene) -> None:
    assert (await scene.host.client.get(f"/api/v1/bookings/{scene.booking['id']}")).status_code == 404
    assert (await scene.host.client.get("/api/v1/bookings")).json()["bookings"] == []

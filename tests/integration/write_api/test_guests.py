"""People who book without an account."""

from dataclasses import dataclass
from random import randrange
from typing import Any

import httpx
import pytest

from contracts import problems
from contracts.api_keys import API_KEY_HEADER
from contracts.token_claims import ACCESS_TOKEN_SECONDS
from mini_auth.guest_links import GUEST_LINK_HEADER, GUEST_LINK_SECONDS
from tests.integration.write_api.application import Application, Customer, event_body, eventually
from tests.people import PASSWORD, unique
from write_api.guests.service import BY_ADDRESS, MAILS_BY_EMAIL


def guest(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Ann Guest",
        "email": f"{unique('guest')}@example.com",
        "phone": "+84 24 3825 3536",
    } | changes


async def registered(application: Application, address: str, **changes: Any) -> httpx.Response:
    client = application.client(**{"x-envoy-external-address": address})
    return await client.post("/api/v1/guests", json=guest(**changes))


async def test_a_guest_is_a_person_whom_nobody_can_log_in_as(application: Application) -> None:
    email = f"{unique('guest')}@example.com"
    answer = await registered(application, "192.0.2.1", email=email)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    [person] = application.database.rows("SELECT * FROM people WHERE id = %s", answer.json()["id"])
    assert (person["email_folded"], person["password_hash"], person["roles"]) == (None, None, ["customer"])
    for password in (PASSWORD, ""):
        login = {"email": email, "password": password}
        refused = await application.anonymous.post("/api/v1/login", json=login)
        assert refused.json()["type"] == problems.CREDENTIALS_WRONG.uri


async def test_the_same_email_may_be_of_guests_and_of_one_account(application: Application) -> None:
    email = f"{unique('guest')}@example.com"
    answers = [await registered(application, "192.0.2.2", email=email) for _ in range(2)]
    account = {"email": email, "password": PASSWORD}
    assert (await application.anonymous.post("/api/v1/accounts", json=account)).status_code == 202
    answers.append(await registered(application, "192.0.2.2", email=email))
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert len({answer.json()["link"] for answer in answers}) == 3


async def test_the_link_is_mailed_and_nobodys_box_is_filled(application: Application) -> None:
    email = f"{unique('guest')}@example.com"
    answers = [await registered(application, "192.0.2.6", email=form) for form in (email, email.upper()) * 4]
    assert {answer.status_code for answer in answers} == {201}
    mails = "SELECT person_id FROM notifications WHERE template = 'guest_link' AND person_id = ANY(%s)"
    people = [answer.json()["id"] for answer in answers]
    told = [row["person_id"] for row in application.database.rows(mails, people)]
    assert sorted(told) == people[: MAILS_BY_EMAIL.count]


@pytest.mark.parametrize(
    "changes",
    [
        {"phone": "call me"}, {"phone": "1234"}, {"phone": "+" + "1" * 16}, {"phone": 5},
        {"phone": "+12345\n6"}, {"email": "nobody"}, {"name": ""},
        {"name": "a\x00b"}, {"name": "a" * 201}, {"roles": ["host"]},
    ],
)  # fmt: skip
async def test_what_is_malformed_is_refused(application: Application, changes: dict[str, Any]) -> None:
    before = application.database.counts()
    answer = await registered(application, "192.0.2.3", **changes)
    assert (answer.status_code, answer.json()["type"]) == (422, problems.INVALID_REQUEST.uri)
    assert application.database.counts() == before


async def test_one_address_makes_only_so_many_guests(application: Application) -> None:
    statuses = [(await registered(application, "192.0.2.4")).status_code for _ in range(BY_ADDRESS.count)]
    assert statuses == [201] * BY_ADDRESS.count
    refused = await registered(application, "192.0.2.4")
    assert (refused.status_code, refused.json()["type"]) == (429, problems.TOO_MANY_REQUESTS.uri)
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["RateLimit"].startswith(f'"{BY_ADDRESS.name}";r=0;t=')
    assert (await registered(application, "192.0.2.5")).status_code == 201


@dataclass(frozen=True)
class Scene:
    """A guest with a link, and an event that can be booked."""

    application: Application
    guest: Customer
    link: str
    event_id: int


@pytest.fixture
async def scene(application: Application) -> Scene:
    host = await application.sign_up("host")
    answer = (await registered(application, f"192.0.2.{100 + randrange(150)}")).raise_for_status().json()
    guest = Customer(answer["id"], application.client(**{GUEST_LINK_HEADER: answer["link"]}))
    return Scene(application, guest, answer["link"], (await host.created())["id"])


async def test_a_guest_books_confirms_cancels_and_sees_what_is_the_guests_own(scene: Scene) -> None:
    kept, given_back = [await scene.guest.booked(scene.event_id, 2) for _ in range(2)]
    assert (await scene.guest.confirm(kept["id"])).json()["status"] == "confirmed"
    assert (await scene.guest.cancel(given_back["id"])).json()["status"] == "cancelled"
    assert (await scene.guest.booking(kept["id"]))["status"] == "confirmed"
    listed = (await scene.guest.client.get("/api/v1/bookings")).json()["bookings"]
    assert [one["id"] for one in listed] == [given_back["id"], kept["id"]]
    other = await scene.application.sign_up()
    booking = await other.booked(scene.event_id)
    for answer in (await scene.guest.cancel(booking["id"]), await other.cancel(kept["id"])):
        assert (answer.status_code, answer.json()["type"]) == (404, problems.NOT_FOUND.uri)


async def test_a_guest_may_do_nothing_else(scene: Scene) -> None:
    for method, path, body in (
        ("GET", "/api/v1/sessions", None),
        ("POST", "/api/v1/logout", None),
        ("GET", "/api/v1/me/export", None),
        ("DELETE", "/api/v1/me", {"password": PASSWORD}),
        ("POST", "/api/v1/events", event_body()),
        ("POST", "/api/v1/api-keys", {"name": "a key", "scopes": ["bookings:read"]}),
    ):
        answer = await scene.guest.client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["type"]) == (403, problems.FORBIDDEN.uri), path


async def test_a_link_beside_a_token_or_a_key_is_refused(scene: Scene) -> None:
    person = await scene.application.sign_up()
    wanted = {"name": "a key", "scopes": ["bookings:read"]}
    key = (await person.client.post("/api/v1/api-keys", json=wanted)).raise_for_status().json()["key"]
    token = person.client.headers["Authorization"]
    link = {GUEST_LINK_HEADER: scene.link}
    for headers in (
        {**link, "Authorization": token},
        {**link, API_KEY_HEADER: key},
        {**link, "Authorization": token, API_KEY_HEADER: key},
    ):
        answer = await scene.application.client(**headers).get("/api/v1/bookings")
        assert answer.status_code == 401, answer.text
    two = [(GUEST_LINK_HEADER, scene.link)] * 2
    assert (await scene.application.anonymous.get("/api/v1/bookings", headers=two)).status_code == 401


async def test_a_bad_link_is_refused_and_a_revoked_one_within_two_seconds(scene: Scene) -> None:
    for link in ("x", scene.link[:-1], scene.link + "A", ""):
        answer = await scene.application.client(**{GUEST_LINK_HEADER: link}).get("/api/v1/bookings")
        assert (answer.status_code, answer.json()["type"]) == (401, problems.TOKEN_INVALID.uri), link
    await scene.guest.booked(scene.event_id)
    scene.application.database.rows(
        "INSERT INTO revocations (kind, subject, expires_at) VALUES ('person', %s, now() + '1 hour')",
        str(scene.guest.id),
    )

    async def is_refused() -> bool:
        return (await scene.guest.client.get("/api/v1/bookings")).status_code == 401

    assert await eventually("the link is dead", is_refused)


async def test_a_revocation_of_a_guest_is_kept_as_long_as_links_live(scene: Scene) -> None:
    """That of an account is kept for minutes: a guest's link would come back to life."""
    person = await scene.application.sign_up()
    sessions = scene.application.app.state.sessions
    async with sessions._pool.connection() as connection, connection.transaction():
        for one in (scene.guest, person):
            await sessions.erase(connection, one.id)
    kept = "SELECT extract(epoch FROM expires_at - now()) AS seconds FROM revocations WHERE subject = %s"
    of_guest, of_person = (
        float(scene.application.database.rows(kept, str(one.id))[0]["seconds"])
        for one in (scene.guest, person)
    )
    assert GUEST_LINK_SECONDS < of_guest < GUEST_LINK_SECONDS + 120
    assert ACCESS_TOKEN_SECONDS < of_person < ACCESS_TOKEN_SECONDS + 120

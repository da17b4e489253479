"""API keys in the application: shown once, bounded, revoked, and told when last used."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from contracts import problems
from contracts.api_keys import API_KEY_HEADER, DEFAULT_API_KEY_DAYS, MAX_API_KEY_DAYS, MAX_API_KEYS_OF_PERSON
from mini_auth.callers import Callers
from tests.api_keys import with_another_secret
from tests.integration.write_api.application import Application, Customer, eventually
from tests.people import PASSWORD, unique

ADDRESS = "/api/v1/api-keys"
REVOKED_SECONDS = 2.0


async def make(person: Customer, *scopes: str, **more: Any) -> dict[str, Any]:
    """A key that must be made."""
    answer = await person.client.post(ADDRESS, json={"name": "a program", "scopes": list(scopes), **more})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def with_key(application: Application, key: str) -> httpx.AsyncClient:
    return application.client(**{API_KEY_HEADER: key})


async def listed(person: Customer) -> list[dict[str, Any]]:
    return list((await person.client.get(ADDRESS)).raise_for_status().json()["api_keys"])


async def test_a_key_acts_for_its_person_within_its_scopes(application: Application) -> None:
    person, host = await application.sign_up("customer", "host"), await application.sign_up("host")
    event = await host.created()
    key = await make(person, "bookings:write", "events:write")
    client = with_key(application, key["key"])
    booking = await client.post("/api/v1/bookings", json={"event_id": event["id"], "quantity": 1})
    assert booking.status_code == 201, booking.text
    assert (await person.booking(booking.json()["id"]))["event_id"] == event["id"]
    assert (await client.get(f"/api/v1/bookings/{booking.json()['id']}")).status_code == 403
    application.database.rows("UPDATE people SET roles = '{customer}' WHERE id = %s", person.id)

    async def may_not_host() -> bool:
        return (await client.post("/api/v1/events/bulk", json={"events": []})).status_code == 403

    assert await eventually("the key has the roles of now", may_not_host)


async def test_the_text_is_shown_once_and_is_nowhere_in_the_database(application: Application) -> None:
    person = await application.sign_up()
    key = await make(person, "bookings:read", "bookings:read", "events:read", name="  two  ")
    assert (key["name"], key["scopes"], key["last_used_at"]) == (
        "two",
        ["bookings:read", "events:read"],
        None,
    )
    text = key.pop("key")
    assert text.startswith(f"{key['prefix']}_")
    assert await listed(person) == [key]
    secret = text.removeprefix(f"{key['prefix']}_")
    [row] = application.database.rows("SELECT api_keys::text AS text FROM api_keys WHERE id = %s", key["id"])
    assert secret not in row["text"]
    assert not application.database.has("SELECT FROM audit_log WHERE audit_log::text LIKE %s", f"%{secret}%")


async def test_a_revoked_key_is_refused_within_two_seconds_and_its_person_stays_logged_in(
    application: Application,
) -> None:
    person = await application.sign_up()
    key, other = await make(person, "bookings:read"), await make(person, "bookings:read")
    client = with_key(application, key["key"])
    assert (await client.get("/api/v1/bookings")).status_code == 200
    assert (await person.client.delete(f"{ADDRESS}/{key['id']}")).status_code == 204
    revoked_at = time.monotonic()

    async def is_refused() -> bool:
        return (await client.get("/api/v1/bookings")).status_code == 401

    assert await eventually("the key is refused", is_refused)
    assert time.monotonic() - revoked_at < REVOKED_SECONDS
    assert (await person.client.get("/api/v1/bookings")).status_code == 200
    assert (await with_key(application, other["key"]).get("/api/v1/bookings")).status_code == 200
    assert [one["id"] for one in await listed(person)] == [other["id"]]
    assert (await person.client.delete(f"{ADDRESS}/{key['id']}")).status_code == 404
    told = application.database.rows(
        "SELECT actor_kind, actor_id, action FROM audit_log WHERE subject = %s ORDER BY id",
        f"api-key:{key['id']}",
    )
    assert [(row["actor_kind"], row["actor_id"], row["action"]) for row in told] == [
        ("person", person.id, "api-key-created"),
        ("person", person.id, "api-key-revoked"),
    ]


async def test_a_log_out_everywhere_ends_no_key(application: Application) -> None:
    person = await application.sign_up()
    client = with_key(application, (await make(person, "bookings:read"))["key"])
    assert (await person.client.post("/api/v1/logout/everywhere")).status_code == 204

    async def is_logged_out() -> bool:
        return (await person.client.get("/api/v1/bookings")).status_code == 401

    assert await eventually("the person is logged out", is_logged_out)
    assert (await client.get("/api/v1/bookings")).status_code == 200


async def test_an_expired_key_and_one_with_a_wrong_secret_are_refused(application: Application) -> None:
    person = await application.sign_up()
    expired, good = await make(person, "bookings:read"), await make(person, "bookings:read")
    application.database.rows("UPDATE api_keys SET expires_at = now() WHERE id = %s", expired["id"])
    for text in (expired["key"], with_another_secret(good["key"])):
        answer = await with_key(application, text).get("/api/v1/bookings")
        assert (answer.status_code, answer.json()["type"]) == (401, problems.API_KEY_INVALID.uri)


async def test_no_key_makes_lists_or_revokes_keys(application: Application) -> None:
    person = await application.sign_up("customer", "host")
    key = await make(person, "events:read", "events:write", "bookings:read", "bookings:write")
    client = with_key(application, key["key"])
    made = await client.post(ADDRESS, json={"name": "another", "scopes": ["events:read"]})
    assert made.status_code == 403
    assert (await client.get(ADDRESS)).status_code == 403
    assert (await client.delete(f"{ADDRESS}/{key['id']}")).status_code == 403
    assert len(await listed(person)) == 1


async def test_another_persons_key_is_like_none(application: Application) -> None:
    owner, stranger = await application.sign_up(), await application.sign_up()
    key = await make(owner, "bookings:read")
    for key_id in (key["id"], 9_000_000_000):
        answer = await stranger.client.delete(f"{ADDRESS}/{key_id}")
        assert (answer.status_code, answer.json()["type"]) == (404, problems.NOT_FOUND.uri)
    assert len(await listed(owner)) == 1


async def test_a_person_has_so_many_keys_even_when_asking_all_at_once(application: Application) -> None:
    person = await application.sign_up()
    body = {"name": "one of many", "scopes": ["events:read"]}
    answers = await asyncio.gather(
        *(person.client.post(ADDRESS, json=body) for _ in range(MAX_API_KEYS_OF_PERSON + 5))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * MAX_API_KEYS_OF_PERSON + [409] * 5
    keys = await listed(person)
    assert len(keys) == MAX_API_KEYS_OF_PERSON
    await person.client.delete(f"{ADDRESS}/{keys[0]['id']}")
    assert (await person.client.post(ADDRESS, json=body)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"name": ...},
        {"name": "  "},
        {"name": "x" * 201},
        {"name": "a\x00b"},
        {"scopes": ...},
        {"scopes": []},
        {"scopes": ["events:delete"]},
        {"scopes": "events:read"},
        {"scopes": [None]},
        {"scopes": ["events:read"] * 21},
        {"expires_in_days": 0},
        {"expires_in_days": MAX_API_KEY_DAYS + 1},
        {"expires_in_days": "90"},
        {"expires_in_days": True},
        {"expires_in_days": 1.5},
        {"person_id": 1},
    ],
)
async def test_a_wrong_body_makes_nothing(application: Application, change: dict[str, Any]) -> None:
    person = await application.sign_up()
    body = {"name": "a program", "scopes": ["events:read"], "expires_in_days": 1} | change
    answer = await person.client.post(
        ADDRESS, json={name: value for name, value in body.items() if value is not ...}
    )
    assert (answer.status_code, answer.json()["type"]) == (422, problems.INVALID_REQUEST.uri)
    assert await listed(person) == []


@pytest.mark.parametrize("days", [None, 1, MAX_API_KEY_DAYS])
async def test_a_key_expires_by_default_and_at_the_latest(application: Application, days: int | None) -> None:
    person = await application.sign_up()
    key = await make(person, "events:read", **({} if days is None else {"expires_in_days": days}))
    [row] = application.database.rows(
        "SELECT extract(epoch FROM expires_at - created_at) / 86400 AS days FROM api_keys WHERE id = %s",
        key["id"],
    )
    assert row["days"] == (days or DEFAULT_API_KEY_DAYS)


async def test_the_last_use_is_told_at_most_once_a_minute(application: Application) -> None:
    person = await application.sign_up()
    key = await make(person, "bookings:read")
    client = with_key(application, key["key"])

    async def used() -> Any:
        assert (await client.get("/api/v1/bookings")).status_code == 200
        [one] = await listed(person)
        return one["last_used_at"]

    first = await eventually("the use is told", used)

    def set_back(seconds: int) -> None:
        application.database.rows(
            "UPDATE api_keys SET last_used_at = now() - make_interval(secs => %s) WHERE id = %s",
            seconds,
            key["id"],
        )

    set_back(61)

    async def is_told_again() -> bool:
        return bool(await used() >= first)

    assert await eventually("a use a minute later is told", is_told_again)
    set_back(40)
    [before] = await listed(person)
    probe = await make(person, "bookings:read")

    async def probe_is_told() -> bool:
        for one in (client, with_key(application, probe["key"])):
            assert (await one.get("/api/v1/bookings")).status_code == 200
        [told] = [one for one in await listed(person) if one["id"] == probe["id"]]
        return told["last_used_at"] is not None

    assert await eventually("another key's use is told", probe_is_told)
    [after] = [one for one in await listed(person) if one["id"] == key["id"]]
    assert after["last_used_at"] == before["last_used_at"]


async def test_a_key_has_the_roles_that_a_token_of_its_person_has(application: Application) -> None:
    """Also where a role comes from elsewhere than the account, or waits for something."""
    host, member = await application.sign_up("host", "customer"), await application.sign_up()
    organisation = await host.client.post("/api/v1/organisations", json={"name": unique("organisation")})
    application.database.rows(
        "INSERT INTO organisation_members (organisation_id, person_id, role) VALUES (%s, %s, 'scanner')",
        organisation.json()["id"],
        member.id,
    )
    unconfirmed = await application.sign_up("host", "customer")
    application.database.rows("UPDATE people SET email_confirmed_at = NULL WHERE id = %s", unconfirmed.id)
    callers: Callers = application.app.state.callers
    for person in (host, member, unconfirmed):
        key = await make(person, "events:read")
        [row] = application.database.rows("SELECT email FROM people WHERE id = %s", person.id)
        login = await application.anonymous.post(
            "/api/v1/login", json={"email": row["email"], "password": PASSWORD}
        )
        by_token = callers.tokens.verify(login.json()["access_token"]).roles
        assert (await callers.api_keys.verify(key["key"])).roles == by_token

"""What administrators may do, to whom, and that all of it is told and in force at once."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import httpx
import pytest

from contracts import problems
from contracts.token_claims import Identity
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Customer, eventually
from tests.people import PASSWORD
from write_api.administration.service import AdministrationService
from write_api.administration.store import AdministrationStore

QUERIES = load_queries("write_api.administration")
ADMINISTRATORS = {"admin", "superadmin"}
pytestmark = pytest.mark.usefixtures("fresh_knowledge")


@dataclass(frozen=True)
class Person(Customer):
    """Somebody with the refresh token of their session."""

    refresh_token: str = ""


async def person(application: Application, *roles: str) -> Person:
    """Somebody whose account has these roles, logged in with them."""
    signed_up = await application.sign_up()
    [row] = application.database.rows(
        "UPDATE people SET roles = %s, email_confirmed_at = now() WHERE id = %s RETURNING email",
        list(roles or ("customer",)), signed_up.id,
    )  # fmt: skip
    tokens = (await log_in(application, row["email"])).json()
    client = application.client(Authorization=f"Bearer {tokens['access_token']}")
    return Person(signed_up.id, client, row["email"], tokens["refresh_token"])


async def log_in(application: Application, email: str) -> httpx.Response:
    return await application.anonymous.post("/api/v1/login", json={"email": email, "password": PASSWORD})


def identity_of(application: Application, one: Customer) -> Identity:
    token = one.client.headers["Authorization"].removeprefix("Bearer ")
    identity: Identity = application.app.state.callers.tokens.verify(token)
    return identity


async def is_dead(one: Customer) -> bool:
    return (await one.client.get("/api/v1/sessions")).status_code == 401


def roles_of(application: Application, one: Customer) -> set[str]:
    return set(application.database.rows("SELECT roles FROM people WHERE id = %s", one.id)[0]["roles"])


def told(application: Application, actor: Customer, subject: str) -> list[str]:
    rows = application.database.rows(
        "SELECT action FROM audit_log WHERE actor_id = %s AND subject = %s AND outcome = 'done' ORDER BY id",
        actor.id, subject,
    )  # fmt: skip
    return [row["action"] for row in rows]


def may_act(asker: set[str], target: set[str], *, is_self: bool, role: str | None = None) -> bool:
    """The rule of who changes whom."""
    if not asker & ADMINISTRATORS or is_self:
        return False
    return "superadmin" in asker or not (target | ({role} if role else set())) & ADMINISTRATORS


@pytest.mark.parametrize("seed", range(3))
async def test_who_may_change_whom_is_exactly_the_rule(application: Application, seed: int) -> None:
    """Random people with random roles try random changes of each other."""
    chance = random.Random(seed)
    every = ["customer", "host", "scanner", "admin", "superadmin"]
    people = [
        await person(application, *{*chance.sample(every, chance.randint(0, 2)), "customer"})
        for _ in range(6)
    ]
    base = {one.id: roles_of(application, one) for one in people}
    tokens = {one.id: one.client for one in people}
    for _ in range(40):
        asker, target = chance.choice(people), chance.choice(people)
        role = chance.choice(every)
        method, path = chance.choice([
            ("PUT", f"roles/{role}"), ("DELETE", f"roles/{role}"), ("PUT", "suspension"),
            ("DELETE", "suspension"), ("DELETE", "sessions"),
        ])  # fmt: skip
        is_of_role = path.startswith("roles")
        is_allowed = may_act(
            base[asker.id], base[target.id], is_self=asker is target, role=role if is_of_role else None
        )
        answer = await tokens[asker.id].request(
            method,
            f"/api/v1/admin/people/{target.id}/{path}",
            json={"reason": "a test"} if (method, path) == ("PUT", "suspension") else None,
        )
        told_with = (seed, base[asker.id], base[target.id], asker is target, method, path, answer.text)
        if not is_allowed:
            assert answer.status_code == 403, told_with
            assert roles_of(application, target) == base[target.id], told_with
            continue
        if (method, path) == ("DELETE", "roles/customer") and base[target.id] == {"customer"}:
            assert answer.status_code == 409, told_with
            continue
        assert answer.status_code in {200, 204}, told_with
        expected = base[target.id]
        if is_of_role:
            expected = expected | {role} if method == "PUT" else expected - {role}
        assert roles_of(application, target) == expected, told_with
        application.database.rows(
            "UPDATE people SET roles = %s, suspended_at = NULL WHERE id = %s",
            sorted(base[target.id]),
            target.id,
        )
        login = await log_in(application, target.email)
        token = f"Bearer {login.json()['access_token']}"
        tokens[target.id] = application.client(Authorization=token)


async def test_a_change_of_roles_counts_with_the_next_token_and_the_one_before_is_dead(
    application: Application,
) -> None:
    superadmin, one = await person(application, "superadmin"), await person(application)
    path = f"/api/v1/admin/people/{one.id}/roles/admin"
    for _ in range(2):
        answer = await superadmin.client.put(path)
        assert (answer.status_code, answer.json()["roles"]) == (200, ["admin", "customer"])
    assert await eventually("the token of before is dead", lambda: is_dead(one))
    refreshed = await application.anonymous.post("/api/v1/refresh", json={"refresh_token": one.refresh_token})
    token = refreshed.json()["access_token"]
    admin = Customer(one.id, application.client(Authorization=f"Bearer {token}"))
    assert identity_of(application, admin).roles == {"admin", "customer"}
    assert (await admin.client.get(f"/api/v1/admin/people/{one.id}")).status_code == 200
    assert (await superadmin.client.delete(path)).json()["roles"] == ["customer"]
    # At once, though the token still says it: the account is asked.
    refused = await admin.client.get(f"/api/v1/admin/people/{one.id}")
    assert refused.status_code in {401, 403}
    assert await eventually("the second token is dead", lambda: is_dead(admin))
    assert told(application, superadmin, f"person:{one.id}") == ["role-granted", "role-withdrawn"]


async def test_who_is_suspended_is_out_at_once_and_comes_back_when_it_is_lifted(
    application: Application,
) -> None:
    admin, one = await person(application, "admin"), await person(application)
    key = (
        await one.client.post("/api/v1/api-keys", json={"name": "mine", "scopes": ["bookings:read"]})
    ).json()["key"]
    with_key = application.client(**{"X-Api-Key": key})
    assert (await with_key.get("/api/v1/bookings")).status_code == 200
    path = f"/api/v1/admin/people/{one.id}/suspension"
    answer = await admin.client.put(path, json={"reason": "fraud"})
    assert answer.status_code == 200
    assert answer.json()["suspended_at"]
    login = await log_in(application, one.email)
    assert (login.status_code, login.json()["type"]) == (401, problems.CREDENTIALS_WRONG.uri)
    body = {"refresh_token": one.refresh_token}
    assert (await application.anonymous.post("/api/v1/refresh", json=body)).status_code == 401
    assert await eventually("the access token is dead", lambda: is_dead(one))

    async def is_key_refused() -> bool:
        return (await with_key.get("/api/v1/bookings")).status_code == 401

    assert await eventually("the API key is refused", is_key_refused)
    for _ in range(2):
        lifted = await admin.client.delete(path)
        assert (lifted.status_code, lifted.json()["suspended_at"]) == (200, None)
    assert (await log_in(application, one.email)).status_code == 200
    assert (await application.anonymous.post("/api/v1/refresh", json=body)).status_code == 401
    assert told(application, admin, f"person:{one.id}") == ["account-suspended", "suspension-lifted"]
    refused = application.database.rows(
        "SELECT count(*) AS n FROM audit_log"
        " WHERE subject = %s AND action = 'logged-in' AND outcome = 'refused'",
        f"person:{one.id}",
    )
    assert refused == [{"n": 1}]


async def test_what_is_refused_to_an_administrator_is_told_too(application: Application) -> None:
    admin, superadmin = await person(application, "admin"), await person(application, "superadmin")
    people = f"/api/v1/admin/people/{superadmin.id}"
    for method, path, body in (
        ("PUT", f"{people}/roles/customer", None), ("PUT", f"{people}/suspension", {"reason": "a coup"}),
        ("DELETE", f"{people}/sessions", None),
        ("POST", "/api/v1/admin/revocations", {"revoke": {"kind": "person", "person_id": superadmin.id}}),
    ):  # fmt: skip
        answer = await admin.client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["type"]) == (403, problems.FORBIDDEN.uri)
    rows = application.database.rows(
        "SELECT action, outcome, details FROM audit_log WHERE actor_id = %s AND subject = %s ORDER BY id",
        admin.id, f"person:{superadmin.id}",
    )  # fmt: skip
    assert [(row["action"], row["outcome"], row["details"]) for row in rows] == [
        (action, "refused", {})
        for action in ("role-granted", "account-suspended", "sessions-ended", "tokens-revoked")
    ]


async def test_accounts_are_found_by_email_and_id_and_that_is_told(application: Application) -> None:
    admin, one = await person(application, "admin"), await person(application, "customer", "host")
    found = await admin.client.post("/api/v1/admin/people/search", json={"email": one.email.upper()})
    same = await admin.client.get(f"/api/v1/admin/people/{one.id}")
    assert found.status_code == 200
    assert found.json() == same.json()
    assert (found.json()["id"], found.json()["roles"]) == (one.id, ["customer", "host"])
    assert "password" not in found.text
    nobody = await admin.client.post("/api/v1/admin/people/search", json={"email": "no@example.com"})
    assert nobody.status_code == 404
    assert (await admin.client.get(f"/api/v1/admin/people/{2**62}")).status_code == 404
    assert told(application, admin, f"person:{one.id}") == ["account-looked-up"] * 2


async def test_a_session_a_token_and_all_tokens_of_a_person_are_revoked(application: Application) -> None:
    superadmin, admin = await person(application, "superadmin"), await person(application, "admin")
    by_session, by_token, by_person, ended = [await person(application) for _ in range(4)]
    listed = (await admin.client.get(f"/api/v1/admin/people/{by_session.id}/sessions")).json()["sessions"]
    session_id = identity_of(application, by_session).session_id
    assert session_id in {one["id"] for one in listed}
    token_id = identity_of(application, by_token).token_id
    for asker, revoke, status in (
        (admin, {"kind": "session", "session_id": session_id}, 204),
        (admin, {"kind": "session", "session_id": session_id}, 204),
        (admin, {"kind": "session", "session_id": 2**62}, 404),
        (admin, {"kind": "person", "person_id": by_person.id}, 204),
        (admin, {"kind": "person", "person_id": superadmin.id}, 403),
        (admin, {"kind": "session", "session_id": identity_of(application, superadmin).session_id}, 403),
        (admin, {"kind": "token", "token_id": token_id}, 403),
        (superadmin, {"kind": "token", "token_id": token_id}, 204),
        (superadmin, {"kind": "key", "token_id": token_id}, 422),
    ):
        answer = await asker.client.post("/api/v1/admin/revocations", json={"revoke": revoke})
        assert answer.status_code == status, answer.text
    assert (await admin.client.delete(f"/api/v1/admin/people/{ended.id}/sessions")).status_code == 204
    for one in (by_session, by_token, by_person, ended):
        assert await eventually("the token is dead", lambda: is_dead(one))  # noqa: B023
    goes_on = {by_session: False, by_token: True, by_person: True, ended: False}
    for one, expected in goes_on.items():
        answer = await application.anonymous.post(
            "/api/v1/refresh", json={"refresh_token": one.refresh_token}
        )
        assert (answer.status_code == 200) is expected
    assert not await is_dead(superadmin)


async def test_a_deactivated_event_is_off_sale_until_that_is_lifted(application: Application) -> None:
    admin, host = await person(application, "admin"), await person(application, "customer", "host")
    event = await host.created()
    path = f"/api/v1/admin/events/{event['id']}/deactivation"
    for _ in range(2):
        assert (await admin.client.put(path, json={"reason": "forged"})).status_code == 204
    assert (await host.book(event["id"])).status_code == 409
    refused = await host.update(event["id"], status="active")
    assert (refused.status_code, refused.json()["type"]) == (409, problems.CONFLICT.uri)
    assert (await host.update(event["id"], name="Another name")).status_code == 200
    assert (await admin.client.delete(path)).status_code == 204
    assert (await host.update(event["id"], status="active")).status_code == 200
    rows = application.database.rows(
        "SELECT action, details FROM audit_log WHERE actor_id = %s AND subject = %s ORDER BY id",
        admin.id, f"event:{event['id']}",
    )  # fmt: skip
    assert [(row["action"], row["details"].get("reason")) for row in rows] == [
        ("event-deactivated", "forged"),
        ("event-deactivated", "forged"),
        ("event-activation-allowed", None),
    ]
    missing = f"/api/v1/admin/events/{2**62}/deactivation"
    assert (await admin.client.put(missing, json={"reason": "x"})).status_code == 404
    assert (await host.client.put(path, json={"reason": "x"})).status_code == 403


async def test_the_audit_log_is_read_in_pages_with_filters(application: Application) -> None:
    admin, host = await person(application, "admin"), await person(application, "customer", "host")
    events = [(await host.created())["id"] for _ in range(5)]

    async def page(**filters: Any) -> dict[str, Any]:
        answer = await admin.client.get("/api/v1/admin/audit-log", params=filters)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    made = {"person_id": host.id, "action": "event-created"}
    seen: list[dict[str, Any]] = []
    following: dict[str, Any] = {}
    while True:
        part = await page(**made, limit=2, **following)
        seen += part["entries"]
        if part["next_before_id"] is None:
            break
        following = {"before_id": part["next_before_id"]}
    assert [entry["subject"] for entry in seen] == [f"event:{one}" for one in reversed(events)]
    [only] = (await page(subject=f"event:{events[2]}"))["entries"]
    assert (only["actor_id"], only["outcome"], only["region"]) == (host.id, "done", "eu")
    since = seen[1]["at"]
    assert [one["subject"] for one in (await page(**made, since=since))["entries"]] == [
        f"event:{events[4]}", f"event:{events[3]}",
    ]  # fmt: skip
    until = await page(**made, until=since)
    assert len(until["entries"]) == 3
    for bad in ({"limit": 201}, {"before_id": 0}, {"since": "yesterday"}, {"subject": "x y"}):
        assert (await admin.client.get("/api/v1/admin/audit-log", params=bad)).status_code == 422
    assert told(application, admin, "audit-log:all")
    assert (await host.client.get("/api/v1/admin/audit-log")).status_code == 403


@pytest.mark.parametrize("is_locked", [True, False])
async def test_two_superadmins_who_take_each_others_role_dont_both_succeed(
    application: Application, is_locked: bool
) -> None:
    """With `is_locked` False the negative control: without the lock nobody of the two would be left."""
    both = [await person(application, "superadmin", "customer") for _ in range(2)]
    lock: LiteralString = QUERIES["lock_rights"]
    # Without the lock, slow enough that both have asked before one has changed anything.
    service = substituted(
        application, {"lock_rights": lock if is_locked else "SELECT 1"}, is_slow=not is_locked
    )
    identities = [identity_of(application, one) for one in both]
    results = await asyncio.gather(
        service.withdraw(identities[0], both[1].id, "superadmin"),
        service.withdraw(identities[1], both[0].id, "superadmin"),
        return_exceptions=True,
    )
    refused = [one for one in results if isinstance(one, Problem) and one.kind is problems.FORBIDDEN]
    left = [one for one in both if "superadmin" in roles_of(application, one)]
    assert (len(refused), len(left)) == ((1, 1) if is_locked else (0, 0))


def substituted(
    application: Application, queries: Mapping[str, LiteralString], *, is_slow: bool
) -> AdministrationService:
    """The application's own service, but for some statements."""
    service: AdministrationService = application.app.state.administration
    accounts = type(service._accounts)()
    if is_slow:
        find: LiteralString = accounts._queries["find_account"].replace(  # type: ignore[attr-defined]
            "FROM people", "FROM pg_sleep(0.5), people"
        )
        accounts._queries = {**accounts._queries, "find_account": find}  # type: ignore[attr-defined]
    return AdministrationService(
        service._pool,
        AdministrationStore({**QUERIES, **queries}),
        service._audit_log,
        accounts=accounts,
        sessions=service._sessions,
        events=service._events,
    )

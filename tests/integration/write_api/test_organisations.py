"""Organisations: who belongs to them, who says so, and that nobody changes what isn't theirs."""

import asyncio
import random
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from contracts import problems
from tests.integration.write_api.application import Application, Customer, event_body
from tests.integration.write_api.hosts import (
    Host,
    host,
    invited,
    joined,
    members_of,
    organisation_of,
    roles_in_next_token,
    set_members,
)
from tests.people import PASSWORD, unique
from write_api.migrate import migrate, read_migrations
from write_api.organisations.service import MAX_CREATED_ORGANISATIONS

ROLES = ("owner", "staff", "scanner", None)


@pytest.mark.parametrize("seed", range(4))
async def test_what_each_may_do_is_exactly_the_rule(application: Application, seed: int) -> None:
    """Random members with random roles in two organisations; each tries everything in both."""
    chance = random.Random(seed)
    people = [await host(application) for _ in range(4)]
    founder = people[0]
    organisations = [await organisation_of(founder) for _ in range(2)]
    events = {
        one: (await founder.created(organisation_id=one, status="inactive"))["id"] for one in organisations
    }
    roles = {
        one: {person.id: chance.choice(ROLES) for person in people[1:]} | {founder.id: "owner"}
        for one in organisations
    }
    for organisation_id in organisations:
        for person in chance.sample(people, len(people)):
            others = [one.id for one in people if one is not person and roles[organisation_id][one.id]]
            owners = [one for one in others if roles[organisation_id][one] == "owner"]
            rule = expectations(roles[organisation_id][person.id], is_last_owner=not owners)
            for action, expected in rule.items():
                if not others and action in {"change", "remove"}:
                    continue
                set_members(application, organisation_id, roles[organisation_id])
                target = chance.choice(others or [person.id])
                answer = await attempt(person, action, organisation_id, events[organisation_id], target)
                told = (seed, roles[organisation_id], person.id, action, answer.text)
                assert answer.status_code == expected, told
                if action == "bulk":
                    is_made = roles[organisation_id][person.id] in {"owner", "staff"}
                    assert [one["status"] for one in answer.json()["results"]] == [
                        "created" if is_made else "refused"
                    ], told
                if expected >= 400:
                    left = {one: role for one, role in roles[organisation_id].items() if role}
                    assert members_of(application, organisation_id) == left, told


def expectations(role: str | None, *, is_last_owner: bool) -> dict[str, int]:
    """The rule: the status of each action by what somebody is in the organisation."""
    hosts, owns, belongs = role in {"owner", "staff"}, role == "owner", role is not None
    manages = 200 if owns else 403 if belongs else 404
    return {
        "create": 201 if hosts else 403,
        "bulk": 200,
        "update": 200 if hosts else 404,
        "page": 200 if hosts else 404,
        "rename": manages,
        "members": manages,
        "invitations": manages,
        "invite": manages,
        "change": manages,
        "withdraw": 404 if owns or not belongs else 403,
        "remove": {200: 204}.get(manages, manages),
        "leave": 404 if not belongs else 409 if owns and is_last_owner else 204,
    }


async def attempt(
    person: Customer, action: str, organisation_id: int, event_id: int, target: int
) -> httpx.Response:
    base = f"/api/v1/organisations/{organisation_id}"
    match action:
        case "create":
            return await person.create(organisation_id=organisation_id)
        case "bulk":
            return await person.client.post(
                "/api/v1/events/bulk", json={"events": [event_body(organisation_id=organisation_id)]}
            )
        case "update":
            return await person.update(event_id, description=unique("text"))
        case "page":
            return await person.client.get(f"/api/v1/events/{event_id}")
        case "rename":
            return await person.client.put(base, json={"name": unique("name")})
        case "members" | "invitations":
            return await person.client.get(f"{base}/{action}")
        case "invite":
            body = {"email": f"{unique('x')}@example.com", "role": "staff"}
            return await person.client.post(f"{base}/invitations", json=body)
        case "change":
            return await person.client.put(f"{base}/members/{target}", json={"role": "owner"})
        case "withdraw":
            return await person.client.delete(f"{base}/invitations/{2**62}")
        case "remove":
            return await person.client.delete(f"{base}/members/{target}")
        case _:
            return await person.client.delete(f"{base}/members/{person.id}")


async def test_new_hosts_get_an_organisation_with_their_first_event(application: Application) -> None:
    person = await host(application)
    mine = person.client.get
    assert (await mine("/api/v1/organisations")).json() == {"organisations": []}
    first, second = await asyncio.gather(person.created(), person.created())
    [organisation] = (await mine("/api/v1/organisations")).json()["organisations"]
    assert (organisation["role"], organisation["is_own"]) == ("owner", True)
    owned = application.database.rows(
        "SELECT DISTINCT organisation_id FROM events WHERE id IN (%s, %s)", first["id"], second["id"]
    )
    assert owned == [{"organisation_id": organisation["id"]}]


async def test_who_hosts_by_membership_alone_gets_no_organisation_of_their_own(
    application: Application,
) -> None:
    owner, member = await host(application), await host(application, "customer")
    organisation_id = await organisation_of(owner)
    await joined(owner, organisation_id, member, "staff")
    assert await roles_in_next_token(application, member) == {"customer", "host"}
    staff = await logged_in(application, member)
    assert (await staff.create(organisation_id=organisation_id)).status_code == 201
    refused = await staff.create()
    assert (refused.status_code, refused.json()["type"]) == (403, problems.FORBIDDEN.uri)
    assert (
        await owner.client.delete(f"/api/v1/organisations/{organisation_id}/members/{member.id}")
    ).is_success
    assert (await staff.create(organisation_id=organisation_id)).status_code == 403
    assert (await staff.create()).status_code == 403
    assert await roles_in_next_token(application, member) == {"customer"}


async def logged_in(application: Application, person: Host) -> Customer:
    account = {"email": person.email, "password": PASSWORD}
    token = (await application.anonymous.post("/api/v1/login", json=account)).json()["access_token"]
    return Customer(person.id, application.client(Authorization=f"Bearer {token}"))


async def test_a_scanner_gets_the_role_and_nothing_of_the_events(application: Application) -> None:
    owner, member = await host(application), await host(application, "customer")
    organisation_id = await organisation_of(owner)
    event = await owner.created(organisation_id=organisation_id)
    await joined(owner, organisation_id, member, "scanner")
    assert await roles_in_next_token(application, member) == {"customer", "scanner"}
    scanner = await logged_in(application, member)
    assert (await scanner.update(event["id"], name="mine")).status_code == 403
    assert (await scanner.create(organisation_id=organisation_id)).status_code == 403


async def test_an_invitation_says_nothing_of_accounts_and_is_for_its_email_alone(
    application: Application,
) -> None:
    owner, guest, stranger = [await host(application) for _ in range(3)]
    organisation_id = await organisation_of(owner)
    url = f"/api/v1/organisations/{organisation_id}/invitations"
    bodies = [{"email": email, "role": "staff"} for email in (guest.email, f"{unique('no')}@example.com")]
    known, unknown = [(await owner.client.post(url, json=body)).json() for body in bodies]
    assert {name for name in known if known[name] != unknown[name]} <= {
        "id", "email", "created_at", "expires_at",
    }  # fmt: skip
    accept = f"/api/v1/invitations/{known['id']}/accept"
    for person in (stranger, owner):
        assert (await person.client.post(accept)).status_code == 404
        assert (await person.client.delete(f"/api/v1/invitations/{known['id']}")).status_code == 404
    [invitation] = (await guest.client.get("/api/v1/invitations")).json()["invitations"]
    assert invitation["organisation_id"] == organisation_id
    answers = await asyncio.gather(*(guest.client.post(accept) for _ in range(4)))
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, answers[0].json())] * 4
    assert members_of(application, organisation_id) == {owner.id: "owner", guest.id: "staff"}
    assert (await guest.client.get("/api/v1/invitations")).json() == {"invitations": []}
    told = application.database.rows(
        "SELECT action FROM audit_log WHERE actor_id = %s AND subject = %s",
        guest.id, f"organisation:{organisation_id}",
    )  # fmt: skip
    assert [row["action"] for row in told] == ["member-joined"]


async def test_invitations_are_replaced_withdrawn_declined_and_expire(application: Application) -> None:
    owner, guest = await host(application), await host(application)
    organisation_id = await organisation_of(owner)
    url = f"/api/v1/organisations/{organisation_id}/invitations"
    first = await invited(owner, organisation_id, guest.email.upper(), "staff")
    assert await invited(owner, organisation_id, guest.email, "scanner") == first
    assert [one["role"] for one in (await owner.client.get(url)).json()["invitations"]] == ["scanner"]
    assert (await owner.client.delete(f"{url}/{first}")).status_code == 204
    second = await invited(owner, organisation_id, guest.email, "staff")
    assert (await guest.client.delete(f"/api/v1/invitations/{second}")).status_code == 204
    third = await invited(owner, organisation_id, guest.email, "staff")
    application.database.rows(
        "UPDATE organisation_invitations SET expires_at = now() - interval '1 s' WHERE id = %s", third
    )
    for invitation_id in (first, second, third):
        answer = await guest.client.post(f"/api/v1/invitations/{invitation_id}/accept")
        assert (answer.status_code, answer.json()["type"]) == (404, problems.NOT_FOUND.uri)
    assert members_of(application, organisation_id) == {owner.id: "owner"}


async def test_who_is_a_member_already_keeps_their_role(application: Application) -> None:
    owner, member = await host(application), await host(application)
    organisation_id = await organisation_of(owner)
    await joined(owner, organisation_id, member, "scanner")
    invitation_id = await invited(owner, organisation_id, member.email, "owner")
    answer = await member.client.post(f"/api/v1/invitations/{invitation_id}/accept")
    assert (answer.status_code, answer.json()["role"]) == (200, "scanner")


async def test_the_last_owner_can_neither_leave_nor_become_less(application: Application) -> None:
    owner, other = await host(application), await host(application)
    organisation_id = await organisation_of(owner)
    await joined(owner, organisation_id, other, "staff")
    own = f"/api/v1/organisations/{organisation_id}/members/{owner.id}"
    for answer in (await owner.client.delete(own), await owner.client.put(own, json={"role": "staff"})):
        assert (answer.status_code, answer.json()["type"]) == (409, problems.CONFLICT.uri)
    theirs = f"/api/v1/organisations/{organisation_id}/members/{other.id}"
    assert (await owner.client.put(theirs, json={"role": "owner"})).status_code == 200
    assert (await owner.client.delete(own)).status_code == 204
    assert members_of(application, organisation_id) == {other.id: "owner"}


async def test_who_lost_their_own_organisation_gets_another_one(application: Application) -> None:
    person, other = await host(application), await host(application)
    event = await person.created()
    [own] = (await person.client.get("/api/v1/organisations")).json()["organisations"]
    await joined(person, own["id"], other, "owner")
    path = f"/api/v1/organisations/{own['id']}/members/{person.id}"
    assert (await other.client.delete(path)).status_code == 204
    assert (await person.update(event["id"], name="still mine")).status_code == 403
    await person.created()
    [another] = (await person.client.get("/api/v1/organisations")).json()["organisations"]
    assert another["is_own"]
    assert another["id"] != own["id"]


async def test_an_import_reference_is_the_organisations(application: Application) -> None:
    owner, member = await host(application), await host(application)
    organisation_id = await organisation_of(owner)
    await joined(owner, organisation_id, member, "staff")
    reference = unique("reference")
    first = await owner.created(organisation_id=organisation_id, import_reference=reference)
    again = await member.create(organisation_id=organisation_id, import_reference=reference)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    own = await member.created(import_reference=reference)
    bodies = [
        event_body(import_reference=reference, **more) for more in ({}, {"organisation_id": organisation_id})
    ]
    answer = await member.client.post("/api/v1/events/bulk", json={"events": bodies})
    assert [one["id"] for one in answer.json()["results"]] == [own["id"], first["id"]]


async def test_asked_for_again_an_organisation_is_the_same_and_there_is_a_bound(
    application: Application,
) -> None:
    person, name = await host(application), unique("name")
    answers = await asyncio.gather(
        *(person.client.post("/api/v1/organisations", json={"name": name}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    for _ in range(MAX_CREATED_ORGANISATIONS - 1):
        await organisation_of(person)
    refused = await person.client.post("/api/v1/organisations", json={"name": unique("one too many")})
    assert (refused.status_code, refused.json()["type"]) == (409, problems.CONFLICT.uri)
    assert (await person.client.post("/api/v1/organisations", json={"name": name})).status_code == 200


def test_events_that_were_there_before_get_the_organisation_of_their_host(application: Application) -> None:
    server, name = application.database.server, unique("before").lower()
    with psycopg.connect(application.database.url("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" OWNER frontrow_owner TEMPLATE template0'.encode())
    url = server.url(name, "frontrow_owner")
    ours = read_migrations()
    first = next(index for index, one in enumerate(ours) if one.file_name.endswith("_pre_organisations.sql"))
    migrate(url, ours[:first])
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        for number in (1, 2, 3):
            connection.execute(
                "INSERT INTO people (email, email_folded, password_hash, display_name, roles)"
                " VALUES (%(email)s, %(email)s, 'x', %(email)s, '{host}')",
                {"email": f"p{number}@example.com"},
            )
        insert = (
            b"INSERT INTO events (host_id, name, category, starts_at, time_zone, is_online, currency)"
            b" VALUES (%s, 'x', 'MUSIC', now(), 'UTC', true, 'USD')"
        )
        for host_id in (1, 1, 2):
            connection.execute(insert, [host_id])
        migrate(url, ours[: first + 1])
        connection.execute(insert, [3])  # by the code before, which still runs
        migrate(url, ours)
        rows: list[dict[str, Any]] = connection.execute(
            "SELECT e.host_id, o.host_id AS own, m.person_id, m.role, h.person_id AS sees FROM events e"
            " JOIN organisations o ON o.id = e.organisation_id"
            " JOIN organisation_members m ON m.organisation_id = o.id"
            " JOIN read_side.event_hosts h ON h.event_id = e.id ORDER BY e.id"
        ).fetchall()
    assert [tuple(row.values()) for row in rows] == [(one, one, one, "owner", one) for one in (1, 1, 2, 3)]


async def erase(person: Customer) -> httpx.Response:
    return await person.client.request("DELETE", "/api/v1/me", json={"password": PASSWORD})


async def test_who_is_erased_leaves_no_name_no_invitation_and_no_organisation_without_owner(
    application: Application,
) -> None:
    owner, member, third = [await host(application) for _ in range(3)]
    await owner.created(status="inactive")
    [own] = (await owner.client.get("/api/v1/organisations")).json()["organisations"]
    organisation_id = await organisation_of(third)
    await invited(third, organisation_id, owner.email, "staff")
    await joined(owner, own["id"], member, "staff")
    export = (await owner.client.get("/api/v1/me/export")).json()
    assert [one["id"] for one in export["memberships"]] == [own["id"]]
    assert [one["email"] for one in export["invitations"]] == [owner.email]
    refused = await erase(owner)
    assert (refused.status_code, refused.json()["type"]) == (409, problems.ACCOUNT_NEEDED.uri)
    path = f"/api/v1/organisations/{own['id']}/members/{member.id}"
    assert (await owner.client.put(path, json={"role": "owner"})).status_code == 200
    assert (await erase(owner)).status_code == 204
    assert members_of(application, own["id"]) == {member.id: "owner"}
    [left] = application.database.rows("SELECT name, host_id FROM organisations WHERE id = %s", own["id"])
    assert left == {"name": "Erased", "host_id": None}
    invitations = "SELECT FROM organisation_invitations WHERE email = %s"
    assert not application.database.has(invitations, owner.email)

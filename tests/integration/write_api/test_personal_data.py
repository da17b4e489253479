"""What is kept about somebody is theirs to have and to erase, and the books stay whole."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from contracts import problems
from contracts.api_keys import API_KEY_HEADER
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    event_body,
    eventually,
    running_application,
)
from tests.people import PASSWORD, unique
from write_api.personal_data.service import EXPORTS_BY_PERSON

TABLES_OF_PEOPLE = """
SELECT DISTINCT c.conrelid::regclass::text AS name FROM pg_constraint c
WHERE c.contype = 'f' AND c.confrelid = 'people'::regclass
"""
SHOWN_TABLES = """
SELECT DISTINCT table_schema || '.' || table_name AS name FROM information_schema.view_table_usage
WHERE view_schema = 'own_data'
"""
TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


@dataclass(frozen=True)
class Somebody:
    """Somebody with words in the database that are nobody else's."""

    customer: Customer
    email: str
    name: str
    program: str

    @property
    def words(self) -> list[str]:
        return [self.email, self.name, self.program]

    async def erase(self, password: str = PASSWORD) -> httpx.Response:
        return await self.customer.client.request("DELETE", "/api/v1/me", json={"password": password})

    async def export(self) -> dict[str, Any]:
        answer = await self.customer.client.get("/api/v1/me/export")
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        return dict(answer.json())


async def somebody(application: Application, *roles: str) -> Somebody:
    email, name, program = f"{unique('mail')}@example.com", unique("name"), unique("program")
    account = {
        "email": email,
        "password": PASSWORD,
        "display_name": name,
        "roles": list(roles or ("customer",)),
    }
    (await application.anonymous.post("/api/v1/accounts", json=account)).raise_for_status()
    customer = await application.log_in(email, is_confirmed="host" in roles, **{"User-Agent": program})
    return Somebody(customer, email, name, program)


def places_with(database: Database, words: list[str]) -> set[str]:
    """Every table with a row in which one of the words is found, whatever the column and its type."""
    return {
        table["name"]
        for table in database.rows(TABLES)
        for word in words
        if database.has(f"SELECT FROM {table['name']} r WHERE strpos(lower(r::text), lower(%s)) > 0", word)
    }


async def test_an_erased_person_is_found_nowhere_and_the_books_stay(application: Application) -> None:
    database = application.database
    host, person = await application.sign_up("host"), await somebody(application)
    event = await host.created()
    booking = await person.customer.booked(event["id"], 2)
    await person.customer.confirm(booking["id"])
    database.rows("UPDATE events SET starts_at = now() - interval '1 day' WHERE id = %s", event["id"])
    books = "SELECT * FROM bookings WHERE id = %s"
    before = database.rows(books, booking["id"])
    entries = "SELECT * FROM audit_log WHERE actor_id = %s AND action <> 'person-erased' ORDER BY id"
    told = database.rows(entries, person.customer.id)
    assert told
    places = {f"public.{table}" for table in ("people", "sessions", "notifications")}
    assert places_with(database, person.words) == places, "the control"
    answer = await person.erase()
    assert answer.status_code == 204, answer.text
    assert places_with(database, person.words) == set()
    assert database.rows(books, booking["id"]) == before
    assert database.rows(entries, person.customer.id) == told
    erased = "SELECT FROM audit_log WHERE action = 'person-erased' AND subject = %s AND outcome = 'done'"
    assert database.has(erased, f"person:{person.customer.id}")


async def test_whatever_a_person_has_left_is_erased(application: Application) -> None:
    """In every feature that lets people leave words behind; the control names the tables."""
    database = application.database
    person, other = await somebody(application, "customer", "host"), await application.sign_up("host")
    database.rows("UPDATE people SET email_confirmed_at = now() WHERE id = %s", person.customer.id)
    await person.customer.created(status="inactive")  # in an organisation of their own, which has their name
    key = {"name": f"key of {person.name}", "scopes": ["bookings:read"]}
    (await person.customer.client.post("/api/v1/api-keys", json=key)).raise_for_status()
    await other.created()
    [organisation] = (await other.client.get("/api/v1/organisations")).json()["organisations"]
    invitation = {"email": person.email, "role": "staff"}
    path = f"/api/v1/organisations/{organisation['id']}/invitations"
    (await other.client.post(path, json=invitation)).raise_for_status()
    database.rows(
        "INSERT INTO notifications (channel, template, parameters, email_folded, address, status, sent_at)"
        " VALUES ('mail', 'password_reset', '{}', %s, %s, 'sent', now())",
        person.email,
        person.email.upper(),
    )
    tables = ("people", "sessions", "api_keys", "organisations", "organisation_invitations", "notifications")
    assert places_with(database, person.words) == {f"public.{table}" for table in tables}, "the control"
    answer = await person.erase()
    assert answer.status_code == 204, answer.text
    assert places_with(database, person.words) == set()


async def test_an_event_that_somebody_else_answers_for_does_not_stand_against_it(
    application: Application,
) -> None:
    person, heir = await somebody(application, "customer", "host"), await application.sign_up("host")
    await person.customer.created()
    [organisation] = (await person.customer.client.get("/api/v1/organisations")).json()["organisations"]
    assert (await person.erase()).status_code == 409
    member = "INSERT INTO organisation_members (organisation_id, person_id, role) VALUES (%s, %s, 'owner')"
    application.database.rows(member, organisation["id"], heir.id)
    assert (await person.erase()).status_code == 204


async def test_the_search_through_the_database_finds_words_in_text_arrays_and_json(
    application: Application,
) -> None:
    """The negative control of the test above: one forgotten place is found, whatever its type."""
    word = unique("forgotten")
    for column in ("text", "text[]", "jsonb"):
        value = {"text": "%s", "text[]": "ARRAY[%s]", "jsonb": "jsonb_build_object('name', %s::text)"}[column]
        application.database.rows(f"CREATE TABLE forgotten (place {column})")
        try:
            application.database.rows(f"INSERT INTO forgotten VALUES ({value})", f"x {word.upper()} y")
            assert places_with(application.database, [word]) == {"public.forgotten"}
        finally:
            application.database.rows("DROP TABLE forgotten")


async def is_refused(client: httpx.AsyncClient) -> bool:
    return (await client.get("/api/v1/bookings")).status_code == 401


async def test_after_it_nobody_is_logged_in_or_can_log_in_and_the_email_is_free(
    application: Application,
) -> None:
    person = await somebody(application)
    again = {"email": person.email, "password": PASSWORD}
    other = (await application.anonymous.post("/api/v1/login", json=again)).json()
    assert (await person.erase()).status_code == 204
    login = await application.anonymous.post("/api/v1/login", json=again)
    assert (login.status_code, login.json()["type"]) == (401, problems.CREDENTIALS_WRONG.uri)
    refresh = {"refresh_token": other["refresh_token"]}
    assert (await application.anonymous.post("/api/v1/refresh", json=refresh)).status_code == 401
    for token in (person.customer.client.headers["Authorization"], f"Bearer {other['access_token']}"):
        client = application.client(Authorization=token)
        await eventually("the token is dead", lambda: is_refused(client))  # noqa: B023
    (await application.anonymous.post("/api/v1/accounts", json=again)).raise_for_status()
    assert (await application.log_in(person.email)).id != person.customer.id


async def test_a_login_at_the_same_time_leaves_no_session_behind(application: Application) -> None:
    """The password was right when it was checked, and the person gone when the session was made."""
    for _ in range(3):
        person = await somebody(application)
        login = {"email": person.email, "password": PASSWORD}
        answers = await asyncio.gather(
            *(application.anonymous.post("/api/v1/login", json=login) for _ in range(6)),
            person.erase(),
            *(application.anonymous.post("/api/v1/login", json=login) for _ in range(6)),
        )
        assert {answer.status_code for answer in answers} <= {200, 204, 401}
        live = "SELECT FROM sessions WHERE person_id = %s AND ended_at IS NULL"
        assert not application.database.has(live, person.customer.id)


async def names_left_after(application: Application, event_id: int) -> tuple[set[int], set[str]]:
    """What the token of an erased person is answered, and where the words of that person are then."""
    person = await somebody(application)
    named = {"event_id": event_id, "quantity": 1, "attendees": [{"name": person.name}]}
    client = person.customer.client
    assert (await person.erase()).status_code == 204
    answers = [
        await client.post(
            "/api/v1/orders", json={"items": [named]}, headers={"Idempotency-Key": unique("key")}
        ),
        await client.post("/api/v1/bookings", json=named),
    ]
    return {answer.status_code for answer in answers}, places_with(application.database, person.words)


async def test_what_a_token_that_outlives_its_person_sends_is_kept_nowhere(application: Application) -> None:
    event_id = (await (await application.sign_up("host")).created(available_seats=1000))["id"]
    for _ in range(3):
        assert await names_left_after(application, event_id) == ({401}, set())


async def test_without_the_guard_names_of_the_erased_are_kept(database: Database, state: Path) -> None:
    """Negative control of the one before."""
    with psycopg.connect(database.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP TRIGGER attendees_of_nobody_erased ON attendees")
        connection.execute("DROP TRIGGER idempotent_requests_of_nobody_erased ON idempotent_requests")
    async with running_application(database, state) as application:
        event_id = (await (await application.sign_up("host")).created(available_seats=1000))["id"]

        async def is_kept() -> bool:
            return "public.attendees" in (await names_left_after(application, event_id))[1]

        await eventually("a name comes back", is_kept)


async def test_erasing_twice_is_harmless(application: Application) -> None:
    person = await somebody(application)
    answers = await asyncio.gather(*(person.erase() for _ in range(3)))
    assert {answer.status_code for answer in answers} <= {204, 401}
    assert 204 in {answer.status_code for answer in answers}
    erased = "SELECT count(*) AS n FROM audit_log WHERE action = 'person-erased' AND actor_id = %s"
    assert application.database.rows(erased, person.customer.id)[0]["n"] >= 1
    assert places_with(application.database, person.words) == set()


async def test_a_wrong_password_erases_nothing(application: Application) -> None:
    person = await somebody(application)
    answer = await person.erase("wrong password")
    assert (answer.status_code, answer.json()["type"]) == (401, problems.CREDENTIALS_WRONG.uri)
    missing = await person.customer.client.request("DELETE", "/api/v1/me", json={})
    assert missing.status_code == 422
    assert (await person.export())["account"]["email"] == person.email


async def test_guesses_of_the_password_are_counted_with_those_of_logins(application: Application) -> None:
    person = await somebody(application)
    client = application.client(
        Authorization=person.customer.client.headers["Authorization"],
        **{"x-envoy-external-address": "192.0.2.9"},
    )
    statuses = [
        (await client.request("DELETE", "/api/v1/me", json={"password": "wrong password"})).status_code
        for _ in range(21)
    ]
    assert statuses == [401] * 20 + [429]
    assert (await person.export())["account"]["email"] == person.email


@pytest.mark.parametrize("status", ["held", "confirmed"])
async def test_bookings_of_events_to_come_stand_against_it(application: Application, status: str) -> None:
    host, person = await application.sign_up("host"), await somebody(application)
    event = await host.created()
    booking = await person.customer.booked(event["id"])
    if status == "confirmed":
        await person.customer.confirm(booking["id"])
    refused = await person.erase()
    assert (refused.status_code, refused.json()["type"]) == (409, problems.ACCOUNT_NEEDED.uri)
    assert (await person.export())["account"]["email"] == person.email, "nothing was done"
    assert (await person.customer.cancel(booking["id"])).status_code == 200
    assert (await person.erase()).status_code == 204


async def test_active_events_to_come_stand_against_it(application: Application) -> None:
    host = await somebody(application, "host")
    event = await host.customer.created()
    refused = await host.erase()
    assert (refused.status_code, refused.json()["type"]) == (409, problems.ACCOUNT_NEEDED.uri)
    assert (await host.customer.update(event["id"], status="inactive")).status_code == 200
    assert (await host.erase()).status_code == 204


async def test_an_export_holds_all_that_is_kept_and_nothing_of_others(application: Application) -> None:
    host, other = await somebody(application, "customer", "host"), await somebody(application)
    event = await host.customer.created()
    booking = await host.customer.booked(event["id"])
    await other.customer.booked(event["id"])
    export = await host.export()
    assert export["account"]["email"] == host.email
    assert export["account"]["display_name"] == host.name
    assert [session["client"] for session in export["sessions"]] == [host.program]
    assert [one["id"] for one in export["bookings"]] == [booking["id"]]
    assert [one["name"] for one in export["events"]] == [event["name"]]
    assert {"logged-in", "event-created", "personal-data-exported"} <= {
        entry["action"] for entry in export["audit_entries"]
    }
    text = str(export)
    assert not [word for word in other.words if word in text]
    assert "password_hash" not in text


async def test_an_export_tells_what_was_done_with_ones_keys_and_whence_oneself_alone(
    application: Application,
) -> None:
    host, other = await somebody(application, "customer", "host"), await somebody(application)
    wanted = {"name": "a program", "scopes": ["events:write"]}
    key = (await host.customer.client.post("/api/v1/api-keys", json=wanted)).raise_for_status().json()
    made = await application.client(**{API_KEY_HEADER: key["key"]}).post("/api/v1/events", json=event_body())
    assert made.status_code == 201, made.text
    application.database.rows(
        "INSERT INTO audit_log"
        " (actor_kind, actor_id, action, subject, outcome, client_address, region, details)"
        " VALUES ('person', %s, 'looked-at', %s, 'done', '192.0.2.77', 'eu', '{}')",
        other.customer.id,
        f"person:{host.customer.id}",
    )
    entries = (await host.export())["audit_entries"]
    assert {entry["action"] for entry in entries} >= {"event-created", "api-key-created", "looked-at"}
    assert {entry["client_address"] for entry in entries if entry["action"] == "looked-at"} == {None}
    assert all(entry["client_address"] for entry in entries if entry["action"] != "looked-at")
    assert "event-created" not in {entry["action"] for entry in (await other.export())["audit_entries"]}


async def test_exports_are_limited(application: Application) -> None:
    person = await somebody(application)
    for _ in range(EXPORTS_BY_PERSON.count):
        await person.export()
    refused = await person.customer.client.get("/api/v1/me/export")
    assert (refused.status_code, refused.json()["type"]) == (429, problems.TOO_MANY_REQUESTS.uri)
    assert refused.headers["RateLimit"].startswith(f'"{EXPORTS_BY_PERSON.name}";r=0;t=')


async def test_each_table_that_tells_of_people_is_part_of_an_export(application: Application) -> None:
    """A new table that refers to people needs a view in `own_data`, and with it a member of the export."""
    tables = {f"public.{row['name']}" for row in application.database.rows(TABLES_OF_PEOPLE)}
    assert {"public.sessions", "public.bookings"} <= tables
    assert tables <= {row["name"] for row in application.database.rows(SHOWN_TABLES)}

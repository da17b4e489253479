"""What the features tell the audit log, and that a refused or failed change tells no lie."""

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from contracts import problems
from contracts.token_claims import Identity
from tests.integration.write_api.application import Application, Database, event_body
from tests.people import PASSWORD, unique
from write_api.audit_log import OPERATOR, AuditLog
from write_api.catalogue.service import CatalogueService
from write_api.signing_keys.service import TooSoonError, complete_keys, rotate_keys
from write_api.signing_keys.store import SigningKeyStore

GATEWAY = {"x-envoy-external-address": "203.0.113.7", "x-request-id": "request-1"}


def rows_about(application: Application, *subjects: str) -> list[dict[str, Any]]:
    return application.database.rows(
        "SELECT * FROM audit_log WHERE subject = ANY(%s::text[]) ORDER BY id", list(subjects)
    )


def told(rows: list[dict[str, Any]]) -> list[tuple[str, int | None, str, str]]:
    return [(row["actor_kind"], row["actor_id"], row["action"], row["outcome"]) for row in rows]


def identity_of(application: Application, token: str) -> Identity:
    identity: Identity = application.app.state.callers.tokens.verify(token)
    return identity


async def test_logins_and_log_outs_are_told_with_their_origin(application: Application) -> None:
    email = f"{unique('person')}@example.com"
    account = {"email": email, "password": PASSWORD}
    await application.anonymous.post("/api/v1/accounts", json=account)
    visitor = application.client(**GATEWAY)
    wrong = await visitor.post("/api/v1/login", json={"email": email, "password": "no, not that"})
    assert (wrong.status_code, wrong.json()["type"]) == (401, problems.CREDENTIALS_WRONG.uri)
    assert "person_id" not in wrong.json()
    tokens = (await visitor.post("/api/v1/login", json=account)).json()
    identity = identity_of(application, tokens["access_token"])
    person_id = identity.person_id
    signed_in = application.client(Authorization=f"Bearer {tokens['access_token']}")
    for path in ("/api/v1/logout", "/api/v1/logout/everywhere"):
        assert (await signed_in.post(path)).status_code == 204
    rows = rows_about(application, f"person:{person_id}", f"session:{identity.session_id}")
    assert told(rows) == [
        ("nobody", None, "logged-in", "refused"),
        ("person", person_id, "logged-in", "done"),
        ("person", person_id, "logged-out", "done"),
        ("person", person_id, "logged-out-everywhere", "done"),
    ]
    assert [(row["client_address"], row["request_id"], row["region"]) for row in rows[:2]] == [
        ("203.0.113.7", "request-1", "eu")
    ] * 2
    assert email not in str(rows)


async def test_a_refused_login_of_nobody_leaves_one_row_without_the_email(application: Application) -> None:
    before = len(rows_about(application, "person:unknown"))
    email = f"{unique('nobody')}@example.com"
    await application.anonymous.post("/api/v1/login", json={"email": email, "password": PASSWORD})
    rows = rows_about(application, "person:unknown")[before:]
    assert told(rows) == [("nobody", None, "logged-in", "refused")]
    assert email not in str(rows)


async def test_a_refresh_token_that_comes_back_is_told(application: Application) -> None:
    email = f"{unique('person')}@example.com"
    account = {"email": email, "password": PASSWORD}
    await application.anonymous.post("/api/v1/accounts", json=account)
    first = (await application.anonymous.post("/api/v1/login", json=account)).json()
    refresh_token = first["refresh_token"]
    for _ in range(2):
        body = {"refresh_token": refresh_token}
        refresh_token = (await application.anonymous.post("/api/v1/refresh", json=body)).json()[
            "refresh_token"
        ]
    await application.anonymous.post("/api/v1/refresh", json={"refresh_token": first["refresh_token"]})
    identity = identity_of(application, first["access_token"])
    [_login, reuse] = rows_about(application, f"session:{identity.session_id}")
    assert told([reuse]) == [("nobody", None, "refresh-token-reused", "refused")]
    assert reuse["details"] == {"person_id": identity.person_id}


async def test_what_hosts_do_with_events_is_told(application: Application) -> None:
    host, stranger = await application.sign_up("host"), await application.sign_up("host")
    event = await host.created(status="inactive")
    for changes in ({"name": "Another name"}, {"name": "Another name"}, {"artists": ["Somebody"]}):
        assert (await host.update(event["id"], **changes)).status_code == 200
    for status in ("active", "inactive", "cancelled"):
        assert (await host.update(event["id"], status=status)).status_code == 200
    assert (await host.update(event["id"], status="active")).status_code == 409
    assert (await stranger.update(event["id"], name="mine")).status_code == 403
    rows = rows_about(application, f"event:{event['id']}")
    assert {(row["actor_kind"], row["actor_id"], row["outcome"]) for row in rows} == {
        ("person", host.id, "done")
    }
    assert [(row["action"], row["details"]) for row in rows] == [
        ("event-created", {"status": "inactive"}),
        ("event-changed", {"changed": ["name"]}),
        ("event-changed", {"changed": ["artists"]}),
        ("event-published", {"changed": ["status"]}),
        ("event-withdrawn", {"changed": ["status"]}),
        ("event-cancelled", {"changed": ["status"]}),
    ]


async def test_each_event_of_a_bulk_is_told_once(application: Application) -> None:
    host = await application.sign_up("host")
    reference = unique("reference")
    bodies = [event_body(import_reference=reference), event_body(status="inactive"), {"name": "no event"}]
    for _ in range(2):
        answer = await host.client.post("/api/v1/events/bulk", json={"events": bodies})
        results = answer.json()["results"]
    assert [result["status"] for result in results] == ["existing", "created", "refused"]
    rows = application.database.rows("SELECT * FROM audit_log WHERE actor_id = %s ORDER BY id", host.id)
    made = [row for row in rows if row["action"] == "event-created"]
    assert [row["details"]["status"] for row in made] == ["active", "inactive", "inactive"]
    assert len({row["subject"] for row in made}) == 3


async def test_an_event_that_could_not_be_made_is_not_told(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is written, and then the transaction fails."""
    host = await application.sign_up("host")
    catalogue: CatalogueService = application.app.state.catalogue

    async def fail(*_: object) -> None:
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr(catalogue, "_event", fail)
    assert (await host.create()).status_code == 503
    made = "SELECT FROM audit_log WHERE actor_id = %s AND action = 'event-created'"
    assert not application.database.has(made, host.id)
    monkeypatch.undo()
    await host.created()
    assert application.database.has(made, host.id)


async def test_rotations_of_the_signing_key_are_told(database: Database) -> None:
    store, secret, audit_log = SigningKeyStore(), b"tests' own key, 32 bytes of it..", AuditLog("eu")
    connect = psycopg.AsyncConnection.connect(
        database.url("frontrow_write"), autocommit=True, row_factory=dict_row
    )
    async with await connect as connection:
        async with connection.transaction():
            [first, second] = await complete_keys(connection, store, secret)
        with pytest.raises(TooSoonError):
            await rotate_keys(connection, store, secret, audit_log, actor=OPERATOR)
        await rotate_keys(connection, store, secret, audit_log, actor=OPERATOR, published_seconds=0)
        compromised = first.key_id if first.state == "current" else second.key_id
        await rotate_keys(connection, store, secret, audit_log, actor=OPERATOR, compromised=compromised)
    rows = database.rows("SELECT * FROM audit_log ORDER BY id")
    assert told(rows) == [
        ("operator", None, "signing-key-rotated", "done"),
        ("operator", None, "signing-key-removed", "done"),
    ]
    assert {row["subject"] for row in rows} == {
        f"signing-key:{first.key_id}", f"signing-key:{second.key_id}",
    }  # fmt: skip

"""The audit log: written with what it tells, or not at all, and never changed by anybody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.rows import dict_row

from service_kit.database import Connection
from service_kit.request_origin import KnowRequestOrigin, request_origin
from tests.integration.write_api.application import Database
from write_api.audit_log import NOBODY, OPERATOR, SYSTEM, Actor, AuditLog

AUDIT_LOG = AuditLog("eu")
CHANGES = (
    "UPDATE audit_log SET outcome = 'refused'",
    "UPDATE audit_log SET outcome = 'refused' WHERE false",
    "DELETE FROM audit_log",
    "TRUNCATE audit_log",
    "TRUNCATE audit_log CASCADE",
    "MERGE INTO audit_log a USING (SELECT 1 AS id) b ON a.id = b.id WHEN MATCHED THEN DELETE",
)
INSERT = "INSERT INTO audit_log ({}, actor_kind, action, subject, outcome, region, details)"
INSERT += " OVERRIDING SYSTEM VALUE VALUES ({}, 'system', 'forged', 'event:1', 'done', 'eu', '{{}}')"


@asynccontextmanager
async def connected(database: Database, role: str = "frontrow_write") -> AsyncIterator[Connection]:
    connect = psycopg.AsyncConnection.connect(database.url(role), autocommit=True, row_factory=dict_row)
    async with await connect as connection:
        yield connection


async def test_a_row_says_who_did_what_to_what_and_when(database: Database) -> None:
    actors = [Actor("person", 7), Actor("api_key", 8), Actor("guest", 9), NOBODY, OPERATOR, SYSTEM]
    async with connected(database) as connection:
        for actor in actors:
            await AUDIT_LOG.record(connection, actor=actor, action="event-made", subject="event:1")
        await AUDIT_LOG.record_each(
            connection, actor=SYSTEM, action="swept", subjects=["event:2", "event:3"], outcome="refused",
            details={"because": ["late"]},
        )  # fmt: skip
        await AUDIT_LOG.record_each(connection, actor=SYSTEM, action="swept", subjects=[])
    rows = database.rows("SELECT *, at > now() - interval '1 minute' AS is_now FROM audit_log ORDER BY id")
    assert [(row["actor_kind"], row["actor_id"]) for row in rows[:6]] == [
        (actor.kind, actor.id) for actor in actors
    ]
    assert [(row["subject"], row["outcome"], row["details"]) for row in rows[6:]] == [
        ("event:2", "refused", {"because": ["late"]}),
        ("event:3", "refused", {"because": ["late"]}),
    ]
    assert {(row["region"], row["client_address"], row["request_id"]) for row in rows} == {("eu", None, None)}
    assert all(row["is_now"] for row in rows)


async def test_a_row_says_from_where_the_request_came(database: Database) -> None:
    app = FastAPI()
    app.add_middleware(KnowRequestOrigin)

    @app.get("/")
    async def record() -> None:
        async with connected(database) as connection:
            await AUDIT_LOG.record(connection, actor=NOBODY, action="asked", subject="page:1")

    headers = {"x-envoy-external-address": "203.0.113.9", "x-request-id": "a-1\t" + "x" * 200}
    headers["x-frontrow-region"] = "ap"
    transport = httpx.ASGITransport(app, client=("198.51.100.1", 5))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        (await client.get("/", headers=headers)).raise_for_status()
        (await client.get("/")).raise_for_status()
    rows = database.rows("SELECT client_address, request_id, region FROM audit_log ORDER BY id")
    assert [(row["client_address"], row["request_id"], row["region"]) for row in rows] == [
        ("203.0.113.9", "a-1" + "x" * 97, "ap"),
        ("198.51.100.1", None, "eu"),
    ]
    assert request_origin() is None


async def test_a_change_that_is_rolled_back_leaves_no_row(database: Database) -> None:
    async with connected(database) as connection, connection.transaction() as transaction:
        await AUDIT_LOG.record(connection, actor=SYSTEM, action="swept", subject="event:1")
        raise psycopg.Rollback(transaction)
    assert not database.has("SELECT FROM audit_log")


async def test_nobody_changes_what_is_written(database: Database) -> None:
    """Not the superuser either, as long as nobody takes the trigger away."""
    async with connected(database) as writer:
        await AUDIT_LOG.record(writer, actor=SYSTEM, action="swept", subject="event:1")
    before = database.rows("SELECT * FROM audit_log")
    for role in ("frontrow_write", "frontrow_owner", "postgres"):
        async with connected(database, role) as connection:
            if role == "postgres":
                await connection.execute("SET session_replication_role = 'replica'")
            for change in CHANGES:
                assert await is_refused(connection, change), (role, change)
    assert database.rows("SELECT * FROM audit_log") == before


async def is_refused(connection: Connection, statement: str) -> bool:
    try:
        await connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


async def test_who_only_reads_the_platform_sees_nothing_of_it(database: Database) -> None:
    for role in ("frontrow_read", "frontrow_capture", "frontrow_replication"):
        async with connected(database, role) as connection:
            for statement in ("SELECT FROM audit_log", "INSERT INTO audit_log DEFAULT VALUES", *CHANGES):
                assert await is_refused(connection, statement), (role, statement)


async def test_who_writes_chooses_neither_number_nor_time(database: Database) -> None:
    async with connected(database) as connection:
        for column, value in (("id", "1"), ("at", "now() - interval '1 day'")):
            assert await is_refused(connection, INSERT.format(column, value))
    assert not database.has("SELECT FROM audit_log")


async def test_without_the_trigger_the_owner_could_change_it(database: Database) -> None:
    """The negative control of the test above."""
    async with connected(database) as writer:
        await AUDIT_LOG.record(writer, actor=SYSTEM, action="swept", subject="event:1")
    async with connected(database, "frontrow_owner") as owner:
        await owner.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_is_append_only")
        await owner.execute("DELETE FROM audit_log")
    assert not database.has("SELECT FROM audit_log")
    async with connected(database) as writer:  # frontrow_write still can't
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await writer.execute("DELETE FROM audit_log")


async def test_what_is_no_row_is_refused(database: Database) -> None:
    wrong: list[dict[str, Any]] = [
        {"action": "Event made"}, {"action": ""}, {"action": "x" * 61}, {"subject": "somebody@example.com"},
        {"subject": "event"}, {"details": {"text": "x" * 2001}}, {"actor": Actor("person")},
        {"actor": Actor("system", 1)}, {"outcome": "perhaps"},
    ]  # fmt: skip
    async with connected(database) as connection:
        for changes in wrong:
            row: dict[str, Any] = {"actor": SYSTEM, "action": "swept", "subject": "event:1", **changes}
            with pytest.raises(psycopg.errors.CheckViolation):
                await AUDIT_LOG.record(connection, **row)


def test_it_is_never_published(database: Database) -> None:
    published = {row["tablename"] for row in database.rows("SELECT tablename FROM pg_publication_tables")}
    assert published
    assert "audit_log" not in published

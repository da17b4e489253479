"""The schema is brought up to date, and only ever forward."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.integration.write_api.application import Database
from tests.people import unique
from tests.scratch_postgresql import ScratchPostgresql
from write_api.migrate import Migration, MigrationError, main, migrate, read_migrations
from write_api.schema_document import describe_schema

SCHEMA_DOCUMENT = Path(__file__).parents[3] / "docs/schema.md"


@pytest.fixture
def empty(postgresql: ScratchPostgresql, database: Database) -> str:
    """The owner's URL of a database without a schema, on a server that has the platform's roles."""
    name = unique("empty")
    with psycopg.connect(database.url("postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER frontrow_owner TEMPLATE template0 ENCODING 'UTF8'").format(
                sql.Identifier(name)
            )
        )
    return postgresql.url(name, "frontrow_owner")


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {row[0] for row in rows}


def names(migrations: Sequence[Migration]) -> list[str]:
    return [migration.file_name for migration in migrations]


def test_an_empty_database_gets_everything_and_a_second_run_changes_nothing(empty: str) -> None:
    ours = read_migrations()
    assert migrate(empty, ours).applied == names(ours)
    again = migrate(empty, ours)
    assert (again.applied, again.already) == ([], names(ours))


def test_two_at_once_take_turns(empty: str) -> None:
    ours = read_migrations()
    with ThreadPoolExecutor(2) as both:
        reports = [run.result() for run in [both.submit(migrate, empty, ours) for _ in range(2)]]
    assert sorted(report.applied for report in reports) == [[], names(ours)]


def test_a_phase_alone_leaves_the_other_for_later(empty: str) -> None:
    pre = Migration("0001_pre_a.sql", "pre", "CREATE TABLE a ()", "1")
    post = Migration("0002_post_b.sql", "post", "CREATE TABLE b ()", "2")
    report = migrate(empty, [pre, post], only="pre")
    assert (report.applied, report.pending) == (["0001_pre_a.sql"], ["0002_post_b.sql"])
    assert tables(empty) >= {"a"}
    assert "b" not in tables(empty)
    assert migrate(empty, [pre, post]).applied == ["0002_post_b.sql"]


def test_a_changed_or_missing_file_is_refused_before_anything_is_applied(empty: str) -> None:
    first = Migration("0001_pre_a.sql", "pre", "CREATE TABLE a ()", "1")
    second = Migration("0002_pre_b.sql", "pre", "CREATE TABLE b ()", "2")
    migrate(empty, [first])
    with pytest.raises(MigrationError, match=r"0001_pre_a\.sql was changed"):
        migrate(empty, [replace(first, sha256="3"), second])
    with pytest.raises(MigrationError, match=r"0001_pre_a\.sql was applied .* not in this version"):
        migrate(empty, [second])
    assert "b" not in tables(empty)


def test_a_file_that_fails_is_rolled_back_whole_and_those_before_it_stay(empty: str) -> None:
    good = Migration("0001_pre_a.sql", "pre", "CREATE TABLE a ()", "1")
    bad = Migration("0002_pre_b.sql", "pre", "CREATE TABLE b (); CREATE TABLE a ()", "2")
    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(empty, [good, bad])
    assert "a" in tables(empty)
    assert "b" not in tables(empty)
    assert migrate(empty, [good]).already == ["0001_pre_a.sql"]


def test_the_command_reports_as_json_and_tells_failure_by_its_exit_code(
    empty: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FRONTROW_OWNER_DATABASE", empty)
    assert main(["--json"]) == 0
    assert json.loads(capsys.readouterr().out)["applied"] == names(read_migrations())
    with psycopg.connect(empty) as connection:
        connection.execute("UPDATE schema_migrations SET sha256 = 'other' WHERE file_name LIKE '0001%'")
    assert main([]) == 1
    assert "was changed after it was applied" in capsys.readouterr().err


def test_the_migrated_schema_is_the_documented_one(database: Database) -> None:
    with psycopg.connect(database.url("frontrow_owner"), autocommit=True) as connection:
        described = describe_schema(connection)
    assert described == SCHEMA_DOCUMENT.read_text(encoding="utf-8"), (
        "run: python -m write_api.schema_document > docs/schema.md"
    )


def test_a_change_of_the_schema_changes_its_description(database: Database) -> None:
    with psycopg.connect(database.url("frontrow_owner"), autocommit=True) as connection:
        before = describe_schema(connection)
        connection.execute("REVOKE SELECT ON read_side.heartbeat FROM frontrow_read")
        revoked = describe_schema(connection)
        connection.execute("ALTER TABLE seats DROP CONSTRAINT seats_position_check")
        unchecked = describe_schema(connection)
    assert len({before, revoked, unchecked}) == 3


@pytest.mark.parametrize(
    "table",
    ["people", "signing_keys", "events", "venues", "bookings", "seats", "ticket_stock", "generations"],
)
def test_who_only_reads_can_not_read_tables(database: Database, table: str) -> None:
    with psycopg.connect(database.url("frontrow_read")) as connection:
        connection.execute("SELECT * FROM read_side.event_documents")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))

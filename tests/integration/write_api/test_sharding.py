"""Events can be spread over shards: what the booking path touches is keyed by event, and statements name it.

What a statement reads is taken from PostgreSQL's plan of it, and keys from its catalogue, so that neither a
view nor a join hides anything. What is of no single event stands in `docs/scaling.md`, each with its reason.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from service_kit.named_sql import parse_queries
from tests.integration.write_api.application import Database

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs/scaling.md"
HOT_FEATURES = ("bookings", "waitlist")
"""Features whose statements are run for each booking at a peak."""
EVENT_KEYS = {"events": "id"}
"""The column that names the event, where it is not `event_id`."""

Connection = psycopg.Connection[tuple[Any, ...]]
_CONDITIONS = ("Index Cond", "Recheck Cond", "Filter", "TID Cond")
_PARAMETER = re.compile(r"%\((\w+)\)s(::[\w\[\]]+)?")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """Plans reach each row by a condition on it, so that what a statement asks of a table is seen there."""
    with psycopg.connect(database.url("postgres"), autocommit=True) as open_connection:
        for way in ("seqscan", "hashjoin", "mergejoin", "material", "memoize"):
            open_connection.execute(f"SET enable_{way} = off".encode())
        yield open_connection


def statements() -> dict[str, str]:
    """All statements of write_api, by `feature.name`."""
    files = sorted((ROOT / "write_api").rglob("queries.sql"))
    return {
        f"{path.parent.name}.{name}": statement
        for path in files
        for name, statement in parse_queries(path.read_text("utf-8")).items()
    }


def documented(heading: str) -> set[str]:
    """First cells of the table of `docs/scaling.md` whose first column has this heading."""
    _, found, rest = DOCUMENT.read_text("utf-8").partition(f"\n| {heading} |")
    assert found, f"docs/scaling.md has no table of {heading}"
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def plan(connection: Connection, statement: str) -> dict[str, Any]:
    """How PostgreSQL would run a statement, whatever its parameters are."""
    numbers = count(1)

    def numbered(parameter: re.Match[str]) -> str:
        name, cast = parameter.groups(default="")
        type_sent = "::timestamptz" if name == "now" else "::float8" if name.endswith("_seconds") else ""
        return f"${next(numbers)}{cast or type_sent}"

    text = _PARAMETER.sub(numbered, statement).replace("%%", "%")
    row = connection.execute(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {text}".encode()).fetchone()
    assert row is not None
    root: dict[str, Any] = row[0][0]["Plan"]
    return root


def nodes(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield root
    for child in root.get("Plans", ()):
        yield from nodes(child)


def tables(root: Mapping[str, Any]) -> set[str]:
    """The tables that a plan reads or writes."""
    return {node["Relation Name"] for node in nodes(root) if "Relation Name" in node}


def tables_without_event(root: Mapping[str, Any]) -> set[str]:
    """The tables that a plan reads without asking for an event, or for that of a row which it already has."""
    without = set()
    for node in nodes(root):
        if "Relation Name" not in node or node["Node Type"] == "ModifyTable":
            continue
        key = EVENT_KEYS.get(node["Relation Name"], "event_id")
        conditions = " ".join(str(node.get(one, "")) for one in _CONDITIONS)
        if not re.search(rf"(?<![\w.\"]){key} = |= {key}\b", conditions):
            without.add(node["Relation Name"])
    return without


def hot_tables(connection: Connection) -> set[str]:
    """What the booking path touches."""
    elsewhere = documented("Statement")
    return {
        table
        for name, statement in statements().items()
        if name.partition(".")[0] in HOT_FEATURES and name not in elsewhere
        for table in tables(plan(connection, statement))
    }


def constraints_without_event(connection: Connection, hot: set[str]) -> set[str]:
    """Keys and unique indexes that don't begin with the event, and references that lead out of it."""
    unique = connection.execute(
        "SELECT c.relname, i.relname, (SELECT attname FROM pg_attribute"
        " WHERE attrelid = x.indrelid AND attnum = x.indkey[0])"
        " FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid"
        " WHERE x.indisunique AND c.relname = ANY (%s)",
        (list(hot),),
    ).fetchall()
    references = connection.execute(
        "SELECT c.relname, conname, (SELECT array_agg(attname::text) FROM pg_attribute"
        " WHERE attrelid = conrelid AND attnum = ANY (conkey))"
        " FROM pg_constraint JOIN pg_class c ON c.oid = conrelid"
        " WHERE contype = 'f' AND c.relname = ANY (%s)",
        (list(hot - set(EVENT_KEYS)),),
    ).fetchall()
    return {name for table, name, first in unique if first != EVENT_KEYS.get(table, "event_id")} | {
        name for _, name, columns in references if "event_id" not in columns
    }


def test_each_statement_on_hot_tables_names_the_event_or_is_documented(connection: Connection) -> None:
    hot = hot_tables(connection)
    assert {"events", "ticket_types", "ticket_stock", "seats", "bookings", "idempotent_bookings"} <= hot
    without = {
        name
        for name, statement in statements().items()
        if tables_without_event(plan(connection, statement)) & hot
    }
    assert without == documented("Statement"), "docs/scaling.md lists which statements are of no single event"


def test_each_hot_table_is_keyed_by_event_or_the_exception_is_documented(connection: Connection) -> None:
    assert constraints_without_event(connection, hot_tables(connection)) == documented("Constraint")


def test_each_row_of_a_hot_table_has_an_event(connection: Connection) -> None:
    hot = hot_tables(connection) - set(EVENT_KEYS)
    rows = connection.execute(
        "SELECT c.relname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
        " WHERE attname = 'event_id' AND attnotnull AND NOT atthasdef AND c.relname = ANY (%s)",
        (list(hot),),
    ).fetchall()
    assert {row[0] for row in rows} == hot


@pytest.mark.parametrize(
    ("statement", "without"),
    [
        ("SELECT 1 FROM seats WHERE position = %(position)s", {"seats"}),
        ("SELECT 1 FROM seats WHERE event_id > %(event_id)s", {"seats"}),
        ("UPDATE ticket_stock SET remaining = 0 WHERE ticket_type_id = %(event_id)s", {"ticket_stock"}),
        ("SELECT * FROM read_side.bookings WHERE id = %(booking_id)s", {"bookings"}),
        ("SELECT 1 FROM events WHERE host_id = %(host_id)s", {"events"}),
        (
            "DELETE FROM seats s USING bookings b WHERE s.booking_id = b.id AND b.event_id = %(event_id)s",
            {"seats"},
        ),
        ("SELECT 1 FROM seats WHERE event_id = %(event_id)s", set()),
        (
            "SELECT 1 FROM seats s JOIN bookings b ON s.event_id = b.event_id AND b.id = s.booking_id"
            " WHERE b.event_id = %(event_id)s",
            set(),
        ),
    ],
)
def test_control_a_statement_without_the_event_is_found(
    connection: Connection, statement: str, without: set[str]
) -> None:
    assert tables_without_event(plan(connection, statement)) == without


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("CREATE UNIQUE INDEX of_nobody ON seats (booking_id)", "of_nobody"),
        ("CREATE UNIQUE INDEX turned ON seats (position, event_id)", "turned"),
        ("ALTER TABLE seats ADD CONSTRAINT out FOREIGN KEY (booking_id) REFERENCES bookings (id)", "out"),
    ],
)
def test_control_another_key_is_found(connection: Connection, change: str, found: str) -> None:
    hot = hot_tables(connection)
    before = constraints_without_event(connection, hot)
    connection.execute(change.encode())
    assert constraints_without_event(connection, hot) - before == {found}

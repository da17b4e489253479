"""Describes the schema as it is in a database: `python -m write_api.schema_document > docs/schema.md`.

A stable text from the catalogue, so that a test can compare the migrated schema with the documented one, and
a review sees what a migration changes.
"""

from collections.abc import Callable, Iterator

import psycopg

from service_kit.named_sql import load_queries

_PREAMBLE = """# The schema

Made by `python -m write_api.schema_document > docs/schema.md` from a migrated database; a test compares.
The schema `public` is written by `write_api`, each table by one feature; `read_side` is what everyone else
reads. Why a table looks as it does is told by the comments in `write_api/migrations`.
"""

_Rows = list[tuple[str, ...]]


def describe_schema(connection: psycopg.Connection[tuple[str, ...]]) -> str:
    """The description in Markdown; needs to be able to read the catalogue alone. Raises psycopg.Error."""
    queries = load_queries("write_api.schema_document")

    def rows(name: str) -> _Rows:
        return connection.execute(queries[name]).fetchall()

    return "\n".join(_lines(rows))


def _lines(rows: Callable[[str], _Rows]) -> Iterator[str]:
    yield _PREAMBLE
    columns, constraints, indexes = rows("columns"), rows("constraints"), rows("indexes")
    triggers = rows("triggers")
    for table, options in rows("tables"):
        yield f"## {table}\n"
        yield f"Storage: {options}.\n" if options else ""
        yield "| column | type | |\n|---|---|---|"
        yield from (f"| {name} | {kind} | {extra} |" for of, name, kind, extra in columns if of == table)
        yield ""
        yield from (f"- {definition}" for of, definition in constraints if of == table)
        yield from (f"- {definition}" for of, definition in indexes if of == table)
        yield from (f"- {definition}" for of, definition in triggers if of == table)
        yield ""
    for view, definition in rows("views"):
        yield f"## {view} (view)\n"
        yield "| column | type | |\n|---|---|---|"
        yield from (f"| {name} | {kind} | {extra} |" for of, name, kind, extra in columns if of == view)
        yield f"\n```sql\n{definition}\n```\n"
    yield "## Who may do what\n"
    yield "| role | on | may |\n|---|---|---|"
    yield from (f"| {role} | {name} | {privileges} |" for role, name, privileges in rows("grants"))
    yield "\n## What is published for change capture\n"
    yield from (f"- {publication}: {tables}" for publication, tables in rows("publications"))
    yield ""

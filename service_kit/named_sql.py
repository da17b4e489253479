"""Named SQL: a feature's statements live in its `queries.sql`, each with a sentence that says why.

The form, after procrastinate's: a line `-- name --`, then at least one comment line, then the statement.

    -- place_hold --
    -- Lowers the counter if it can, so that no later statement needs to check again.
    UPDATE ...
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import LiteralString

_HEADING = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)


class NamedSqlError(ValueError):
    """A `queries.sql` is not in the documented form."""


def parse_queries(text: str) -> dict[str, LiteralString]:
    """The statements of one file by name, without their comments. Raises NamedSqlError.

    The result is typed as LiteralString, which psycopg asks of a statement: the text comes from a file
    of this repository, never from a request.
    """
    headings = list(_HEADING.finditer(text))
    if not headings:
        raise NamedSqlError("no statement: a statement starts with a line '-- name --'")
    queries: dict[str, LiteralString] = {}
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        name, lines = heading["name"], text[heading.end() : end].strip().splitlines()
        comments = [line for line in lines if line.startswith("--")]
        statement = "\n".join(line for line in lines if not line.startswith("--")).strip()
        if name in queries:
            raise NamedSqlError(f"{name} is there twice")
        if not comments or not comments[0].removeprefix("--").strip():
            raise NamedSqlError(f"{name} needs a sentence above it")
        if not statement:
            raise NamedSqlError(f"{name} has no statement")
        queries[name] = statement
    return queries


def load_queries(package: str) -> Mapping[str, LiteralString]:
    """Reads `queries.sql` of a package such as `write_api.bookings`. Raises NamedSqlError."""
    try:
        return parse_queries(files(package).joinpath("queries.sql").read_text(encoding="utf-8"))
    except NamedSqlError as error:
        raise NamedSqlError(f"{package}/queries.sql: {error}") from None

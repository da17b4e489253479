"""What the feature reads: the views of other features' tables in `own_data`. It has no table of its own."""

from collections.abc import Mapping
from typing import LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries

MAX_ROWS = 10_000
"""Of each kind in an export; whoever has more gets the newest."""


class PersonalDataStore:
    """Statements of the feature, each on the connection that it is given."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.personal_data")

    async def everything(self, connection: Connection, person_id: int) -> Row:
        """All that is kept about a person, by kind; `account` is None where there is no such person."""
        parameters = {"person_id": person_id, "max_rows": MAX_ROWS}
        row = await (await connection.execute(self._queries["select_everything"], parameters)).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has a row
        return row

    async def bookings_to_come(self, connection: Connection, person_id: int) -> int:
        """How many bookings the person has of events that have not begun."""
        parameters = {"person_id": person_id}
        row = await (await connection.execute(self._queries["count_bookings_to_come"], parameters)).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has a row
        return int(row["bookings_to_come"])

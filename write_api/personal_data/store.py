"""What the feature reads: the views of other features' tables in `own_data`. It has no table of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries

MAX_ROWS = 10_000
"""Of each kind in an export; whoever has more gets the newest."""


@dataclass(frozen=True, slots=True)
class Obstacles:
    """What others count on, and what therefore stands against an erasure."""

    bookings_to_come: int
    active_events: int


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

    async def obstacles(self, connection: Connection, person_id: int) -> Obstacles:
        """What stands against an erasure now."""
        cursor = await connection.execute(self._queries["select_obstacles"], {"person_id": person_id})
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has a row
        return Obstacles(**row)

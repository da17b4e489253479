"""Reads the waitlist from the region's reader."""

from collections.abc import Mapping, Sequence
from typing import Any

from service_kit.database import Pool
from service_kit.named_sql import load_queries


class WaitlistStore:
    """Plain reads. They raise service_kit.database.UNAVAILABLE_ERRORS when the reader can't answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("read_api.waitlist")

    async def entry(self, entry_id: int, person_id: int) -> Mapping[str, Any] | None:
        """The row of `read_side.waitlist_entries`, or None, also where it is another person's."""
        parameters = {"entry_id": entry_id, "person_id": person_id}
        async with self._pool.connection() as connection:
            return await (await connection.execute(self._queries["read_entry"], parameters)).fetchone()

    async def entries(self, person_id: int, *, before: int, limit: int) -> Sequence[Mapping[str, Any]]:
        """At most `limit` of a person's entries with ids below `before`, newest first."""
        parameters = {"person_id": person_id, "before": before, "limit": limit}
        async with self._pool.connection() as connection:
            return await (await connection.execute(self._queries["read_entries"], parameters)).fetchall()

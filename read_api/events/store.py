"""Reads events from the region's reader."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service_kit.database import Pool
from service_kit.named_sql import load_queries


class EventStore:
    """Plain reads. They raise service_kit.database.UNAVAILABLE_ERRORS when the reader can't answer."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._queries = load_queries("read_api.events")

    async def event(self, event_id: int, *, viewer_id: int | None) -> Mapping[str, Any] | None:
        """The row of `read_side.event_documents`, with `is_host` for who asks, or None."""
        async with self._pool.connection() as connection:
            parameters = {"event_id": event_id, "viewer_id": viewer_id}
            cursor = await connection.execute(self._queries["read_event"], parameters)
            return await cursor.fetchone()

    async def confirmed_at(self) -> datetime | None:
        """When the newest heartbeat here was confirmed; None before the first."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._queries["read_heartbeat"])).fetchone()
        return None if row is None else row["confirmed_at"]

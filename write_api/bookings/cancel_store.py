"""What a batch locks and reads of the bookings that it cancels, in a pipeline: answers are awaited later."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import LiteralString

from service_kit.database import Connection, Row
from write_api.bookings.locked import LockedBooking, locked_booking_from_row


class CancelStore:
    """Statements on the connection that they are given, within the caller's transaction and pipeline."""

    def __init__(self, queries: Mapping[str, LiteralString]) -> None:
        self._queries = queries

    async def begin_locks(
        self, connection: Connection, event_id: int, booking_ids: Collection[int]
    ) -> Callable[[], Awaitable[dict[int, LockedBooking]]]:
        """Locks the event and those of its bookings that nobody else has locked; answers these, by id.

        The locks of the sale come after them, and can be asked for before the answer is awaited.
        """
        key = {"event_id": event_id}
        await connection.execute(self._queries["join_queue_of_event"], key)
        await connection.execute(self._queries["lock_event"], key)
        parameters = {**key, "booking_ids": list(booking_ids)}
        cursor = await connection.execute(self._queries["lock_bookings"], parameters)

        async def locked() -> dict[int, LockedBooking]:
            return {row["id"]: locked_booking_from_row(row) for row in await cursor.fetchall()}

        return locked

    async def begin_bookings(
        self, connection: Connection, event_id: int, booking_ids: Collection[int]
    ) -> Callable[[], Awaitable[dict[int, Row]]]:
        """Bookings of the event as they are now, by id."""
        parameters = {"event_id": event_id, "booking_ids": list(booking_ids)}
        cursor = await connection.execute(self._queries["select_bookings_now"], parameters)

        async def bookings() -> dict[int, Row]:
            return {row["id"]: row for row in await cursor.fetchall()}

        return bookings

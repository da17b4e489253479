"""The table of the orders; their bookings are the bookings' own."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.ordered_bookings import BookingKey


class OrderStore:
    """Statements of the feature, each on the connection that it is given."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.orders")

    async def next_id(self, connection: Connection) -> int:
        """The id of an order that is about to be placed; it is lost if that fails."""
        row = await self._row(connection, "next_order_id", {})
        assert row is not None  # noqa: S101 - a SELECT without FROM has a row
        order_id: int = row["id"]
        return order_id

    async def insert(
        self, connection: Connection, *, order_id: int, person_id: int, bookings: Sequence[BookingKey]
    ) -> None:
        """The order of bookings that were made in this transaction."""
        columns = {
            "order_id": order_id,
            "person_id": person_id,
            "event_ids": [booking.event_id for booking in bookings],
            "booking_ids": [booking.booking_id for booking in bookings],
        }
        await connection.execute(self._queries["insert_order"], columns)

    async def bookings_of(
        self, connection: Connection, order_id: int, person_id: int
    ) -> list[BookingKey] | None:
        """The bookings of a person's own order, if there is one."""
        row = await self._row(
            connection, "find_bookings_of_order", {"order_id": order_id, "person_id": person_id}
        )
        if row is None:
            return None
        return [BookingKey(*key) for key in zip(row["event_ids"], row["booking_ids"], strict=True)]

    async def order(self, connection: Connection, order_id: int, person_id: int) -> Row | None:
        """A person's own order with its bookings, if there is one."""
        return await self._row(connection, "select_order", {"order_id": order_id, "person_id": person_id})

    async def orders(self, connection: Connection, person_id: int, *, before: int, limit: int) -> list[Row]:
        """At most `limit` of a person's orders with ids below `before`, newest first."""
        parameters = {"person_id": person_id, "before": before, "limit": limit}
        return await (await connection.execute(self._queries["select_orders"], parameters)).fetchall()

    async def _row(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
        return await (await connection.execute(self._queries[name], parameters)).fetchone()

"""The seats of a ticket type and its stock, as their number changes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import LiteralString

from service_kit.database import Connection
from service_kit.named_sql import load_queries
from write_api.bookings.seat_accounting import SeatAccountingError
from write_api.bookings.supply import Supply


class SupplyStore:
    """Statements on the connection that they are given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.bookings")

    async def lead_queue(self, connection: Connection, event_id: int) -> None:
        """Bookings of the event that come later wait until the transaction ends."""
        await connection.execute(self._queries["lead_queue_of_event"], {"event_id": event_id})

    async def lock(self, connection: Connection, event_id: int, ticket_type_id: int) -> Supply:
        """The stock of a ticket type, which nobody else changes until the transaction ends.

        Raises SeatAccountingError where it has none.
        """
        key = {"event_id": event_id, "ticket_type_id": ticket_type_id}
        row = await (await connection.execute(self._queries["lock_supply"], key)).fetchone()
        if row is None:
            raise SeatAccountingError(f"ticket type {ticket_type_id} has no stock")
        return Supply(**row)

    async def write(self, connection: Connection, event_id: int, ticket_type_id: int, supply: Supply) -> None:
        """The stock that the caller has locked, as it is now."""
        key = {"event_id": event_id, "ticket_type_id": ticket_type_id}
        await connection.execute(self._queries["write_supply"], {**key, **asdict(supply)})

    async def unsettled(self, connection: Connection, *, limit: int) -> list[tuple[int, int]]:
        """At most `limit` stocks (event and ticket type) whose seats are still to follow."""
        cursor = await connection.execute(self._queries["find_unsettled"], {"limit": limit})
        return [(row["event_id"], row["ticket_type_id"]) for row in await cursor.fetchall()]

    async def open_seats(
        self, connection: Connection, event_id: int, ticket_type_id: int, seats: int
    ) -> None:
        """Puts so many more seats on sale: first those that were withdrawn, then new ones.

        The caller leads the event's queue and has locked the stock. Raises SeatAccountingError.
        """
        key = {"event_id": event_id, "ticket_type_id": ticket_type_id}
        reopened = await connection.execute(self._queries["reopen_seats"], {**key, "seats": seats})
        missing = seats - reopened.rowcount
        if missing:
            added = await connection.execute(self._queries["add_seats"], {**key, "seats": missing})
            if added.rowcount != missing:
                raise SeatAccountingError(f"{added.rowcount} seats were made instead of {missing}")

    async def withdraw_seats(
        self, connection: Connection, event_id: int, ticket_type_id: int, seats: int
    ) -> None:
        """Takes so many free seats off sale, the last ones. The caller has locked the stock.

        Raises SeatAccountingError where fewer are free.
        """
        parameters = {"event_id": event_id, "ticket_type_id": ticket_type_id, "seats": seats}
        withdrawn = await connection.execute(self._queries["withdraw_seats"], parameters)
        if withdrawn.rowcount != seats:
            raise SeatAccountingError(f"{withdrawn.rowcount} seats were withdrawn instead of {seats}")

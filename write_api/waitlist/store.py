"""The table of the waitlist."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from contracts.waitlist import WaitlistStatus
from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.offered_seats import InLine, Offered


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """What somebody waits for or was offered: the status of the row, and that which follows the booking."""

    id: int
    quantity: int
    kept_status: WaitlistStatus
    status: WaitlistStatus

    @property
    def is_over(self) -> bool:
        """Whether an offer was taken, declined or has lapsed, and the row does not say so yet."""
        return self.kept_status == "offered" and self.status != "offered"


class WaitlistStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.waitlist")

    async def lock_line(self, connection: Connection, ticket_type_id: int) -> None:
        """Nobody else joins the line of this ticket type until the transaction ends."""
        await connection.execute(self._queries["lock_line"], {"ticket_type_id": ticket_type_id})

    async def live_entry(
        self, connection: Connection, event_id: int, ticket_type_id: int, person_id: int
    ) -> LiveEntry | None:
        """The one that the person has, if any, for this ticket type."""
        key = {"event_id": event_id, "ticket_type_id": ticket_type_id, "person_id": person_id}
        row = await self._row(connection, "select_live_entry", key)
        return None if row is None else LiveEntry(**row)

    async def count_line(
        self, connection: Connection, event_id: int, ticket_type_id: int, *, limit: int
    ) -> int:
        """How many wait, counted up to `limit`."""
        parameters = {"event_id": event_id, "ticket_type_id": ticket_type_id, "limit": limit}
        row = await self._row(connection, "count_line", parameters)
        assert row is not None  # noqa: S101 - an aggregate has a row
        return int(row["waiting"])

    async def insert(
        self, connection: Connection, *, event_id: int, ticket_type_id: int, person_id: int, quantity: int
    ) -> int:
        """The last in line, under the line's lock; answers the id."""
        entry = {
            "event_id": event_id,
            "ticket_type_id": ticket_type_id,
            "person_id": person_id,
            "quantity": quantity,
        }
        row = await self._row(connection, "insert_entry", entry)
        assert row is not None  # noqa: S101 - INSERT RETURNING without conflict clause
        return int(row["id"])

    async def entry(self, connection: Connection, entry_id: int, person_id: int) -> Row | None:
        """A person's own entry, if there is one."""
        return await (await self.begin_entry(connection, entry_id, person_id))()

    async def begin_entry(
        self, connection: Connection, entry_id: int, person_id: int
    ) -> Callable[[], Awaitable[Row | None]]:
        """As `entry`; in a pipeline the answer can be awaited after the commit was sent."""
        key = {"entry_id": entry_id, "person_id": person_id}
        return (await connection.execute(self._queries["select_entry"], key)).fetchone

    async def entries(self, connection: Connection, person_id: int, *, before: int, limit: int) -> list[Row]:
        """At most `limit` of a person's entries with ids below `before`, newest first."""
        parameters = {"person_id": person_id, "before": before, "limit": limit}
        return await (await connection.execute(self._queries["select_entries"], parameters)).fetchall()

    async def leave(self, connection: Connection, event_id: int, entry_id: int) -> bool:
        """Ends an entry that still waits; False where it does not."""
        key = {"event_id": event_id, "entry_id": entry_id}
        return (await connection.execute(self._queries["leave"], key)).rowcount == 1

    async def first_in_line(
        self, connection: Connection, event_id: int, free_seats: Mapping[int, int], *, limit: int
    ) -> list[InLine]:
        """The next whom the free seats (by ticket type) suffice, at most `limit` a ticket type, locked."""
        parameters = {
            "event_id": event_id,
            "ticket_type_ids": list(free_seats),
            "free_seats": list(free_seats.values()),
            "limit": limit,
        }
        cursor = await connection.execute(self._queries["select_first_in_line"], parameters)
        return [InLine(**row) for row in await cursor.fetchall()]

    async def mark_offered(self, connection: Connection, event_id: int, offered: Sequence[Offered]) -> int:
        """Entries that are locked have their bookings; answers how many."""
        parameters = {
            "event_id": event_id,
            "entry_ids": [one.in_line.entry_id for one in offered],
            "booking_ids": [one.booking_id for one in offered],
        }
        return (await connection.execute(self._queries["mark_offered"], parameters)).rowcount

    async def mark_passed(self, connection: Connection, event_id: int, passed: Sequence[InLine]) -> None:
        """Entries that are locked don't wait any more."""
        parameters = {"event_id": event_id, "entry_ids": [one.entry_id for one in passed]}
        await connection.execute(self._queries["mark_passed"], parameters)

    async def events_to_serve(
        self, connection: Connection, event_ids: Sequence[int] | None = None
    ) -> list[int]:
        """Events where free seats suffice for somebody who waits: of these, or of all where that is None."""
        if event_ids is None:
            cursor = await connection.execute(self._queries["select_all_events_to_serve"])
        else:
            cursor = await connection.execute(
                self._queries["select_events_to_serve"], {"event_ids": list(event_ids)}
            )
        return sorted(row["event_id"] for row in await cursor.fetchall())

    async def settle_offers(self, connection: Connection) -> None:
        """Entries whose bookings are no holds any more say so."""
        await connection.execute(self._queries["settle_offers"])

    async def settle_offer(self, connection: Connection, event_id: int, entry_id: int) -> None:
        """The same of one entry."""
        key = {"event_id": event_id, "entry_id": entry_id}
        await connection.execute(self._queries["settle_offer"], key)

    async def close_lines(self, connection: Connection, *, limit: int) -> int:
        """Closes at most `limit` entries of events that nobody can book any more; answers how many."""
        return (await connection.execute(self._queries["close_lines"], {"limit": limit})).rowcount

    async def forget_person(self, connection: Connection, *, person_id: int) -> None:
        """Removes all entries of a person."""
        await connection.execute(self._queries["forget_person"], {"person_id": person_id})

    async def _row(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
        return await (await connection.execute(self._queries[name], parameters)).fetchone()

"""The table of the waitlist."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.offered_seats import InLine, Offered
from write_api.waitlist.joins import JudgedJoins, Lines, LiveEntry, Whose


class WaitlistStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.waitlist")

    async def lock_lines(self, connection: Connection, event_id: int) -> None:
        """Nobody else joins a line of this event until the transaction ends."""
        await connection.execute(self._queries["lock_lines"], {"event_id": event_id})

    async def begin_lines(
        self, connection: Connection, event_id: int, person_ids: Collection[int]
    ) -> Callable[[], Awaitable[Lines]]:
        """The lines, with what these people have in them; in a pipeline await the answer when it suits."""
        key = {"event_id": event_id}
        parameters = {**key, "person_ids": list(person_ids)}
        entries = await connection.execute(self._queries["select_live_entries"], parameters)
        counting = await connection.execute(self._queries["count_lines"], key)

        async def lines() -> Lines:
            live = {
                (row["ticket_type_id"], row["person_id"]): LiveEntry(
                    row["id"], row["is_over"], row["has_ended"]
                )
                for row in await entries.fetchall()
            }
            waiting = {row["ticket_type_id"]: row["waiting"] for row in await counting.fetchall()}
            return Lines(waiting, live)

        return lines

    async def begin_to_enter(
        self, connection: Connection, event_id: int, judged: JudgedJoins
    ) -> Callable[[], Awaitable[dict[Whose, Row]]]:
        """All that a batch changes; the entries that it answers can be awaited after the commit was sent."""
        key = {"event_id": event_id}
        if judged.settled_ids:
            settled = {**key, "entry_ids": list(judged.settled_ids)}
            await connection.execute(self._queries["settle_offers_of"], settled)
        entering = judged.entering
        if entering:
            entries = {
                **key,
                "ticket_type_ids": [ticket_type_id for (ticket_type_id, _), _ in entering],
                "person_ids": [person_id for (_, person_id), _ in entering],
                "quantities": [quantity for _, quantity in entering],
            }
            await connection.execute(self._queries["insert_entries"], entries)
        reading, answered = None, judged.answered
        if answered:
            asked = {
                **key,
                "ticket_type_ids": [ticket_type_id for ticket_type_id, _ in answered],
                "person_ids": [person_id for _, person_id in answered],
            }
            reading = await connection.execute(self._queries["select_last_entries"], asked)

        async def answers() -> dict[Whose, Row]:
            rows = [] if reading is None else await reading.fetchall()
            return {(row["ticket_type_id"], row["person_id"]): row for row in rows}

        return answers

    async def entry(self, connection: Connection, entry_id: int, person_id: int) -> Row | None:
        """A person's own entry, if there is one."""
        key = {"entry_id": entry_id, "person_id": person_id}
        return await (await connection.execute(self._queries["select_entry"], key)).fetchone()

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

    async def mark_offered(self, connection: Connection, event_id: int, offered: Sequence[Offered]) -> None:
        """Entries that are locked have their bookings; the statement fails where they are not."""
        parameters = {
            "event_id": event_id,
            "entry_ids": [one.in_line.entry_id for one in offered],
            "booking_ids": [one.booking_id for one in offered],
        }
        await connection.execute(self._queries["mark_offered"], parameters)

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

    async def close_lines(self, connection: Connection, *, limit: int) -> int:
        """Closes at most `limit` entries of events that nobody can book any more; answers how many."""
        return (await connection.execute(self._queries["close_lines"], {"limit": limit})).rowcount

    async def forget_person(self, connection: Connection, *, person_id: int) -> None:
        """Removes all entries of a person."""
        await connection.execute(self._queries["forget_person"], {"person_id": person_id})

"""Who comes: names that whoever booked gives with the booking, or later, as the event's policy lets them."""

from collections.abc import Mapping, Sequence
from typing import LiteralString

from service_kit.database import Connection
from service_kit.named_sql import load_queries
from write_api.ordered_bookings import AttendeeBody


class AttendeeStore:
    """The table of attendees. Whoever changes a booking's holds its lock."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.bookings")

    async def insert(
        self, connection: Connection, event_id: int, named: Mapping[int, Sequence[AttendeeBody]]
    ) -> None:
        """Names those who come, by booking of the event; of bookings of which nobody is named yet."""
        rows = [
            (booking_id, seat_number, attendee)
            for booking_id, attendees in named.items()
            for seat_number, attendee in enumerate(attendees, start=1)
        ]
        if not rows:
            return
        columns = {
            "event_id": event_id,
            "booking_ids": [booking_id for booking_id, _, _ in rows],
            "seat_numbers": [seat_number for _, seat_number, _ in rows],
            "names": [attendee.name for _, _, attendee in rows],
            "emails": [attendee.email for _, _, attendee in rows],
        }
        await connection.execute(self._queries["insert_attendees"], columns)

    async def replace(
        self, connection: Connection, event_id: int, booking_id: int, attendees: Sequence[AttendeeBody]
    ) -> None:
        """From now on these come, and nobody else."""
        key = {"event_id": event_id, "booking_id": booking_id}
        await connection.execute(self._queries["delete_attendees"], key)
        await self.insert(connection, event_id, {booking_id: attendees})

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Removes whom a person has named, in the caller's transaction."""
        await connection.execute(self._queries["erase_attendees"], {"person_id": person_id})

"""What bookings decide, each command one transaction in the lock order of queries.sql.

`create` is the plain path: what the batches (`batches.py`) are measured against, and held against in tests.
"""

from contracts import problems
from contracts.booking import Booking, BookingPage, booking_from_row, booking_page
from service_kit.database import Connection, Pool, Row
from service_kit.fields import MAX_ID
from service_kit.problem_responses import Problem
from write_api.bookings.attendees import AttendeeStore
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.locked import LockedBooking
from write_api.bookings.refusals import no_booking, no_event, problem_of
from write_api.bookings.rules import (
    ALREADY,
    BookableEvent,
    Refusal,
    chosen_ticket_type,
    refusal_to_book,
    refusal_to_cancel,
    refusal_to_confirm,
    refusal_to_edit,
)
from write_api.bookings.schemas import AttendeesBody, BookingCreate
from write_api.bookings.store import BookingStore


class BookingService:
    """Creates, confirms, cancels and shows bookings; a person only ever meets their own."""

    def __init__(
        self, pool: Pool, store: BookingStore, *, hold_seconds: int, freed_seats: FreedSeats | None = None
    ) -> None:
        self._pool = pool
        self._store = store
        self._attendees = AttendeeStore()
        self._hold_seconds = hold_seconds
        self._freed_seats = freed_seats or FreedSeats()

    async def create(self, person_id: int, body: BookingCreate) -> Booking:
        """Holds seats. Raises Problem NOT_FOUND, INVALID_REQUEST, EVENT_NOT_BOOKABLE, NOT_ENOUGH_SEATS,
        PER_PERSON_LIMIT.
        """
        async with self._pool.connection() as connection, connection.transaction():
            event = await self._store.lock_event(connection, body.event_id)
            if event is None:
                raise no_event(body.event_id)
            ticket_types = await self._store.ticket_types(connection, body.event_id)
            ticket_type = chosen_ticket_type(ticket_types, body.ticket_type_id)
            if isinstance(ticket_type, Refusal):
                raise problem_of(ticket_type)
            remaining, now = await self._store.lock_stock(connection, body.event_id, ticket_type.id)
            seats = await self._store.seats_before(connection, body.event_id, [ticket_type], [person_id])
            _, awaited = await self._store.time_and_line(connection, body.event_id)
            refusal = refusal_to_book(
                event,
                ticket_type,
                remaining=remaining,
                quantity=body.quantity,
                now=now,
                seats_before=seats.get((ticket_type.id, person_id), 0),
                awaited=awaited.get(ticket_type.id),
            )
            if refusal is not None:
                raise problem_of(refusal)
            booking_id = await self._store.insert_booking(
                connection,
                event_id=body.event_id,
                event=event,
                ticket_type=ticket_type,
                person_id=person_id,
                quantity=body.quantity,
                now=now,
                hold_seconds=self._hold_seconds,
            )
            await self._attendees.insert(connection, body.event_id, {booking_id: body.attendees})
            return await self._booking(connection, booking_id, person_id)

    async def change_attendees(self, person_id: int, booking_id: int, body: AttendeesBody) -> Booking:
        """Names who comes, and nobody else; repeated, it answers the same.

        Raises Problem NOT_FOUND, INVALID_REQUEST, BOOKING_STATE, EVENT_NOT_BOOKABLE, REFUSED_BY_POLICY.
        """
        async with self._pool.connection() as connection, connection.transaction():
            event, booking = await self._lock(connection, person_id, booking_id)
            refusal = refusal_to_edit(booking.state, event, now=booking.now)
            if refusal is not None:
                raise problem_of(refusal)
            if len(body.attendees) > booking.quantity:
                detail = f"{len(body.attendees)} attendees are named for {booking.quantity} seats."
                raise Problem(problems.INVALID_REQUEST, detail)
            await self._attendees.replace(connection, booking.event_id, booking_id, body.attendees)
            return await self._booking(connection, booking_id, person_id)

    async def confirm(self, person_id: int, booking_id: int) -> Booking:
        """Makes a hold final; repeated, it answers the same. Raises Problem NOT_FOUND, BOOKING_STATE."""
        async with self._pool.connection() as connection, connection.transaction():
            event, booking = await self._lock(connection, person_id, booking_id)
            refusal = refusal_to_confirm(booking.state, event, now=booking.now)
            if isinstance(refusal, Refusal):
                raise problem_of(refusal)
            if refusal != ALREADY:
                await self._store.confirm(connection, booking)
            return await self._booking(connection, booking_id, person_id)

    async def cancel(self, person_id: int, booking_id: int) -> Booking:
        """Gives the seats back; repeated, it answers the same.

        Raises Problem NOT_FOUND, BOOKING_STATE, REFUSED_BY_POLICY.
        """
        async with self._pool.connection() as connection, connection.pipeline():
            async with connection.transaction():
                event, booking = await self._lock(connection, person_id, booking_id)
                refusal = refusal_to_cancel(booking.state, event, now=booking.now)
                if isinstance(refusal, Refusal):
                    raise problem_of(refusal)
                if refusal != ALREADY:
                    await self._store.end_bookings(connection, [booking.ended(event)], status="cancelled")
                reading = await self._store.begin_booking(connection, booking_id, person_id)
            answer = _own(booking_id, await reading())  # after the commit was sent
        if refusal != ALREADY:
            self._freed_seats.tell([answer.event_id])
        return answer

    async def get(self, person_id: int, booking_id: int) -> Booking:
        """One booking. Raises Problem NOT_FOUND, also where it is another person's."""
        async with self._pool.connection() as connection:
            return await self._booking(connection, booking_id, person_id)

    async def list_own(self, person_id: int, *, before: int | None, page_size: int) -> BookingPage:
        """A page of bookings, newest first, of those with ids below `before`."""
        async with self._pool.connection() as connection:
            rows = await self._store.bookings(
                connection, person_id, before=MAX_ID if before is None else before, limit=page_size + 1
            )
        return booking_page(rows, page_size=page_size)

    async def _lock(
        self, connection: Connection, person_id: int, booking_id: int
    ) -> tuple[BookableEvent, LockedBooking]:
        """The person's booking and its event, both locked. Raises Problem NOT_FOUND."""
        event_id = await self._store.event_of(connection, booking_id, person_id)
        event = None if event_id is None else await self._store.lock_event(connection, event_id)
        if event_id is None or event is None:
            raise no_booking(booking_id)
        return event, await self._store.lock_booking(connection, event_id, booking_id)

    async def _booking(self, connection: Connection, booking_id: int, person_id: int) -> Booking:
        return _own(booking_id, await self._store.booking(connection, booking_id, person_id))


def _own(booking_id: int, row: Row | None) -> Booking:
    if row is None:
        raise no_booking(booking_id)
    return booking_from_row(row)

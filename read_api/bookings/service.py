"""Who sees which bookings: everyone their own."""

from contracts import problems
from contracts.booking import Booking, BookingPage, booking_from_row, booking_page
from read_api.bookings.store import BookingStore
from service_kit.fields import MAX_ID
from service_kit.problem_responses import Problem


class BookingService:
    """Bookings as the region's reader has them."""

    def __init__(self, store: BookingStore) -> None:
        self._store = store

    async def booking(self, person_id: int, booking_id: int) -> Booking:
        """One booking. Raises Problem NOT_FOUND, also where it is another person's."""
        row = await self._store.booking(booking_id, person_id)
        if row is None:
            raise Problem(problems.NOT_FOUND, f"You have no booking {booking_id}.")
        return booking_from_row(row)

    async def bookings(self, person_id: int, *, before: int | None, page_size: int) -> BookingPage:
        """A page of bookings, newest first, of those with ids below `before`."""
        rows = await self._store.bookings(
            person_id, before=MAX_ID if before is None else before, limit=page_size + 1
        )
        return booking_page(rows, page_size=page_size)

"""Cancels in the queue of their event, where they are one transaction with whatever else waits there.

The plain path holds the stock of the event for two round trips and a commit, while all who want its seats
wait: it is for the few bookings that somebody else works on at the same moment.
"""

from contracts.booking import Booking
from service_kit.database import Pool
from service_kit.problem_responses import Problem
from write_api.bookings.batches import BookingQueues
from write_api.bookings.cancels import BUSY, Cancel
from write_api.bookings.refusals import no_booking
from write_api.bookings.service import BookingService
from write_api.bookings.store import BookingStore


class QueuedCancels:
    """As `BookingService.cancel`. `pool` is asked which event a booking is of."""

    def __init__(
        self, pool: Pool, store: BookingStore, queues: BookingQueues, plain_path: BookingService
    ) -> None:
        self._pool = pool
        self._store = store
        self._queues = queues
        self._plain_path = plain_path

    async def cancel(self, person_id: int, booking_id: int) -> Booking:
        """Gives the seats back; repeated, it answers the same.

        Raises Problem NOT_FOUND, BOOKING_STATE, REFUSED_BY_POLICY; TEMPORARILY_UNAVAILABLE at once, with
        nothing done, where too many wait already.
        """
        async with self._pool.connection() as connection:
            event_id = await self._store.event_of(connection, booking_id, person_id)
        if event_id is None:
            raise no_booking(booking_id)
        outcome = await self._queues.cancel(event_id, Cancel(person_id, booking_id))
        if outcome == BUSY:
            return await self._plain_path.cancel(person_id, booking_id)
        if isinstance(outcome, Problem):
            raise outcome
        return outcome

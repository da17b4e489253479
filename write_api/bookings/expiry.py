"""Frees the seats of holds that were not confirmed in time, within about a second of their deadline.

What is due is read without a lock; then each event's holds are expired by transactions of their own, at most
a thousand at a time: the lock of a hot event's stock is held as briefly as by a batch of bookings, the two
take turns, and no event waits for another's lock.

Any number of processes may sweep: each leaves what somebody else has locked. A sweep that fails or dies is
rolled back and its holds are taken up by the next; a hold past its deadline can't be confirmed meanwhile.
"""

import asyncio
import logging
from collections.abc import Sequence

import psycopg

from service_kit.database import DATABASE_ERRORS, Pool
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.seat_accounting import SeatAccountingError
from write_api.bookings.store import BookingStore

_LOG = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
MAX_HOLDS_PER_READING = 10_000
MAX_HOLDS_PER_BATCH = 1000  # as a batch of bookings: each holds the stock of what it frees
MAX_RETRY_SECONDS = 10.0


class HoldExpiry:
    """Sweeps every second while `run` runs; pauses longer, up to 10 s, while the database can't be asked.

    After each commit it tells `freed_seats`.
    """

    def __init__(
        self,
        pool: Pool,
        store: BookingStore,
        *,
        freed_seats: FreedSeats | None = None,
        sweep_seconds: float = SWEEP_SECONDS,
        reading_size: int = MAX_HOLDS_PER_READING,
        batch_size: int = MAX_HOLDS_PER_BATCH,
    ) -> None:
        self._pool = pool
        self._store = store
        self._freed_seats = freed_seats or FreedSeats()
        self._sweep_seconds = sweep_seconds
        self._reading_size = reading_size
        self._batch_size = batch_size
        self._failures = 0
        self._inconsistent: set[int] = set()

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            try:
                expired = await self.sweep()
            except DATABASE_ERRORS as error:
                self._failures += 1
                if self._failures == 1:
                    _LOG.error("holds can't be expired", extra={"reason": f"{type(error).__name__}: {error}"})
            else:
                self._failures = 0
                if expired:
                    _LOG.info("holds expired", extra={"bookings": expired})
            pause = self._sweep_seconds * 2 ** min(self._failures, 8)
            await asyncio.sleep(min(pause, max(MAX_RETRY_SECONDS, self._sweep_seconds)))

    async def sweep(self) -> int:
        """Expires all holds that are due, event by event; returns how many. Raises psycopg.Error."""
        expired = 0
        while True:
            async with self._pool.connection() as connection:
                due = await self._store.due_holds(
                    connection, limit=self._reading_size, left_out=sorted(self._inconsistent)
                )
            expired_now = 0
            for event_id, booking_ids in due.items():
                expired_now += await self._expire_of_event(event_id, booking_ids)
            expired += expired_now
            # What others have locked stays in the next reading: whoever expires nothing leaves it to them.
            if not expired_now or sum(map(len, due.values())) < self._reading_size:
                return expired

    async def _expire_of_event(self, event_id: int, booking_ids: Sequence[int]) -> int:
        """Batch by batch; returns how many. An event whose locks can't be had stays behind alone."""
        expired = 0
        try:
            for first in range(0, len(booking_ids), self._batch_size):
                expired += await self._expire(event_id, booking_ids[first : first + self._batch_size])
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            extra = {"event": event_id, "reason": type(error).__name__}
            _LOG.warning("holds of an event wait for the next sweep", extra=extra)
        return expired

    async def _expire(self, event_id: int, booking_ids: Sequence[int]) -> int:
        """One transaction. If a hold's seats are not as they say, one each, so that it alone stays behind."""
        try:
            async with self._pool.connection() as connection, connection.transaction():
                due = await self._store.lock_due_holds(connection, event_id, booking_ids)
                if due:
                    await self._store.end_bookings(connection, due, status="expired")
        except SeatAccountingError as error:
            if len(booking_ids) > 1:
                return sum([await self._expire(event_id, [one]) for one in booking_ids])
            self._inconsistent.update(booking_ids)
            _LOG.error("hold left behind", extra={"booking": booking_ids[0], "reason": str(error)})
            return 0
        if due:
            self._freed_seats.tell([event_id])
        return len(due)

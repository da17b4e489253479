"""Frees the seats of holds that were not confirmed in time, within about a second of their deadline.

Any number of processes may sweep: each takes holds that nobody else has locked. A sweep that fails or dies is
rolled back and its holds are taken up by the next; a hold past its deadline can't be confirmed meanwhile.
"""

import asyncio
import logging

from service_kit.database import DATABASE_ERRORS, Pool
from write_api.bookings.store import BookingStore, EndedBooking, SeatAccountingError

_LOG = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
MAX_HOLDS_PER_BATCH = 200  # short transactions: each holds the stock of every ticket type that it frees
MAX_RETRY_SECONDS = 10.0


class HoldExpiry:
    """Sweeps every second while `run` runs; pauses longer, up to 10 s, while the database can't be asked."""

    def __init__(
        self,
        pool: Pool,
        store: BookingStore,
        *,
        sweep_seconds: float = SWEEP_SECONDS,
        batch_size: int = MAX_HOLDS_PER_BATCH,
    ) -> None:
        self._pool = pool
        self._store = store
        self._sweep_seconds = sweep_seconds
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
        """Expires all holds that are due, batch by batch; returns how many. Raises psycopg.Error.

        A batch that fails because one hold's seats are not as they say is repeated hold by hold, so that this
        one alone stays behind.
        """
        expired, batch_size = 0, self._batch_size
        while True:
            due: list[EndedBooking] = []
            try:
                async with self._pool.connection() as connection, connection.transaction():
                    due = await self._store.lock_expired_holds(
                        connection, limit=batch_size, left_out=sorted(self._inconsistent)
                    )
                    if due:
                        await self._store.end_bookings(connection, due, status="expired")
            except SeatAccountingError as error:
                if len(due) == 1:
                    self._inconsistent.add(due[0].id)
                    _LOG.error("hold left behind", extra={"booking": due[0].id, "reason": str(error)})
                batch_size = 1
                continue
            expired += len(due)
            if len(due) < batch_size:
                return expired

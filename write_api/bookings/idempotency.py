"""Forgets idempotency keys that are older than a day; whoever repeats a request does so within minutes."""

import asyncio
import logging

from service_kit.database import DATABASE_ERRORS, Pool
from write_api.bookings.store import BookingStore

_LOG = logging.getLogger(__name__)

KEPT_SECONDS = 86_400
SWEEP_SECONDS = 60.0
MAX_KEYS_PER_BATCH = 1000


class KeyExpiry:
    """Sweeps once a minute while `run` runs."""

    def __init__(self, pool: Pool, store: BookingStore, *, kept_seconds: int = KEPT_SECONDS) -> None:
        self._pool = pool
        self._store = store
        self._kept_seconds = kept_seconds

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            try:
                await self.sweep()
            except DATABASE_ERRORS as error:  # nothing depends on it within hours
                _LOG.warning("old keys can't be forgotten", extra={"reason": type(error).__name__})
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Forgets all that are old enough, batch by batch; returns how many. Raises psycopg.Error."""
        forgotten = 0
        while True:
            async with self._pool.connection() as connection:
                batch = await self._store.forget_keys(
                    connection, kept_seconds=self._kept_seconds, limit=MAX_KEYS_PER_BATCH
                )
            forgotten += batch
            if batch < MAX_KEYS_PER_BATCH:
                return forgotten

"""The primary's heartbeat: one small row that tells every reader, by replication, how fresh what it has is.

A beat costs one local commit and, through change capture, one message and one small document in each region:
a fifth of what three idle regions cost together. So it comes each 500 ms while answers are given, each second
while none is, and at once with the first answer after that: whoever waits for what was just written (0073)
waits no longer. Beat n carries when beat n-1 was confirmed by the answer gate's rule, so a primary that is
cut off goes on beating while its confirmed time stands still.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import datetime

from service_kit.database import DATABASE_ERRORS, Pool
from service_kit.named_sql import load_queries
from write_api.answer_gate import AnswerGate, NotConfirmedError

_LOG = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
IDLE_BEAT_SECONDS = 1.0
STANDBY_SNAPSHOT_SECONDS = 1.0
CONFIRMATION_WAIT_SECONDS = 2.0
MAX_RETRY_SECONDS = 5.0


class Heartbeat:
    """Writes the heartbeat while `run` runs; outlives restarts of the database with growing pauses.

    `own_generation` answers the generation that this process writes under now.
    """

    def __init__(
        self,
        pool: Pool,
        gate: AnswerGate,
        *,
        own_generation: Callable[[], int | None],
        idle_seconds: float = IDLE_BEAT_SECONDS,
    ) -> None:
        self._pool = pool
        self._gate = gate
        self._own_generation = own_generation
        self._idle_seconds = idle_seconds
        self._queries = load_queries("write_api")
        self._failures = 0
        self._snapshot_at = -math.inf
        self._confirmed_at: datetime | None = None
        self._confirmed_at_monotonic: float | None = None

    @property
    def generation(self) -> int | None:
        """The generation that this process writes under; None where it has none."""
        return self._own_generation()

    @property
    def confirmed_age_seconds(self) -> float | None:
        """How long ago the last beat of this run was confirmed; None before the first."""
        if self._confirmed_at_monotonic is None:
            return None
        return time.monotonic() - self._confirmed_at_monotonic

    async def run(self) -> None:
        """Beats until cancelled; what an earlier run had confirmed says nothing of this one."""
        self._confirmed_at = self._confirmed_at_monotonic = None
        while True:
            started_at, asked_before = time.monotonic(), self._gate.asked
            try:
                await self._beat()
            except NotConfirmedError:
                await asyncio.sleep(BEAT_SECONDS)
            except DATABASE_ERRORS as error:
                await asyncio.sleep(self._retry_seconds(error))
            else:
                self._failures = 0
                await asyncio.sleep(max(0.0, started_at + BEAT_SECONDS - time.monotonic()))
                # One question was our own; if nobody else asks, there is nothing new to tell of.
                await self._gate.asked_more_than(
                    asked_before + 1,
                    wait_seconds=max(0.0, started_at + self._idle_seconds - time.monotonic()),
                )

    async def _beat(self) -> None:
        """One beat, then its confirmation. Raises psycopg.Error, NotConfirmedError."""
        async with self._pool.connection() as connection:
            await connection.execute(
                self._queries["write_heartbeat"],
                {"generation": self.generation, "confirmed_at": self._confirmed_at},
            )
            if time.monotonic() >= self._snapshot_at:
                await connection.execute(self._queries["log_standby_snapshot"])
                self._snapshot_at = time.monotonic() + STANDBY_SNAPSHOT_SECONDS
        confirmation = await self._gate.confirmed(wait_seconds=CONFIRMATION_WAIT_SECONDS)
        self._confirmed_at = confirmation.confirmed_at
        self._confirmed_at_monotonic = time.monotonic()

    def _retry_seconds(self, error: Exception) -> float:
        self._failures += 1
        if self._failures == 1:
            _LOG.warning("no heartbeat", extra={"reason": type(error).__name__})
        return float(min(BEAT_SECONDS * 2 ** min(self._failures - 1, 8), MAX_RETRY_SECONDS))

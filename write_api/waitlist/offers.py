"""Offers seats that came free to those who wait, within moments: the work of the writer.

Seats come free in any transaction, and what is free while somebody waits whom it suffices is sold to nobody
else; so nothing is lost while nobody serves the lines, and it does not matter who does, or how often. Each
event is served by short transactions of its own, under the locks of any sale. This process hears at once
where seats came free (`kick`) and looks at all lines each second. Any number of processes may do so: whoever
comes second finds nobody left to serve. One that dies is rolled back, and the next look finds the same.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

import psycopg

from service_kit.database import DATABASE_ERRORS, Connection, Pool
from service_kit.pipelines import pipelined_transaction
from write_api.notices import NotifyPeople, Parameters, ToPerson
from write_api.offered_seats import InLine, Offered, OfferSeats, SeatsNotOfferedError
from write_api.waitlist.store import WaitlistStore

_LOG = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
REST_SECONDS = 0.02
"""Between two looks: who is told of freed seats a thousand times a second asks fifty times."""
CARE_SECONDS = 60.0
MAX_OFFERS_PER_TRANSACTION = 100
"""Of a ticket type: the locks of the event's stock are held for so many bookings and mails."""
MAX_TRANSACTIONS_PER_TURN = 10
"""Of an event: then the others have their turn, however fast seats come free there."""
MAX_CLOSED_PER_TRANSACTION = 1000
MAX_RETRY_SECONDS = 10.0

_ONE_EVENTS_FAULT = (
    SeatsNotOfferedError,
    psycopg.errors.DivisionByZero,  # of `mark_offered`: they did not wait
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.QueryCanceled,
)


class WaitlistOffers:
    """Serves the lines while `run` runs; pauses longer, up to 10 s, while the database can't be asked."""

    def __init__(
        self,
        pool: Pool,
        store: WaitlistStore,
        *,
        sale: OfferSeats,
        notify: NotifyPeople,
        sweep_seconds: float = SWEEP_SECONDS,
        max_offers: int = MAX_OFFERS_PER_TRANSACTION,
    ) -> None:
        self._pool = pool
        self._store = store
        self._sale = sale
        self._notify = notify
        self._sweep_seconds = sweep_seconds
        self._max_offers = max_offers
        self._kicked: set[int] = set()
        self._is_kicked = asyncio.Event()
        self._failures = 0
        self._swept_at = self._cared_at = -float("inf")

    def kick(self, event_id: int) -> None:
        """Seats of this event may have come free: look now rather than within a second."""
        self._kicked.add(event_id)
        self._is_kicked.set()

    async def run(self) -> None:
        """Serves until cancelled."""
        while True:
            try:
                await self._look()
            except DATABASE_ERRORS as error:
                self._failures += 1
                if self._failures == 1:
                    reason = f"{type(error).__name__}: {error}"
                    _LOG.error("the waitlist can't be served", extra={"reason": reason})
                pause = self._sweep_seconds * 2 ** min(self._failures, 8)
                await asyncio.sleep(min(pause, max(MAX_RETRY_SECONDS, self._sweep_seconds)))
            else:
                self._failures = 0
                await asyncio.sleep(REST_SECONDS)
                await self._next_kick()

    async def sweep(self) -> int:
        """Serves all lines and settles what became of offers; answers how many were offered seats.

        Raises psycopg.Error.
        """
        async with self._pool.connection() as connection:
            await self._store.settle_offers(connection)
            event_ids = await self._store.events_to_serve(connection)
        return await self._serve(event_ids)

    async def serve(self, event_ids: Sequence[int]) -> int:
        """Serves the lines of these events; answers how many were offered seats. Raises psycopg.Error."""
        async with self._pool.connection() as connection:
            to_serve = await self._store.events_to_serve(connection, event_ids)
        return await self._serve(to_serve)

    async def _look(self) -> None:
        """At all lines where that is due, else where seats came free."""
        self._is_kicked.clear()
        kicked, self._kicked = self._kicked, set()
        if time.monotonic() - self._swept_at >= self._sweep_seconds:
            self._swept_at = time.monotonic()
            await self.sweep()
            await self._care()
        elif kicked:
            await self.serve(sorted(kicked))

    async def _next_kick(self) -> None:
        """Returns when somebody kicks, or the next sweep is due."""
        seconds = self._swept_at + self._sweep_seconds - time.monotonic()
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._is_kicked.wait()
        except TimeoutError:
            return

    async def _serve(self, event_ids: Sequence[int]) -> int:
        offered = 0
        for event_id in event_ids:
            try:
                offered += await self._serve_event(event_id)
            except _ONE_EVENTS_FAULT as error:  # it alone waits for the next look
                extra = {"event": event_id, "reason": f"{type(error).__name__}: {error}"}
                _LOG.warning("a waitlist is served later", extra=extra)
        return offered

    async def _serve_event(self, event_id: int) -> int:
        """Transaction by transaction, until the free seats suffice for nobody, or others have their turn."""
        offered = 0
        for _ in range(MAX_TRANSACTIONS_PER_TURN):
            offered_now, passed = await self._offer(event_id)
            offered += offered_now
            if not offered_now and not passed:
                return offered
        self.kick(event_id)
        return offered

    async def _offer(self, event_id: int) -> tuple[int, int]:
        """One transaction; how many were offered seats, and how many may not have them."""
        # Others wait for the event's stock meanwhile, so what can be sent together is.
        async with self._pool.connection() as connection, pipelined_transaction(connection):
            offers = await self._sale.offer(connection, event_id, self._first_in_line)
            if offers.offered:
                await self._tell(connection, event_id, offers.offered)
            if offers.passed:
                await self._store.mark_passed(connection, event_id, offers.passed)
        if offers.offered or offers.passed:
            extra = {"event": event_id, "offered": len(offers.offered), "passed": len(offers.passed)}
            _LOG.info("seats offered to the waitlist", extra=extra)
        return len(offers.offered), len(offers.passed)

    async def _first_in_line(
        self, connection: Connection, event_id: int, free_seats: Mapping[int, int]
    ) -> list[InLine]:
        if not free_seats:
            return []
        return await self._store.first_in_line(connection, event_id, free_seats, limit=self._max_offers)

    async def _tell(self, connection: Connection, event_id: int, offered: Sequence[Offered]) -> None:
        """The entries have their bookings, and a mail to each is queued."""
        await self._store.mark_offered(connection, event_id, offered)
        told = [(ToPerson(one.in_line.person_id), _parameters(one)) for one in offered]
        await self._notify(connection, "waitlist_offer", told)

    async def _care(self) -> None:
        """Closes the lines of events that are over, now and then: nobody depends on when."""
        if time.monotonic() - self._cared_at < CARE_SECONDS:
            return
        self._cared_at = time.monotonic()
        while True:
            async with self._pool.connection() as connection:
                closed = await self._store.close_lines(connection, limit=MAX_CLOSED_PER_TRANSACTION)
            if closed < MAX_CLOSED_PER_TRANSACTION:
                return


def _parameters(offered: Offered) -> Parameters:
    """What the mail tells."""
    return {"booking_id": offered.booking_id, "expires_at": offered.expires_at.isoformat()}

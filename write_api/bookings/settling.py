"""Changes how many seats a ticket type has, while its event is booked.

To make or withdraw a hundred thousand seats takes seconds, in which nobody could book the event. So a change
is decided by the numbers of the stock alone (`supply.py`). Then seats are opened or withdrawn batch by batch,
each a transaction of its own, between which bookings go on; where that is interrupted, the sweep goes on.
"""

import asyncio
import logging

from service_kit.database import DATABASE_ERRORS, Connection, Pool
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.seat_accounting import SeatAccountingError
from write_api.bookings.supply_store import SupplyStore
from write_api.seat_blocks import SeatsTakenError

_LOG = logging.getLogger(__name__)

MAX_SEATS_PER_BATCH = 2500
SWEEP_SECONDS = 5.0
_FAILURES: tuple[type[Exception], ...] = (*DATABASE_ERRORS, SeatAccountingError)
MAX_STOCKS_PER_SWEEP = 100


class SeatSettling:
    """Decides changes within the caller's transaction, and lets seats follow in its own.

    It tells `freed_seats` of each batch that was opened.
    """

    def __init__(
        self,
        pool: Pool,
        store: SupplyStore,
        freed_seats: FreedSeats,
        *,
        batch_size: int = MAX_SEATS_PER_BATCH,
    ) -> None:
        self._pool = pool
        self._store = store
        self._freed_seats = freed_seats
        self._batch_size = batch_size

    async def change(self, connection: Connection, event_id: int, ticket_type_id: int, by: int) -> None:
        """See write_api.seat_blocks.ChangeSupply."""
        supply = await self._store.lock(connection, event_id, ticket_type_id)
        changed = supply.changed(by)
        if changed is None:
            raise SeatsTakenError(supply.removable)
        await self._store.write(connection, event_id, ticket_type_id, changed)

    async def settle(self, event_id: int, ticket_type_id: int) -> None:
        """See write_api.seat_blocks.SettleSeats."""
        try:
            while seats := await self._settle_batch(event_id, ticket_type_id):
                if seats > 0:
                    self._freed_seats.tell([event_id])
        except _FAILURES as error:
            extra = {"event": event_id, "ticket_type": ticket_type_id, "reason": str(error)}
            _LOG.warning("seats are settled later", extra=extra)

    async def run(self) -> None:
        """Goes on where somebody was interrupted, until cancelled."""
        while True:
            try:
                await self.sweep()
            except DATABASE_ERRORS as error:
                _LOG.warning("seats can't be settled", extra={"reason": type(error).__name__})
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> None:
        """Settles whatever is not. Raises psycopg.Error where that can't be read."""
        async with self._pool.connection() as connection:
            unsettled = await self._store.unsettled(connection, limit=MAX_STOCKS_PER_SWEEP)
        for event_id, ticket_type_id in unsettled:
            await self.settle(event_id, ticket_type_id)

    async def _settle_batch(self, event_id: int, ticket_type_id: int) -> int:
        """Opens or withdraws (negative) some seats; 0 when none are left to. Raises psycopg.Error."""
        async with self._pool.connection() as connection, connection.transaction():
            await self._store.lead_queue(connection, event_id)
            supply = await self._store.lock(connection, event_id, ticket_type_id)
            seats = supply.next_batch(self._batch_size)
            if seats > 0:
                await self._store.open_seats(connection, event_id, ticket_type_id, seats)
            elif seats < 0:
                await self._store.withdraw_seats(connection, event_id, ticket_type_id, -seats)
            if seats:
                await self._store.write(connection, event_id, ticket_type_id, supply.settled(seats))
        return seats

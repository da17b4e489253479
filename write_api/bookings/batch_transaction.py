"""A batch's one transaction, from its wishes to what became of each."""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from service_kit.database import Pool, Row
from service_kit.problem_responses import Problem
from write_api.bookings.assumed import AssumedSale, AssumedSales, assume
from write_api.bookings.grants import Grant, MadeBefore, Sale, Wish, grant_in_order
from write_api.bookings.made import MadeBooking, made_booking_from_row
from write_api.bookings.refusals import no_event, problem_of
from write_api.bookings.rules import Refusal
from write_api.bookings.sold_out import SoldOut, sold_out_after
from write_api.bookings.store import BookingStore, SeatAccountingError

# What is wrong with one request, such as an account that was just removed, and not with the database; or with
# what was assumed.
NOT_SO = (psycopg.IntegrityError, psycopg.DataError, SeatAccountingError)

BatchOutcome = MadeBooking | Exception


class Booked(NamedTuple):
    """What a batch came to, and which ticket types it left sold out; `mark` is of the memory of these."""

    outcomes: Sequence[BatchOutcome]
    sale: Sale | None = None
    sold_out: frozenset[int] = frozenset()
    mark: int = 0


class BatchTransactions:
    """Books batches, each in one transaction that has all locks of a sale."""

    def __init__(self, pool: Pool, store: BookingStore, sold_out: SoldOut, *, hold_seconds: int) -> None:
        self._pool = pool
        self._store = store
        self.sold_out = sold_out
        self._hold_seconds = hold_seconds
        self._assumed = AssumedSales()

    async def book(self, event_id: int, wishes: Sequence[Wish]) -> Booked:
        """What became of each wish. Raises psycopg.Error, SeatAccountingError; then nothing was done.

        One round trip where all get seats by what the last batch has read, and that still holds.
        """
        assumed = self._assumed.get(event_id)
        grants = None if assumed is None else assumed.grants(wishes)
        if assumed is not None and grants is not None:
            try:
                return await self._book_as_assumed(event_id, assumed, grants)
            except NOT_SO:
                self._assumed.put(event_id, None)
        return await self._book_as_read(event_id, wishes)

    async def _book_as_assumed(self, event_id: int, assumed: AssumedSale, grants: Sequence[Grant]) -> Booked:
        """The locks, the statement that finds out whether it is as assumed, the commit: all sent at once."""
        async with self._pool.connection() as connection, connection.pipeline():
            async with connection.transaction():
                making = await self._store.begin_bookings(
                    connection,
                    event_id,
                    assumed.sale,
                    grants,
                    hold_seconds=self._hold_seconds,
                    assumed=assumed,
                )
            made = await making()
        self._assumed.put(event_id, assumed.with_remaining(made.remaining))
        return Booked(made.bookings)

    async def _book_as_read(self, event_id: int, wishes: Sequence[Wish]) -> Booked:
        """Two round trips, three where somebody names who comes."""
        mark, since, keys_since = self.sold_out.mark(), self.sold_out.last_keyed(event_id), None
        rows: dict[int, Row] = {}
        async with self._pool.connection() as connection, connection.pipeline():
            async with connection.transaction():
                sale = await self._store.lock_sale(connection, event_id, wishes)
                if sale is None:
                    return Booked([no_event(event_id) for _ in wishes])
                outcomes = grant_in_order(sale, wishes)
                grants = list({id(one): one for one in outcomes if isinstance(one, Grant)}.values())
                before = {one.booking_id for one in outcomes if isinstance(one, MadeBefore)}
                if before:
                    rows = await self._store.bookings_of_event(connection, event_id, before)
                making = await self._store.begin_bookings(
                    connection, event_id, sale, grants, hold_seconds=self._hold_seconds
                )
                sold_out = sold_out_after(sale, grants)
                if sold_out:
                    keys_since = await self._store.begin_keys_since(connection, event_id, since)
            made = (await making()).bookings  # after the commit was sent
            if keys_since is not None:
                self.sold_out.know_keys(event_id, since, await keys_since())
        self._assumed.put(event_id, assume(sale, grants))
        if grants:
            mark = self.sold_out.forget_before(event_id, mark)
        by_grant = {id(grant): booking for grant, booking in zip(grants, made, strict=True)}
        return Booked(
            [
                problem_of(one)
                if isinstance(one, Refusal)
                else made_booking_from_row(rows[one.booking_id], wish.attendees)
                if isinstance(one, MadeBefore)
                else by_grant[id(one)]
                for wish, one in zip(wishes, outcomes, strict=True)
            ],
            sale,
            sold_out,
            mark,
        )


def is_told(outcome: BatchOutcome) -> bool:
    """Whether it says anything of what the database holds, and so has to be confirmed."""
    return isinstance(outcome, MadeBooking | Problem)

"""A batch's one transaction, from its wishes and cancels to what became of each."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import psycopg

from service_kit.database import Connection, Pool, Row
from service_kit.pipelines import Committed, pipelined_transaction
from write_api.bookings.assumed import AssumedSale, AssumedSales, assume
from write_api.bookings.cancels import Cancel, CancelOutcome, JudgedCancels, judge_cancels
from write_api.bookings.grants import Grant, MadeBefore, Outcome, Sale, Wish, grant_in_order
from write_api.bookings.locked import LockedBooking
from write_api.bookings.made import MadeBooking, made_booking_from_row
from write_api.bookings.refusals import no_booking, no_event, problem_of
from write_api.bookings.rules import Refusal
from write_api.bookings.seat_accounting import SeatAccountingError, seats_as_they_should_be
from write_api.bookings.served import Told
from write_api.bookings.sold_out import SoldOut, sold_out_after
from write_api.bookings.store import BookingStore

# What is wrong with one request, such as an account that was just removed, and not with the database; or with
# what was assumed.
NOT_SO = (psycopg.IntegrityError, psycopg.DataError, SeatAccountingError)


class Booked(NamedTuple):
    """What a batch came to, and which ticket types it left sold out; `mark` is of the memory of these.

    One that `has_freed` seats leaves nothing to be remembered, also where it has sold them again. Once the
    log is confirmed up to `flushed_lsn`, all that it wrote or saw is.
    """

    outcomes: Sequence[Told]
    cancelled: Sequence[CancelOutcome] = ()
    has_freed: bool = False
    sale: Sale | None = None
    sold_out: frozenset[int] = frozenset()
    mark: int = 0
    flushed_lsn: int | None = None


class BatchTransactions:
    """Books batches, each in one transaction that has all locks of a sale."""

    def __init__(self, pool: Pool, store: BookingStore, sold_out: SoldOut, *, hold_seconds: int) -> None:
        self._pool = pool
        self._store = store
        self.sold_out = sold_out
        self._hold_seconds = hold_seconds
        self._assumed = AssumedSales()

    async def book(self, event_id: int, wishes: Sequence[Wish], cancels: Sequence[Cancel] = ()) -> Booked:
        """What became of each. Raises psycopg.Error, SeatAccountingError; then nothing was done.

        One round trip where nobody cancels, and all get seats by what the last batch has read, and that
        still holds.
        """
        assumed = None if cancels else self._assumed.get(event_id)
        grants = None if assumed is None else assumed.grants(wishes)
        if assumed is not None and grants is not None:
            try:
                return await self._book_as_assumed(event_id, assumed, grants)
            except NOT_SO:
                self._assumed.put(event_id, None)
        with seats_as_they_should_be():  # what a statement raises may be raised by whatever follows it
            return await self._book_as_read(event_id, wishes, cancels)

    async def _book_as_assumed(self, event_id: int, assumed: AssumedSale, grants: Sequence[Grant]) -> Booked:
        """The locks, the statement that finds out whether it is as assumed, the commit: all sent at once."""
        async with self._transaction() as (connection, committed):
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
        return Booked(made.bookings, flushed_lsn=_lsn(committed))

    async def _book_as_read(self, event_id: int, wishes: Sequence[Wish], cancels: Sequence[Cancel]) -> Booked:
        """Two round trips, three where somebody names who comes."""
        mark = self.sold_out.mark()
        since, keys_since = self.sold_out.last_keyed(event_id), None
        rows: dict[int, Row] = {}
        async with self._transaction() as (connection, committed):
            locked = await self._begin_locks(connection, event_id, cancels)
            sale = await self._store.lock_sale(connection, event_id, wishes)
            if sale is None:
                return _without_event(event_id, wishes, cancels)
            judged = judge_cancels(sale.event, await locked(), cancels)
            sale = judged.sale_after(sale)
            outcomes = grant_in_order(sale, wishes)
            grants = list({id(one): one for one in outcomes if isinstance(one, Grant)}.values())
            before = {one.booking_id for one in outcomes if isinstance(one, MadeBefore)}
            if before:
                rows = await self._store.bookings_of_event(connection, event_id, before)
            doing = await self._begin_effects(connection, event_id, sale, judged, grants)
            sold_out = frozenset() if judged.freed else sold_out_after(sale, grants)
            if sold_out:
                keys_since = await self._store.begin_keys_since(connection, event_id, since)
        made, cancelled = await doing()
        if keys_since is not None:
            self.sold_out.know_keys(event_id, since, await keys_since())
        self._assumed.put(event_id, assume(sale, grants))
        if judged.freed:
            self.sold_out.forget(event_id)
        elif grants:
            mark = self.sold_out.forget_before(event_id, mark)
        by_grant = {id(grant): booking for grant, booking in zip(grants, made, strict=True)}
        told = _told(wishes, outcomes, rows, by_grant)
        return Booked(told, cancelled, bool(judged.freed), sale, sold_out, mark, _lsn(committed))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[tuple[Connection, Committed]]:
        async with (
            self._pool.connection() as connection,
            pipelined_transaction(connection, then=self._store.flushed_lsn) as committed,
        ):
            yield connection, committed

    async def _begin_locks(
        self, connection: Connection, event_id: int, cancels: Sequence[Cancel]
    ) -> Callable[[], Awaitable[Mapping[int, LockedBooking]]]:
        """Asks for what cancels lock before the stock; the bookings, once these locks were granted."""
        if cancels:
            booking_ids = {one.booking_id for one in cancels}
            return await self._store.cancels.begin_locks(connection, event_id, booking_ids)

        async def none() -> Mapping[int, LockedBooking]:
            return {}

        return none

    async def _begin_effects(
        self,
        connection: Connection,
        event_id: int,
        sale: Sale,
        judged: JudgedCancels,
        grants: Sequence[Grant],
    ) -> Callable[[], Awaitable[tuple[Sequence[MadeBooking], Sequence[CancelOutcome]]]]:
        """All that a batch changes, seats given back before any are taken; await what it comes to."""
        if judged.freed:
            ended = judged.ended(sale.event)
            await self._store.begin_to_end_bookings(connection, event_id, ended, status="cancelled")
        making = await self._store.begin_bookings(
            connection, event_id, sale, grants, hold_seconds=self._hold_seconds
        )
        reading = None
        if judged.told_ids:
            reading = await self._store.cancels.begin_bookings(connection, event_id, judged.told_ids)

        async def done() -> tuple[Sequence[MadeBooking], Sequence[CancelOutcome]]:
            made = await making()
            return made.bookings, judged.outcomes({} if reading is None else await reading())

        return done


def _lsn(committed: Committed) -> int | None:
    return None if committed.row is None else int(committed.row["lsn"])


def _without_event(event_id: int, wishes: Sequence[Wish], cancels: Sequence[Cancel]) -> Booked:
    return Booked([no_event(event_id) for _ in wishes], [no_booking(one.booking_id) for one in cancels])


def _told(
    wishes: Sequence[Wish],
    outcomes: Sequence[Outcome],
    rows: Mapping[int, Row],
    by_grant: Mapping[int, MadeBooking],
) -> list[Told]:
    """What became of each wish, with the bookings that were made before in `rows`."""
    return [
        problem_of(one)
        if isinstance(one, Refusal)
        else made_booking_from_row(rows[one.booking_id], wish.attendees)
        if isinstance(one, MadeBefore)
        else by_grant[id(one)]
        for wish, one in zip(wishes, outcomes, strict=True)
    ]

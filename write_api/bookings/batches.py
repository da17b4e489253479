"""The peak's path: all who want seats of one event at once are served by one transaction, in arrival order.

The plain path (`service.py`) holds the event's stock for three statements and a commit a booking, so a hot
event sells some hundred bookings a second, however many clients there are. Here requests for an event wait in
one queue; while a batch commits, the next one gathers. A batch locks the stock once, decides who gets seats
(`grants.py`), and writes all bookings in one statement. Tests hold it against the plain path.

Several processes may do so at once: each batch holds the locks that the plain path holds.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import psycopg

from contracts import problems
from contracts.booking import Booking
from service_kit.database import Pool, Row
from service_kit.hot_route import RawHeaders
from service_kit.problem_responses import Problem
from write_api.bookings.grants import Grant, MadeBefore, Sale, Wish, grant_in_order
from write_api.bookings.made import MadeBooking, made_booking_from_row
from write_api.bookings.refusals import no_event, problem_of
from write_api.bookings.rules import Refusal
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.served import Served
from write_api.bookings.sold_out import SoldOut, sold_out_after
from write_api.bookings.store import BookingStore, SeatAccountingError

MAX_BATCH = 2000
MAX_WAITING = 8192

SESSION_SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "enable_material": "off",
    "jit": "off",
}
"""Each statement of a batch goes by keys, whatever is known of the tables: right after an event was made,
before they were analysed, the planner would read all of its seats for each batch."""

# What is wrong with one request, such as an account that was just removed, and not with the database.
_ONE_IS_TO_BLAME = (psycopg.IntegrityError, psycopg.DataError, SeatAccountingError)


Confirm = Callable[[], Awaitable[RawHeaders]]
"""Waits until all that was committed before is confirmed. Raises Problem where it is not in time."""

_Outcome = MadeBooking | Exception


class _Waiting(NamedTuple):
    wish: Wish
    answer: "asyncio.Future[Served]"


class _Booked(NamedTuple):
    """What a batch came to, and which ticket types it left sold out; `mark` is of the memory of these."""

    outcomes: Sequence[_Outcome]
    sale: Sale | None = None
    sold_out: frozenset[int] = frozenset()
    mark: int = 0


async def _no_gate() -> RawHeaders:
    return ()


class BookingQueues:
    """A queue an event, worked off while somebody waits in it. At most `max_waiting` wait in all.

    Who names those who come counts as so many more, and in a batch too: each name is a row.

    A batch that has committed waits once for `confirm`, refusals too, while the next ones are served. Without
    it, whoever answers has to wait at the gate.
    """

    def __init__(
        self,
        pool: Pool,
        store: BookingStore,
        *,
        hold_seconds: int,
        confirm: Confirm = _no_gate,
        sold_out: SoldOut | None = None,
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._pool = pool
        self._store = store
        self._hold_seconds = hold_seconds
        self._confirm = confirm
        self.sold_out = sold_out or SoldOut()
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._waiting = 0
        self._queues: dict[int, deque[_Waiting]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._confirming: set[asyncio.Task[None]] = set()

    async def create(
        self, person_id: int, body: BookingCreate, *, idempotency_key: str | None = None
    ) -> Booking:
        """Holds seats; with a key that was used for the same before, it answers what it answered then.

        Raises Problem NOT_FOUND, INVALID_REQUEST, EVENT_NOT_BOOKABLE, NOT_ENOUGH_SEATS,
        PER_PERSON_LIMIT, IDEMPOTENCY_KEY_REUSED.

        Raises TEMPORARILY_UNAVAILABLE at once, with nothing done, where too many wait already.
        """
        served = await self.ask(body.event_id, wish_of(person_id, body, idempotency_key))
        return served.booking()

    async def ask(self, event_id: int, wish: Wish) -> Served:
        """Serves a wish in its turn.

        Raises Problem TEMPORARILY_UNAVAILABLE where too many wait or nobody confirms, and psycopg.Error.
        """
        in_vain = self.sold_out.refusal(event_id, wish)
        if in_vain is not None:
            return in_vain
        if self._waiting >= self._max_waiting:
            raise Problem(problems.TEMPORARILY_UNAVAILABLE, "Too many others wait to be served.")
        answer: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
        self._join(event_id, _Waiting(wish, answer))
        self._waiting += wish.weight
        try:
            return await answer
        finally:
            self._waiting -= wish.weight

    async def close(self) -> None:
        """Waits until all queues are empty and all are answered; nobody may join any more."""
        await asyncio.gather(*self._workers)
        await asyncio.gather(*self._confirming)

    def _join(self, event_id: int, waiting: _Waiting) -> None:
        queue = self._queues.get(event_id)
        if queue is not None:
            queue.append(waiting)
            return
        self._queues[event_id] = deque([waiting])
        worker = asyncio.create_task(self._work_off(event_id), name=f"bookings-of-event-{event_id}")
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work_off(self, event_id: int) -> None:
        queue = self._queues[event_id]
        try:
            while queue:
                await self._serve(event_id, self._next_batch(queue))
        finally:
            del self._queues[event_id]

    def _next_batch(self, queue: deque[_Waiting]) -> list[_Waiting]:
        """Those who come first and still wait for their answers, as many as one transaction serves."""
        batch, weight = [], 0
        while queue and weight < self._max_batch:
            one = queue.popleft()
            if not one.answer.done():
                batch.append(one)
                weight += one.wish.weight
        return batch

    async def _serve(self, event_id: int, batch: Sequence[_Waiting]) -> None:
        """Answers everybody of the batch. One that fails is halved until whoever is to blame is alone."""
        if not batch:
            return
        try:
            booked = await self._book(event_id, [one.wish for one in batch])
        except _ONE_IS_TO_BLAME as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._serve(event_id, batch[:middle])
                await self._serve(event_id, batch[middle:])
                return
            booked = _Booked([error])
        except Exception as error:  # noqa: BLE001 - each of them is told, as if they had been alone
            booked = _Booked([error] * len(batch))
        answering = self._answer(event_id, batch, booked)
        confirming = asyncio.create_task(answering, name=f"answers-of-event-{event_id}")
        self._confirming.add(confirming)
        confirming.add_done_callback(self._confirming.discard)

    async def _answer(self, event_id: int, batch: Sequence[_Waiting], booked: _Booked) -> None:
        """Tells each what became of it once that is confirmed; an error says nothing that could be lost."""
        confirmed: RawHeaders | Exception = ()
        if any(isinstance(outcome, MadeBooking | Problem) for outcome in booked.outcomes):
            try:
                confirmed = await self._confirm()
            except Exception as error:  # noqa: BLE001 - each of them is told
                confirmed = error
        if booked.sale is not None and booked.sold_out and not isinstance(confirmed, Exception):
            self.sold_out.remember(event_id, booked.mark, booked.sale, booked.sold_out, confirmed)
        for (_, answer), outcome in zip(batch, booked.outcomes, strict=True):
            if answer.done():
                continue
            if not isinstance(outcome, MadeBooking | Problem):
                answer.set_exception(outcome)
            elif isinstance(confirmed, Exception):
                answer.set_exception(confirmed)
            else:
                answer.set_result(Served(outcome, confirmed))

    async def _book(self, event_id: int, wishes: Sequence[Wish]) -> _Booked:
        """One transaction of two round trips, three where somebody names who comes; what became of each wish.

        Raises psycopg.Error, SeatAccountingError.
        """
        mark, since, keys_since = self.sold_out.mark(), self.sold_out.last_keyed(event_id), None
        rows: dict[int, Row] = {}
        async with self._pool.connection() as connection, connection.pipeline():
            async with connection.transaction():
                sale = await self._store.lock_sale(connection, event_id, wishes)
                if sale is None:
                    return _Booked([no_event(event_id) for _ in wishes])
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
            made = await making()  # after the commit was sent
            if keys_since is not None:
                self.sold_out.know_keys(event_id, since, await keys_since())
        if grants:
            mark = self.sold_out.forget_before(event_id, mark)
        by_grant = {id(grant): booking for grant, booking in zip(grants, made, strict=True)}
        return _Booked(
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


def wish_of(person_id: int, body: BookingCreate, idempotency_key: str | None) -> Wish:
    """What somebody wants who sends such a body."""
    return Wish(
        person_id,
        body.quantity,
        body.ticket_type_id,
        idempotency_key,
        attendees=tuple(body.attendees),
    )

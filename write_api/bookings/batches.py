"""The peak's path: all who want seats of one event at once are served by one transaction, in arrival order.

So are those who give seats back, before them (`cancels.py`): each for itself would hold the stock, and all
others up.

The plain path (`service.py`) holds the event's stock for three statements and a commit a booking, so a hot
event sells some hundred bookings a second, however many clients there are. Here requests for an event wait in
one queue; while a batch commits, the next one gathers. A batch locks the stock once, decides who gets seats
(`grants.py`), and writes all bookings in one statement. Tests hold it against the plain path.

Several processes may do so at once: each batch holds the locks that the plain path holds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from contracts.booking import Booking
from service_kit.database import Pool
from service_kit.whole_answers import RawHeaders
from write_api.bookings.batch_transaction import NOT_SO, BatchTransactions, Booked
from write_api.bookings.cancels import Cancel, CancelOutcome
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.grants import Wish
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.served import Served
from write_api.bookings.sold_out import SoldOut
from write_api.bookings.store import BookingStore
from write_api.event_queues import EventQueues, no_seconds

MAX_BATCH = 2000
MAX_WAITING = 8192
SPACING_SHARE = 1 / 14
"""Of what confirmations take. A batch costs some 7 ms of CPU, however small it is, and who waits 80 ms for
two regions does not notice 3 more: a quarter of the peak costs a sixth less so, and is answered sooner."""
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

Confirm = Callable[[int | None], Awaitable[RawHeaders]]
"""Waits until the log is confirmed up to a position, without one until all is that was committed before.

Raises Problem where it is not in time."""


class _Wanting(msgspec.Struct, frozen=True):
    asked: Wish
    answer: "asyncio.Future[Served]"


class _Cancelling(msgspec.Struct, frozen=True):
    asked: Cancel
    answer: "asyncio.Future[CancelOutcome]"


_Waiting = _Wanting | _Cancelling


async def _no_gate(_: int | None) -> RawHeaders:
    return ()


class BookingQueues:
    """A queue an event, worked off while somebody waits in it. At most `max_waiting` wait in all.

    Who names those who come counts as so many more, and in a batch too: each name is a row.

    A batch that has committed waits once for `confirm`, refusals too, while the next ones are served. Without
    it, whoever answers has to wait at the gate; so has whoever cancels in any case.

    `confirmation_seconds` tells how long that takes; batches of an event begin a share of it apart.

    After the commit of a batch that gave seats back it tells `freed_seats`.
    """

    def __init__(
        self,
        pool: Pool,
        store: BookingStore,
        *,
        hold_seconds: int,
        confirm: Confirm = _no_gate,
        sold_out: SoldOut | None = None,
        freed_seats: FreedSeats | None = None,
        confirmation_seconds: Callable[[], float] = no_seconds,
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._confirm = confirm
        self.transactions = BatchTransactions(pool, store, sold_out or SoldOut(), hold_seconds=hold_seconds)
        self._freed_seats = freed_seats or FreedSeats()
        self._queues: EventQueues[_Waiting] = EventQueues(
            self._serve,
            name="bookings",
            to_blame=NOT_SO,
            max_batch=max_batch,
            max_waiting=max_waiting,
            spacing_seconds=lambda: SPACING_SHARE * confirmation_seconds(),
        )
        self._confirming: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """As how many those count who have no answer yet."""
        return self._queues.waiting

    @property
    def sold_out(self) -> SoldOut:
        """Which events are known to be sold out, for whoever hears that seats came free."""
        return self.transactions.sold_out

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
        answer: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
        return await self._queues.answer_to(event_id, _Wanting(wish, answer), answer)

    async def cancel(self, event_id: int, cancel: Cancel) -> CancelOutcome:
        """Cancels a booking of the event in its turn; what is answered is not confirmed yet.

        Raises Problem TEMPORARILY_UNAVAILABLE where too many wait, SeatAccountingError, and psycopg.Error.
        """
        answer: asyncio.Future[CancelOutcome] = asyncio.get_running_loop().create_future()
        return await self._queues.answer_to(event_id, _Cancelling(cancel, answer), answer)

    async def close(self) -> None:
        """Waits until all queues are empty and all are answered; nobody may join any more."""
        await self._queues.close()
        await asyncio.gather(*self._confirming)

    async def _serve(self, event_id: int, batch: Sequence[_Waiting]) -> None:
        """Answers everybody of the batch. Raises what its transaction raises; then nothing was done."""
        wanting = [one for one in batch if isinstance(one, _Wanting)]
        cancelling = [one for one in batch if isinstance(one, _Cancelling)]
        booked = await self.transactions.book(
            event_id, [one.asked for one in wanting], [one.asked for one in cancelling]
        )
        if booked.has_freed:
            self._freed_seats.tell([event_id])
        _answer_cancels(cancelling, booked)
        if not wanting:
            return
        answering = self._answer(event_id, wanting, booked)
        confirming = asyncio.create_task(answering, name=f"answers-of-event-{event_id}")
        self._confirming.add(confirming)
        confirming.add_done_callback(self._confirming.discard)

    async def _answer(self, event_id: int, batch: Sequence[_Wanting], booked: Booked) -> None:
        """Tells each what became of it, once that is confirmed."""
        confirmed: RawHeaders | Exception
        try:
            confirmed = await self._confirm(booked.flushed_lsn)
        except Exception as error:  # noqa: BLE001 - each of them is told
            confirmed = error
        if booked.sale is not None and booked.sold_out and not isinstance(confirmed, Exception):
            self.sold_out.remember(event_id, booked.mark, booked.sale, booked.sold_out, confirmed)
        for one, outcome in zip(batch, booked.outcomes, strict=True):
            answer = one.answer
            if answer.done():
                continue
            if isinstance(confirmed, Exception):
                answer.set_exception(confirmed)
            else:
                answer.set_result(Served(outcome, confirmed))


def _answer_cancels(batch: Sequence[_Cancelling], booked: Booked) -> None:
    """Tells each at once: their answers are confirmed one by one, on their way out."""
    for one, outcome in zip(batch, booked.cancelled, strict=True):
        if not one.answer.done():
            one.answer.set_result(outcome)


def wish_of(person_id: int, body: BookingCreate, idempotency_key: str | None) -> Wish:
    """What somebody wants who sends such a body."""
    return Wish(
        person_id,
        body.quantity,
        body.ticket_type_id,
        idempotency_key,
        attendees=tuple(body.attendees),
    )

"""Cancels in their event's queue: one transaction with bookings, and nobody pays for another's trouble."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from contracts import problems
from contracts.booking import Booking
from service_kit.database import Pool, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from service_kit.whole_answers import RawHeaders
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from write_api.bookings.batches import BookingQueues
from write_api.bookings.cancels import Cancel
from write_api.bookings.expiry import HoldExpiry
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.queued_cancels import QueuedCancels
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.seat_accounting import SeatAccountingError
from write_api.bookings.service import BookingService
from write_api.bookings.sold_out import SoldOut
from write_api.bookings.store import BookingStore

Queries = Mapping[str, LiteralString]
QUERIES = load_queries("write_api.bookings")
WAITING_FOR_BOOKINGS: Queries = {
    **QUERIES,
    "lock_bookings": QUERIES["lock_bookings"].replace("SKIP LOCKED", ""),
}
CREDULOUS: Queries = {
    **QUERIES,
    "free_booked_seats": QUERIES["free_booked_seats"].replace("= %(seats)s", "<= %(seats)s"),
}
"""Bookings need not have had the seats that they say."""
WITHOUT_LOCK_OF_BOOKINGS: Queries = {
    **QUERIES,
    "lock_bookings": QUERIES["lock_bookings"].replace("FOR UPDATE SKIP LOCKED", ""),
}
HELD_UP_SECONDS = 0.5
"""Whoever waits longer is held up."""


class Process:
    """What a process has for the bookings of one event."""

    def __init__(
        self, pool: Pool, person: Customer, event: dict[str, Any], queries: Queries = QUERIES, **options: Any
    ) -> None:
        self.person = person
        self.event_id = int(event["id"])
        store = BookingStore(queries)
        self.freed: list[int] = []
        freed_seats = FreedSeats()
        freed_seats.listen(self.freed.append)
        self.plain = BookingService(pool, store, hold_seconds=300, freed_seats=freed_seats)
        options.setdefault("freed_seats", freed_seats)
        self.queues = BookingQueues(pool, store, hold_seconds=300, **options)
        self.cancels = QueuedCancels(pool, store, self.queues, self.plain)

    async def book(self, quantity: int = 1, *, person_id: int | None = None) -> Booking:
        who = self.person.id if person_id is None else person_id
        return await self.queues.create(who, self.body(quantity))

    def body(self, quantity: int = 1) -> BookingCreate:
        return BookingCreate(event_id=self.event_id, quantity=quantity)

    async def booked(self, count: int, quantity: int = 1) -> list[Booking]:
        return [await self.book(quantity) for _ in range(count)]

    async def cancel(self, booking: Booking, *, person_id: int | None = None) -> Booking:
        """In the queue at once, without the question which event it is of."""
        cancel = Cancel(self.person.id if person_id is None else person_id, booking.id)
        outcome = await self.queues.cancel(self.event_id, cancel)
        assert isinstance(outcome, Booking | Problem), outcome
        if isinstance(outcome, Problem):
            raise outcome
        return outcome


class Scene:
    """A database with people in it."""

    def __init__(self, application: Application, pool: Pool) -> None:
        self.database = application.database
        self.pool = pool
        self._application = application

    async def open(
        self, seats: int, queries: Queries = QUERIES, *, limit: int | None = None, **options: Any
    ) -> Process:
        """A process that sells a new event."""
        host, person = await self._application.sign_up("host"), await self._application.sign_up()
        kinds = [{"name": "seat", "price": 10, "capacity": seats, "per_person_limit": limit}]
        event = await host.created(ticket_types=kinds, available_seats=..., price=...)
        return Process(self.pool, person, event, queries, **options)

    async def stranger(self) -> int:
        return (await self._application.sign_up()).id

    def remaining(self, process: Process) -> int:
        [row] = self.database.rows("SELECT remaining FROM ticket_stock WHERE event_id = %s", process.event_id)
        return int(row["remaining"])

    def transactions(self, process: Process) -> int:
        """By how many the bookings were written as they are now."""
        [row] = self.database.rows(
            "SELECT count(DISTINCT xmin::text) AS n FROM bookings WHERE event_id = %s", process.event_id
        )
        return int(row["n"])

    async def wait_for_locks(self, count: int) -> None:
        """Until so many wait for one."""

        async def wait() -> bool:
            rows = await asyncio.to_thread(
                self.database.rows,
                "SELECT count(*) AS n FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            return bool(rows[0]["n"] == count)

        await eventually(f"{count} wait for a lock", wait)


@pytest.fixture(scope="module")
async def pool(application: Application) -> AsyncIterator[Pool]:
    url = application.database.url("frontrow_write")
    async with create_pool(url, application_name="test", max_size=8, max_waiting=512) as pool:
        yield pool


@pytest.fixture
def scene(application: Application, pool: Pool) -> Scene:
    return Scene(application, pool)


@pytest.fixture
async def scene_apart(database: Database, state: Path) -> AsyncIterator[Scene]:
    """A database whose rows need not agree."""
    url = database.url("frontrow_write")
    async with (
        running_application(database, state) as application,
        create_pool(url, application_name="test", max_size=8, max_waiting=512) as pool,
    ):
        yield Scene(application, pool)


def names(outcomes: Sequence[object]) -> Counter[str]:
    """What became of whom."""
    return Counter(
        one.status if isinstance(one, Booking) else one.kind.name if isinstance(one, Problem) else repr(one)
        for one in outcomes
    )


async def test_cancels_and_bookings_are_one_transaction(scene: Scene) -> None:
    process = await scene.open(20)
    bookings = await process.booked(10)
    outcomes = await asyncio.gather(
        *(process.book() for _ in range(5)), *(process.cancel(one) for one in bookings)
    )
    assert names(outcomes) == {"held": 5, "cancelled": 10}
    assert scene.transactions(process) == 1
    assert scene.remaining(process) == 15
    assert scene.database.faults(process.event_id) == {}


async def test_cancels_alone_are_one_transaction_and_wait_for_no_confirmation(scene: Scene) -> None:
    confirmations = 0

    async def confirm(_: int | None) -> RawHeaders:
        nonlocal confirmations
        confirmations += 1
        return ()

    process = await scene.open(20, confirm=confirm)
    bookings = await process.booked(10, 2)
    confirmations = 0
    cancelled = await asyncio.gather(*(process.cancel(one) for one in bookings))
    assert confirmations == 0, "whoever cancels waits at the gate with the answer"
    assert [one.seats for one in cancelled] == [one.seats for one in bookings]
    assert scene.transactions(process) == 1
    assert scene.remaining(process) == 20
    assert process.freed == [process.event_id]
    assert scene.database.faults(process.event_id) == {}


async def test_seats_are_sold_again_in_the_batch_in_which_they_come_free(scene: Scene) -> None:
    process = await scene.open(3)
    given_back, *_ = await process.booked(3)
    process.queues.sold_out.forget(process.event_id)
    new, old = await asyncio.gather(process.book(), process.cancel(given_back))
    assert (new.status, old.status) == ("held", "cancelled")
    assert new.seats == old.seats
    assert scene.database.faults(process.event_id) == {}


@pytest.mark.parametrize("is_awaited", [True, False])
async def test_what_a_batch_frees_passes_nobody_who_waits(scene: Scene, is_awaited: bool) -> None:
    process = await scene.open(3)
    bookings = await process.booked(3)
    process.queues.sold_out.forget(process.event_id)
    if is_awaited:
        scene.database.rows(
            "INSERT INTO waitlist_entries (event_id, ticket_type_id, person_id, quantity) "
            "SELECT event_id, ticket_type_id, %s, 1 FROM ticket_stock WHERE event_id = %s",
            await scene.stranger(),
            process.event_id,
        )
    new, old = await asyncio.gather(process.book(), process.cancel(bookings[0]), return_exceptions=True)
    assert isinstance(old, Booking)
    if is_awaited:
        assert isinstance(new, Problem)
        assert (new.members["seats_remaining"], new.members["others_wait"]) == (1, True)
    else:
        assert isinstance(new, Booking)


async def test_who_gives_seats_back_may_have_as_many_others_in_the_same_batch(scene: Scene) -> None:
    process = await scene.open(9, limit=2)
    [booking] = await process.booked(1, 2)
    outcomes = await asyncio.gather(process.book(2), process.cancel(booking))
    assert names(outcomes) == {"held": 1, "cancelled": 1}
    refused = await asyncio.gather(process.book(1), return_exceptions=True)
    assert names(refused) == {"per-person-limit": 1}


async def test_cancelled_twice_in_one_batch_it_ends_once_and_everybody_hears_the_same(scene: Scene) -> None:
    process = await scene.open(5)
    [booking] = await process.booked(1, 2)
    stranger = await scene.stranger()
    first, foreign, second = await asyncio.gather(
        process.cancel(booking),
        process.cancel(booking, person_id=stranger),
        process.cancel(booking),
        return_exceptions=True,
    )
    assert isinstance(first, Booking)
    assert second == first
    assert isinstance(foreign, Problem)
    assert (foreign.kind, foreign.detail) == (problems.NOT_FOUND, f"You have no booking {booking.id}.")
    assert await process.cancel(booking) == first == await process.plain.cancel(process.person.id, booking.id)
    assert process.freed == [process.event_id], "once: who hears the same again frees nothing"
    assert scene.remaining(process) == 5
    assert scene.database.faults(process.event_id) == {}


async def test_nobodys_and_somebody_elses_booking_is_not_found(scene: Scene) -> None:
    process = await scene.open(5)
    booking, stranger = await process.book(), await scene.stranger()
    for person_id, booking_id in ((stranger, booking.id), (process.person.id, 2**40)):
        outcomes = await asyncio.gather(
            process.cancels.cancel(person_id, booking_id),
            process.plain.cancel(person_id, booking_id),
            return_exceptions=True,
        )
        assert [str(one) for one in outcomes] == [f"You have no booking {booking_id}."] * 2
    assert scene.remaining(process) == 4


async def test_somebody_without_an_account_costs_the_others_of_a_mixed_batch_nothing(scene: Scene) -> None:
    process = await scene.open(40)
    bookings = await process.booked(10)
    outcomes = await asyncio.gather(
        *(process.cancel(one) for one in bookings[:5]),
        *(process.book() for _ in range(10)),
        process.book(person_id=2**40),
        *(process.book() for _ in range(10)),
        *(process.cancel(one) for one in bookings[5:]),
        return_exceptions=True,
    )
    [failed] = [one for one in outcomes if not isinstance(one, Booking)]
    assert isinstance(failed, psycopg.errors.ForeignKeyViolation)
    assert names([one for one in outcomes if one is not failed]) == {"held": 20, "cancelled": 10}
    assert scene.database.faults(process.event_id) == {}


async def mixed_with_a_broken_booking(scene: Scene, process: Process) -> list[object]:
    """One of the bookings that are cancelled, beside some that are made, has lost one of its two seats."""
    bookings = await process.booked(7, 2)
    lost = "UPDATE seats SET booking_id = NULL WHERE event_id = %s AND position = %s"
    scene.database.rows(lost, process.event_id, bookings[3].seats[0].position)
    return await asyncio.gather(
        *(process.cancel(one) for one in bookings),
        *(process.book() for _ in range(7)),
        return_exceptions=True,
    )


async def test_a_booking_whose_seats_are_not_as_it_says_costs_the_others_nothing(
    scene_apart: Scene,
) -> None:
    process = await scene_apart.open(40)
    outcomes = await mixed_with_a_broken_booking(scene_apart, process)
    [failed] = [one for one in outcomes if not isinstance(one, Booking)]
    assert isinstance(failed, SeatAccountingError)
    assert outcomes[3] is failed
    assert names([one for one in outcomes if one is not failed]) == {"held": 7, "cancelled": 6}
    statuses = "SELECT status, count(*) AS n FROM bookings WHERE event_id = %s GROUP BY 1"
    found = {row["status"]: row["n"] for row in scene_apart.database.rows(statuses, process.event_id)}
    assert found == {"held": 8, "cancelled": 6}


async def test_control_without_the_comparison_its_seats_are_given_back_all_the_same(
    scene_apart: Scene,
) -> None:
    assert CREDULOUS != QUERIES
    process = await scene_apart.open(40, CREDULOUS)
    outcomes = await mixed_with_a_broken_booking(scene_apart, process)
    assert names(outcomes) == {"held": 7, "cancelled": 7}


async def is_held_up(scene: Scene, process: Process) -> bool:
    """Whether somebody who books waits for somebody else's work on a booking that is cancelled."""
    booking = await process.book()
    with psycopg.connect(scene.database.url("postgres")) as holder:
        holder.execute("SELECT FROM bookings WHERE id = %s FOR UPDATE", (booking.id,))
        cancelling = asyncio.create_task(process.cancels.cancel(process.person.id, booking.id))
        await scene.wait_for_locks(1)
        booked = asyncio.create_task(process.book())
        done, _ = await asyncio.wait([booked], timeout=HELD_UP_SECONDS)
        assert not cancelling.done()
        holder.rollback()
    assert names(await asyncio.gather(cancelling, booked)) == {"cancelled": 1, "held": 1}
    assert scene.database.faults(process.event_id) == {}
    return not done


async def test_a_booking_that_somebody_works_on_holds_up_nobody_else(scene: Scene) -> None:
    assert not await is_held_up(scene, await scene.open(5))


async def test_control_it_would_if_batches_waited_for_bookings(scene: Scene) -> None:
    assert WAITING_FOR_BOOKINGS != QUERIES
    assert await is_held_up(scene, await scene.open(5, WAITING_FOR_BOOKINGS))


async def test_at_once_with_confirms_bookings_end_cancelled_and_their_seats_are_free_once(
    scene: Scene,
) -> None:
    process = await scene.open(60)
    person_id = process.person.id
    bookings = await process.booked(20, 3)
    outcomes = await asyncio.gather(
        *(
            change(person_id, one.id)
            for one in bookings
            for change in (process.plain.confirm, process.cancels.cancel, process.plain.confirm)
        ),
        *(process.book(4) for _ in range(15)),
        return_exceptions=True,
    )
    assert set(names(outcomes)) <= {"confirmed", "cancelled", "booking-state", "held", "not-enough-seats"}
    assert names(outcomes)["cancelled"] == 20
    held = 4 * names(outcomes)["held"]
    assert scene.remaining(process) == 60 - held
    assert scene.database.faults(process.event_id) == {}


async def test_at_once_with_a_sweep_seats_are_freed_once(scene: Scene) -> None:
    """Holds end in the middle of it: each is cancelled or has expired, and who cancels hears which."""
    process = await scene.open(60)
    bookings = await process.booked(60)
    soon = "UPDATE bookings SET hold_expires_at = clock_timestamp() + interval '0.05 s' WHERE event_id = %s"
    scene.database.rows(soon, process.event_id)
    held = "SELECT FROM bookings WHERE event_id = %s AND status = 'held'"

    async def sweep() -> None:
        while await asyncio.to_thread(scene.database.has, held, process.event_id):
            await HoldExpiry(scene.pool, BookingStore(), batch_size=7).sweep()

    async def cancel_in_turn(mine: Sequence[Booking]) -> list[object]:
        outcomes: list[object] = []
        for one in mine:
            cancelling = process.cancels.cancel(process.person.id, one.id)
            outcomes += await asyncio.gather(cancelling, return_exceptions=True)
        return outcomes

    *heard, _ = await asyncio.gather(*(cancel_in_turn(bookings[first::6]) for first in range(6)), sweep())
    outcomes = [one for some in heard if some is not None for one in some]
    assert set(names(outcomes)) <= {"cancelled", "booking-state"}
    ended = "SELECT status, count(*) AS n FROM bookings WHERE event_id = %s GROUP BY 1"
    found = {row["status"]: row["n"] for row in scene.database.rows(ended, process.event_id)}
    assert found.get("cancelled", 0) == names(outcomes)["cancelled"]
    assert found.get("expired", 0) == names(outcomes)["booking-state"]
    assert scene.remaining(process) == 60
    assert scene.database.faults(process.event_id) == {}


async def test_two_processes_free_no_seat_twice(scene: Scene) -> None:
    """All of 24 bookings are cancelled at both at once, in small batches that meet, beside new ones."""
    one = await scene.open(30, max_batch=4)
    other = Process(scene.pool, one.person, {"id": one.event_id}, max_batch=4)
    bookings = await one.booked(24)
    outcomes = await asyncio.gather(
        *(process.cancels.cancel(one.person.id, each.id) for each in bookings for process in (one, other)),
        *(process.book() for _ in range(12) for process in (one, other)),
        return_exceptions=True,
    )
    heard = names(outcomes)
    assert heard["cancelled"] == 48
    assert heard["cancelled"] + heard["held"] + heard["not-enough-seats"] == 72
    assert scene.remaining(one) == 30 - heard["held"]
    assert scene.database.faults(one.event_id) == {}


async def cancelled_at_two(scene: Scene, queries: Queries) -> list[object]:
    """One booking at both of two processes, each of which has decided before the other is done, if it may."""
    one = await scene.open(5, queries)
    other = Process(scene.pool, one.person, {"id": one.event_id}, queries)
    booking = await one.book(2)
    with psycopg.connect(scene.database.url("postgres")) as holder:
        holder.execute("SELECT FROM ticket_stock WHERE event_id = %s FOR UPDATE", (one.event_id,))
        cancelling = [
            asyncio.create_task(process.cancels.cancel(one.person.id, booking.id)) for process in (one, other)
        ]
        await scene.wait_for_locks(2)
        holder.rollback()
    outcomes: list[object] = await asyncio.gather(*cancelling, return_exceptions=True)
    assert scene.remaining(one) == 5
    assert scene.database.faults(one.event_id) == {}
    return outcomes


async def test_cancelled_at_two_processes_it_ends_once_and_both_hear_the_same(scene: Scene) -> None:
    first, second = await cancelled_at_two(scene, QUERIES)
    assert isinstance(first, Booking)
    assert first == second


async def test_control_without_the_lock_of_the_booking_one_of_them_fails(scene: Scene) -> None:
    assert WITHOUT_LOCK_OF_BOOKINGS != QUERIES
    outcomes = await cancelled_at_two(scene, WITHOUT_LOCK_OF_BOOKINGS)
    assert Counter(type(one) for one in outcomes) == {Booking: 1, SeatAccountingError: 1}


async def test_who_cancels_counts_in_what_waits(scene: Scene) -> None:
    process = await scene.open(20, max_waiting=10)
    bookings = await process.booked(8)
    outcomes = await asyncio.gather(
        *(process.cancel(one) for one in bookings),
        *(process.book() for _ in range(5)),
        return_exceptions=True,
    )
    assert names(outcomes) == {"cancelled": 8, "held": 2, "temporarily-unavailable": 3}
    bookings = [await process.plain.create(process.person.id, process.body()) for _ in range(12)]
    outcomes = await asyncio.gather(*(process.cancel(one) for one in bookings), return_exceptions=True)
    assert names(outcomes) == {"cancelled": 10, "temporarily-unavailable": 2}


class NeverForgets(SoldOut):
    """Remembers whatever comes free."""

    def forget(self, event_id: int) -> None:
        pass


async def is_sold_again(scene: Scene, sold_out: SoldOut) -> bool:
    """Whether a seat of an event that was known to be sold out is to be had after a batch gave it back."""
    process = await scene.open(2, sold_out=sold_out)
    [booking, _] = await process.booked(2)
    refused = await asyncio.gather(process.book(), return_exceptions=True)
    assert names(refused) == {"not-enough-seats": 1}
    assert process.event_id in sold_out._memories
    await asyncio.gather(process.cancel(booking), return_exceptions=True)
    outcomes = await asyncio.gather(process.book(), return_exceptions=True)
    return names(outcomes) == {"held": 1}


async def test_a_batch_that_frees_seats_leaves_no_memory_that_there_are_none(scene: Scene) -> None:
    assert await is_sold_again(scene, SoldOut(clock=lambda: 0.0))


async def test_control_a_memory_that_stays_refuses(scene: Scene) -> None:
    assert not await is_sold_again(scene, NeverForgets(clock=lambda: 0.0))


async def test_after_a_batch_with_cancels_the_next_one_assumes_what_is_left(scene: Scene) -> None:
    process = await scene.open(12)
    bookings = await process.booked(10)
    await asyncio.gather(*(process.cancel(one) for one in bookings[:6]), process.book(3))
    assumed = process.queues.transactions._assumed.get(process.event_id)
    assert assumed is not None
    assert list(assumed.sale.remaining.values()) == [5] == [scene.remaining(process)]
    await process.book(4)
    assumed = process.queues.transactions._assumed.get(process.event_id)
    assert assumed is not None
    assert list(assumed.sale.remaining.values()) == [1] == [scene.remaining(process)]
    assert names(await asyncio.gather(process.book(), process.book(), return_exceptions=True)) == {
        "held": 1,
        "not-enough-seats": 1,
    }


async def test_over_http_cancels_that_wait_are_gathered(database: Database, state: Path) -> None:
    async with running_application(database, state) as application:
        host, customer = await application.sign_up("host"), await application.sign_up()
        event = await host.created(available_seats=50)
        bookings = [await customer.booked(event["id"]) for _ in range(20)]
        queues = application.app.state.booking_queues
        with psycopg.connect(database.url("postgres")) as holder:
            holder.execute("SELECT FROM ticket_stock WHERE event_id = %s FOR UPDATE", (event["id"],))
            first = asyncio.create_task(customer.book(event["id"]))
            cancelling = [asyncio.create_task(customer.cancel(one["id"])) for one in bookings]

            async def all_wait() -> bool:
                return bool(queues.waiting == 21)

            await eventually("all wait", all_wait)
            holder.rollback()
        answers = await asyncio.gather(first, *cancelling)
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 20}
        for answer in answers[1:]:
            assert answer.json()["status"] == "cancelled"
            assert answer.headers["X-Durability"] == "local"
        gathered = "SELECT count(DISTINCT xmin::text) AS n FROM bookings WHERE status = 'cancelled'"
        assert database.rows(gathered) == [{"n": 1}]
    assert database.faults() == {}

"""Batches, and whatever else happens to bookings, against a sale in which one comes after the other."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.booking import Booking
from service_kit.database import Pool, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Customer
from tests.integration.write_api.storm_ledger import Arrivals, Made
from tests.sequential_sale import NOT_FOUND_TYPE, Ask, SequentialSale, Told
from tests.soak import sized
from write_api.bookings.batches import BookingQueues
from write_api.bookings.expiry import HoldExpiry
from write_api.bookings.grants import Wish
from write_api.bookings.store import BookingStore
from write_api.ordered_bookings import AttendeeBody

Result = TypeVar("Result")

EXAMPLES = sized(15, 500)
MACHINES = sized(4, 100)
STEPS = sized(12, 40)
MAX_EXPIRIES = 2
OTHER_PROCESSES_ARE_HEARD_SECONDS = 0.12
"""Within this, seats that another process frees are sold."""
PEOPLE = 3
WITHOUT_ACCOUNT = 2**40
QUERIES = load_queries("write_api.bookings")
WITHOUT_MEMORY_OF_KEYS = {
    **QUERIES,
    "select_made_before": QUERIES["select_made_before"].replace("WHERE", "WHERE false AND"),
}
seats_by_type = st.lists(st.integers(1, 12), min_size=1, max_size=3)
limits_by_type = st.lists(st.none() | st.integers(1, 6), min_size=3, max_size=3)
asks = st.tuples(
    st.integers(0, PEOPLE),  # who; the last has no account
    st.integers(1, 7),
    st.none() | st.integers(0, 3),  # which ticket type; the last may be of no event
    st.none() | st.sampled_from("abc"),
    st.sampled_from([(), (), ("Ann",), ("Bo",)]),  # who comes
)
AskSketch = tuple[int, int, int | None, str | None, tuple[str, ...]]
rounds_of_asks = st.lists(
    st.tuples(st.lists(asks, min_size=1, max_size=15), st.lists(st.integers(0, 10), max_size=4)),
    min_size=1,
    max_size=4,
)
"""Some ask at once; then some of those who have seats give them back."""


class Event:
    """An event that is on sale, and the sale as it should be."""

    def __init__(self, host: Customer, answer: dict[str, Any], limits: Sequence[int | None]) -> None:
        self.host = host
        self.id = int(answer["id"])
        kinds = answer["ticket_types"]
        self._ids = [kind["id"] for kind in kinds]
        seats, first = {}, 1
        for kind in kinds:
            seats[kind["id"]] = range(first, first + kind["capacity"])
            first += kind["capacity"]
        known = {one: limit for one, limit in zip(self._ids, limits, strict=False) if limit is not None}
        self.sale = SequentialSale(seats, known, frozenset([WITHOUT_ACCOUNT]))

    def ask(self, people: Sequence[Customer], sketch: AskSketch) -> Ask:
        """What a generated request says of this event."""
        who, quantity, place, key, attendees = sketch
        person_id = people[who].id if who < len(people) else WITHOUT_ACCOUNT
        known = None if place is None else self._ids[place] if place < len(self._ids) else NOT_FOUND_TYPE
        return Ask(person_id, quantity, known, key, attendees)


async def open_event(host: Customer, seats: Sequence[int], limits: Sequence[int | None]) -> Event:
    kinds = [
        {"name": f"kind {number}", "price": number, "capacity": count, "per_person_limit": limit}
        for number, (count, limit) in enumerate(zip(seats, limits, strict=False))
    ]
    return Event(host, await host.created(ticket_types=kinds, available_seats=..., price=...), limits)


def told(outcome: Booking | Problem | psycopg.Error | object) -> Told:
    """What the queues answered, as the model says it."""
    if isinstance(outcome, Problem):
        return Told(outcome.kind.name)
    if isinstance(outcome, psycopg.errors.ForeignKeyViolation):
        return Told("failed")
    assert not isinstance(outcome, BaseException), repr(outcome)
    positions = tuple(seat.position for seat in outcome.seats)  # type: ignore[attr-defined]
    attendees = tuple(one.name for one in outcome.attendees)  # type: ignore[attr-defined]
    return Told("held", outcome.id, positions, attendees)  # type: ignore[attr-defined]


def wish_of(ask: Ask) -> Wish:
    attendees = tuple(AttendeeBody(name=name) for name in ask.attendees)
    return Wish(ask.person_id, ask.quantity, ask.ticket_type_id, ask.key, attendees=attendees)


@pytest.fixture(scope="module")
async def pool(application: Application) -> AsyncIterator[Pool]:
    url = application.database.url("frontrow_write")
    async with create_pool(url, application_name="test", max_size=8, max_waiting=512) as pool:
        yield pool


@pytest.fixture(scope="module")
async def host(application: Application) -> Customer:
    return await application.sign_up("host")


@pytest.fixture(scope="module")
async def people(application: Application) -> list[Customer]:
    return [await application.sign_up() for _ in range(PEOPLE)]


def ask_of(wish: Wish) -> Ask:
    attendees = tuple(one.name for one in wish.attendees)
    return Ask(wish.person_id, wish.quantity, wish.ticket_type_id, wish.idempotency_key, attendees)


async def ask_at_once(
    queues: Sequence[BookingQueues], event: Event, wanted: Sequence[Ask]
) -> list[tuple[Ask, Told]]:
    """Who came in which order, to each of the queues in turn, and what they heard."""
    outcomes = await asyncio.gather(
        *(queues[number % len(queues)].ask(event.id, wish_of(ask)) for number, ask in enumerate(wanted)),
        return_exceptions=True,
    )
    return [
        (ask, told(outcome if isinstance(outcome, BaseException) else outcome.outcome))
        for ask, outcome in zip(wanted, outcomes, strict=True)
    ]


def owner_of(people: Sequence[Customer], event: Event, booking_id: int) -> Customer:
    return next(one for one in people if one.id == event.sale.bookings[booking_id].ask.person_id)


async def test_batches_do_what_a_sequential_sale_does(
    application: Application, host: Customer, people: list[Customer], pool: Pool
) -> None:
    """With quantities that don't fit, keys used again, people without an account, and seats freed between."""

    async def compare(
        rounds: list[tuple[list[AskSketch], list[int]]],
        seats: list[int],
        limits: list[int | None],
        max_batch: int,
    ) -> None:
        event = await open_event(host, seats, limits)
        queues = BookingQueues(pool, BookingStore(), hold_seconds=300, max_batch=max_batch)
        for sketches, given_back in rounds:
            wanted = [event.ask(people, sketch) for sketch in sketches]
            event.sale.judge_all(await ask_at_once([queues], event, wanted))
            for number in given_back:
                if live := event.sale.live():
                    booking_id = live[number % len(live)].booking_id
                    answer = await owner_of(people, event, booking_id).cancel(booking_id)
                    assert answer.status_code == event.sale.cancel(booking_id), answer.text
            queues.sold_out.forget(event.id)  # as if the seats had come free in its process
        await queues.close()
        assert await asyncio.to_thread(application.database.faults, event.id) == {}

    loop = asyncio.get_running_loop()

    @settings(max_examples=EXAMPLES)
    @given(rounds_of_asks, seats_by_type, limits_by_type, st.integers(1, 20))
    def whoever_comes(
        rounds: list[tuple[list[AskSketch], list[int]]],
        seats: list[int],
        limits: list[int | None],
        max_batch: int,
    ) -> None:
        asyncio.run_coroutine_threadsafe(compare(rounds, seats, limits, max_batch), loop).result(60)

    await asyncio.to_thread(whoever_comes)


async def test_without_a_memory_of_keys_a_repeated_request_fails(
    host: Customer, people: list[Customer], pool: Pool
) -> None:
    event = await open_event(host, [10], [None])
    queues = BookingQueues(pool, BookingStore(WITHOUT_MEMORY_OF_KEYS), hold_seconds=300)
    ask = event.ask(people, (0, 1, None, "a", ()))
    event.sale.judge_all(await ask_at_once([queues], event, [ask]))
    with pytest.raises(AssertionError, match="UniqueViolation"):  # the last guard: nothing is booked twice
        await ask_at_once([queues], event, [ask])
    await queues.close()


async def test_two_queues_in_turn_do_not_what_a_sequential_sale_does(
    host: Customer, people: list[Customer], pool: Pool
) -> None:
    event = await open_event(host, [5], [None])
    queues = [BookingQueues(pool, BookingStore(), hold_seconds=300) for _ in range(2)]
    heard = await ask_at_once(queues, event, [event.ask(people, (0, 1, None, None, ()))] * 10)
    with pytest.raises(AssertionError, match="not-enough-seats"):
        event.sale.judge_all(heard)
    for one in queues:
        await one.close()


class Everybody(RuleBasedStateMachine):
    """People book over HTTP at once, confirm, cancel, let expire; a host takes the event on and off sale."""

    application: Application
    host: Customer
    people: list[Customer]
    pool: Pool
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self._event: Event | None = None
        self._expiries = 0
        self._state = self.application.app.state
        self._queues = self._state.booking_queues
        self._arrivals = self._state.booking_queues = Arrivals(Made(), self._queues)

    def teardown(self) -> None:
        self._state.booking_queues = self._queues

    @property
    def event(self) -> Event:
        assert self._event is not None
        return self._event

    def live(self) -> list[int]:
        """The bookings that have seats, in order."""
        return [one.booking_id for one in self.event.sale.live()]

    @precondition(lambda self: self._event is None)
    @rule(seats=seats_by_type, limits=limits_by_type)
    def open(self, seats: list[int], limits: list[int | None]) -> None:
        self._event = self._run(open_event(self.host, seats, limits))

    @precondition(lambda self: self._event is not None)
    @rule(sketches=st.lists(asks, min_size=1, max_size=8))
    def book_at_once(self, sketches: list[AskSketch]) -> None:
        wanted = [self.event.ask(self.people, sketch) for sketch in sketches if sketch[0] < PEOPLE]
        self._arrivals.heard.clear()

        async def book(ask: Ask) -> str:
            person = next(one for one in self.people if one.id == ask.person_id)
            wish: dict[str, Any] = {"event_id": self.event.id, "quantity": ask.quantity}
            if ask.ticket_type_id is not None:
                wish["ticket_type_id"] = ask.ticket_type_id
            if ask.attendees:
                wish["attendees"] = [{"name": name} for name in ask.attendees]
            headers = {} if ask.key is None else {"Idempotency-Key": ask.key}
            answer = await person.client.post("/api/v1/bookings", json=wish, headers=headers)
            return "held" if answer.status_code == 201 else str(answer.json()["type"]).rpartition("/")[2]

        async def book_all() -> list[str]:
            return await asyncio.gather(*(book(ask) for ask in wanted))

        answered = self._run(book_all())
        heard = [
            (ask_of(wish), told(outcome))
            for _, wish, outcome in sorted(self._arrivals.heard, key=lambda one: one[0])
        ]
        assert sorted(answered) == sorted(one.what for _, one in heard)
        self.event.sale.judge_all(heard)

    @precondition(lambda self: self._event is not None and self.live())
    @rule(number=st.integers(0, 100), kind=st.sampled_from(["confirm", "cancel"]))
    def change(self, number: int, kind: str) -> None:
        booking_id = self.live()[number % len(self.live())]
        owner = owner_of(self.people, self.event, booking_id)
        expected = getattr(self.event.sale, kind)(booking_id)
        assert self._run(getattr(owner, kind)(booking_id)).status_code == expected

    @precondition(lambda self: self._event is not None and self.event.sale.bookings)
    @rule(number=st.integers(0, 100), kind=st.sampled_from(["confirm", "cancel"]))
    def change_what_is_perhaps_over(self, number: int, kind: str) -> None:
        bookings = list(self.event.sale.bookings)
        booking_id = bookings[number % len(bookings)]
        stranger = next(
            one for one in self.people if one.id != self.event.sale.bookings[booking_id].ask.person_id
        )
        assert self._run(getattr(stranger, kind)(booking_id)).status_code == 404
        owner = owner_of(self.people, self.event, booking_id)
        expected = getattr(self.event.sale, kind)(booking_id)
        assert self._run(getattr(owner, kind)(booking_id)).status_code == expected

    @precondition(lambda self: self._event is not None and self.live() and self._expiries < MAX_EXPIRIES)
    @rule(number=st.integers(0, 100))
    def let_expire(self, number: int) -> None:
        self._expiries += 1
        booking_id = self.live()[number % len(self.live())]
        past = "UPDATE bookings SET hold_expires_at = created_at WHERE event_id = %s AND id = %s RETURNING 1"
        self.application.database.rows(past, self.event.id, booking_id)
        self.event.sale.expire(booking_id)
        self._run(self._sweep())

    @precondition(lambda self: self._event is not None)
    @rule(status=st.sampled_from(["active", "inactive"]))
    def turn(self, status: str) -> None:
        answer = self._run(self.host.update(self.event.id, status=status))
        assert answer.status_code == 200, answer.text
        self.event.sale.event_status = status

    @invariant()
    def rows_are_the_model(self) -> None:
        if self._event is None:
            return
        sale, database = self.event.sale, self.application.database
        assert database.faults(self.event.id) == {}
        rows = database.rows(
            "SELECT id, status, seat_positions, ARRAY(SELECT name FROM attendees a "
            "WHERE a.event_id = b.event_id AND a.booking_id = b.id ORDER BY seat_number) AS attendees "
            "FROM bookings b WHERE event_id = %s",
            self.event.id,
        )
        found = {
            row["id"]: (row["status"], tuple(row["seat_positions"]), tuple(row["attendees"])) for row in rows
        }
        assert found == {
            one.booking_id: (one.status, one.positions, one.ask.attendees) for one in sale.bookings.values()
        }

    async def _sweep(self) -> None:
        """As another process would; the application's own sweep may be there first."""
        due = "SELECT FROM bookings WHERE status = 'held' AND hold_expires_at <= clock_timestamp()"
        async with asyncio.timeout(30):
            while self.application.database.has(due):
                await HoldExpiry(self.pool, BookingStore()).sweep()
        await asyncio.sleep(OTHER_PROCESSES_ARE_HEARD_SECONDS)

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


async def test_whatever_people_do_over_http_is_as_if_one_came_after_the_other(
    application: Application, host: Customer, people: list[Customer], pool: Pool
) -> None:
    class Machine(Everybody):
        pass

    Machine.application, Machine.host, Machine.people, Machine.pool = application, host, people, pool
    Machine.loop = asyncio.get_running_loop()
    await asyncio.to_thread(
        run_state_machine_as_test,
        Machine,
        settings=settings(max_examples=MACHINES, stateful_step_count=STEPS),
    )

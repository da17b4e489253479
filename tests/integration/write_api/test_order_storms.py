"""Orders against a model, one after the other, and among batches, hosts and each other, all at once."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.order import Order
from service_kit.database import Connection, Pool, create_pool
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Customer, Database, running_application
from tests.integration.write_api.ordering import Json, events_of
from tests.soak import sized
from write_api.bookings.batches import BookingQueues
from write_api.bookings.placing import BookingPlacing
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.store import BookingStore
from write_api.idempotency import IdempotentRequests
from write_api.ordered_bookings import BookingKey, OrderedBookings, SeatsBody
from write_api.orders.schemas import OrderCreate
from write_api.orders.service import OrderService
from write_api.orders.store import OrderStore

EXAMPLES = sized(15, 300)
CLIENTS = 24
ROUNDS = sized(12, 200)
HOLD_SECONDS = 300
MAX_LATE_SHARE = 0.02
Wanted = list[tuple[int, int]]
"""The items of an order: the place of an event among those of the test, and a quantity."""

orders_of_a_day = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=6), min_size=1, max_size=12
)


class ItemByItem(BookingPlacing):
    """Places each item by a transaction of its own: what all or nothing protects from."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(BookingStore(), hold_seconds=HOLD_SECONDS)
        self._pool = pool

    async def place(
        self, connection: Connection, *, order_id: int, person_id: int, items: Sequence[SeatsBody]
    ) -> list[BookingKey]:
        keys = []
        for one in items:
            async with self._pool.connection() as own, own.transaction():
                keys += await super().place(own, order_id=order_id, person_id=person_id, items=[one])
        return keys


def placing(in_lock_order: Callable[[Iterable[int]], Sequence[int]] = sorted) -> BookingPlacing:
    return BookingPlacing(BookingStore(), hold_seconds=HOLD_SECONDS, in_lock_order=in_lock_order)


def orders_with(pool: Pool, bookings: OrderedBookings) -> OrderService:
    return OrderService(
        pool, OrderStore(), bookings, IdempotentRequests(), seats_freed=lambda event_ids: None
    )


def body(events: Sequence[Json], wanted: Wanted) -> OrderCreate:
    return OrderCreate.model_validate(
        {"items": [{"event_id": events[place]["id"], "quantity": count} for place, count in wanted]}
    )


@pytest.fixture(scope="module")
async def pool(application: Application) -> AsyncIterator[Pool]:
    url = application.database.url("frontrow_write")
    async with create_pool(url, application_name="test", max_size=16, max_waiting=512) as pool:
        yield pool


class Model:
    """Seats left of each event, for orders that are served one after the other."""

    def __init__(self, seats: Sequence[int]) -> None:
        self.left = list(seats)

    def takes(self, wanted: Wanted) -> bool:
        """Whether all of it fits; then it is taken."""
        left = list(self.left)
        for place, count in wanted:
            left[place] -= count
        if min(left) < 0:
            return False
        self.left = left
        return True


async def contradictions(
    application: Application, orders: OrderService, person: Customer, day: Sequence[Wanted], seats: list[int]
) -> list[str]:
    """Where a day of orders doesn't go as the model says."""
    database = application.database
    events = await events_of(application, seats, price=7)
    ids = [event["id"] for event in events]
    stock = "SELECT remaining FROM ticket_stock WHERE event_id = ANY(%s) ORDER BY event_id"
    model, wrong = Model(seats), list[str]()
    for wanted in day:
        [outcome] = await asyncio.gather(
            orders.place(person.id, body(events, wanted)), return_exceptions=True
        )
        assert isinstance(outcome, Order | Problem), outcome
        fits = model.takes(wanted)
        if isinstance(outcome, Order) != fits:
            wrong.append(f"{wanted} with {model.left} left: {outcome}")
        if isinstance(outcome, Order):
            told = [(ids.index(one.event_id), len(one.seats)) for one in outcome.bookings]
            total = 700 * sum(count for _, count in wanted)
            if (told, [one.price_minor for one in outcome.totals]) != (wanted, [total]):
                wrong.append(f"{wanted} is answered {outcome}")
        left = [row["remaining"] for row in database.rows(stock, ids)]
        if left != model.left:
            wrong.append(f"after {wanted} there are {left} seats left, not {model.left}")
    stray = (
        "SELECT count(*) AS n FROM bookings b WHERE event_id = ANY(%s)"
        " AND NOT EXISTS (SELECT FROM orders o WHERE o.id = b.order_id)"
    )
    if database.rows(stray, ids)[0]["n"]:
        wrong.append("there are bookings of no order")
    return wrong


async def run_days(check: Callable[[list[Wanted], list[int]], Awaitable[None]], examples: int) -> None:
    loop = asyncio.get_running_loop()

    @settings(max_examples=examples)
    @given(orders_of_a_day, st.lists(st.integers(1, 12), min_size=3, max_size=3))
    def any_day(day: list[Wanted], seats: list[int]) -> None:
        asyncio.run_coroutine_threadsafe(_awaited(check(day, seats)), loop).result(60)

    await asyncio.to_thread(any_day)


async def _awaited(one: Awaitable[None]) -> None:
    await one


async def test_an_order_gets_all_that_it_wants_or_nothing(application: Application, pool: Pool) -> None:
    person, orders = await application.sign_up(), orders_with(pool, placing())

    async def check(day: list[Wanted], seats: list[int]) -> None:
        assert await contradictions(application, orders, person, day, seats) == []

    await run_days(check, EXAMPLES)
    assert application.database.faults() == {}


async def test_items_in_transactions_of_their_own_would_leave_a_part(
    application: Application, pool: Pool
) -> None:
    """The negative control: the last item of the second order is refused."""
    person, orders = await application.sign_up(), orders_with(pool, ItemByItem(pool))
    day: list[Wanted] = [[(0, 2), (1, 1)], [(0, 1), (1, 2)]]
    wrong = await contradictions(application, orders, person, day, [5, 2, 1])
    assert any("seats left" in one for one in wrong)
    assert "there are bookings of no order" in wrong


class Storm:
    """Clients who order, confirm and cancel over the same few events, while hosts edit and batches book."""

    def __init__(self, application: Application, pool: Pool, bookings: OrderedBookings) -> None:
        self._application = application
        self._orders = orders_with(pool, bookings)
        self._queues = BookingQueues(pool, BookingStore(), hold_seconds=HOLD_SECONDS)
        self._random = random.Random(6)
        self.heard: Counter[str] = Counter()

    async def rage(self, events: Sequence[Json], host: Customer, person: Customer, *, rounds: int) -> None:
        self._events, self._host, self._person = events, host, person
        await asyncio.gather(*(self._client(rounds) for _ in range(CLIENTS)), self._edit(rounds))
        await self._queues.close()

    async def _client(self, rounds: int) -> None:
        for _ in range(rounds):
            if self._random.random() < 0.2:
                wish = BookingCreate(event_id=self._random.choice(self._events)["id"], quantity=1)
                await self._hear("book", self._queues.create(self._person.id, wish))
                continue
            places = self._random.sample(range(len(self._events)), 3)
            wanted = [(place, self._random.randint(1, 3)) for place in places]
            order = await self._hear("order", self._orders.place(self._person.id, body(self._events, wanted)))
            if isinstance(order, Order) and self._random.random() < 0.8:
                change = self._random.choice([self._orders.cancel, self._orders.cancel, self._orders.confirm])
                await self._hear("change", change(self._person.id, order.id))

    async def _edit(self, rounds: int) -> None:
        for number in range(rounds):
            event = self._random.choice(self._events)
            answer = await self._host.update(event["id"], name=f"storm {number}")
            self.heard[f"edit {answer.status_code}"] += 1

    async def _hear(self, what: str, request: Awaitable[object]) -> object:
        try:
            answer = await request
        except Problem as problem:
            self.heard[f"{what} {problem.kind.name}"] += 1
            return None
        except psycopg.Error as error:
            self.heard[type(error).__name__] += 1
            return None
        self.heard[what] += 1
        return answer


async def storm_of(
    application: Application, pool: Pool, bookings: OrderedBookings, *, rounds: int
) -> Counter[str]:
    """What was heard in a storm over four events with 40 seats each."""
    host, person = await application.sign_up("host"), await application.sign_up()
    events = [await host.created(available_seats=40) for _ in range(4)]
    storm = Storm(application, pool, bookings)
    await storm.rage(events, host, person, rounds=rounds)
    ids = [event["id"] for event in events]
    partial = application.database.rows(
        "SELECT o.id FROM orders o WHERE o.event_ids && %s::bigint[] AND cardinality(o.booking_ids) <> "
        "(SELECT count(*) FROM bookings b WHERE b.order_id = o.id AND b.id = ANY(o.booking_ids))",
        ids,
    )
    stray = application.database.rows(
        "SELECT id FROM bookings b WHERE event_id = ANY(%s) AND order_id IS NOT NULL"
        " AND NOT EXISTS (SELECT FROM orders o WHERE o.id = b.order_id AND b.id = ANY(o.booking_ids))",
        ids,
    )
    assert (partial, stray) == ([], [])
    assert application.database.faults(*ids) == {}
    return storm.heard


async def test_orders_in_any_order_never_wait_for_each_other(application: Application, pool: Pool) -> None:
    heard = await storm_of(application, pool, placing(), rounds=ROUNDS)
    expected = {"order", "order not-enough-seats", "change", "book", "edit 200"}
    assert expected <= heard.keys(), heard
    late = {"LockNotAvailable", "PoolTimeout", "edit 503"}  # a busy machine; a deadlock has a name of its own
    assert heard.keys() <= expected | {"book not-enough-seats"} | late, heard
    assert sum(heard[one] for one in late) <= MAX_LATE_SHARE * heard.total(), heard


async def test_locks_in_the_order_of_the_request_would_deadlock(database: Database, state: Path) -> None:
    """The negative control."""
    database.rows(f"ALTER DATABASE {database.name} SET deadlock_timeout = '20ms'")
    async with (
        running_application(database, state) as application,
        create_pool(
            database.url("frontrow_write"), application_name="test", max_size=16, max_waiting=512
        ) as pool,
    ):
        heard = await storm_of(application, pool, placing(lambda ids: list(dict.fromkeys(ids))), rounds=3)
    assert heard["DeadlockDetected"] > 0, heard

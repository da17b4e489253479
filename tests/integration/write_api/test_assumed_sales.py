"""A batch that decides by what the last one has read books nothing that is refused as things are now."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts import problems
from contracts.booking import Booking
from service_kit.database import Pool, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Customer
from write_api.bookings.batches import BookingQueues
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.store import BookingStore

QUERIES = load_queries("write_api.bookings")
CREDULOUS = {**QUERIES, "insert_bookings": QUERIES["insert_bookings"].replace("a.holds AND", "")}
"""Whatever was assumed is taken for granted."""

Change = Callable[["Sale"], Awaitable[None]]


class Sale:
    """An event that is booked here, in a process that has assumed what there is to assume of it."""

    def __init__(self, application: Application, pool: Pool, store: BookingStore | None = None) -> None:
        self.application = application
        self.pool = pool
        self.queues = BookingQueues(pool, store or BookingStore(), hold_seconds=300)

    async def open(self, *, seats: int = 10) -> None:
        """An event of which one seat was booked here, so that the next booking assumes."""
        self.host, self.person = await self.application.sign_up("host"), await self.application.sign_up()
        kinds = [{"name": "seat", "price": 1, "capacity": seats}]
        self.event = await self.host.created(ticket_types=kinds, available_seats=..., price=...)
        assert isinstance(await self.book(), Booking)
        assert self.assumes

    @property
    def assumes(self) -> bool:
        """Whether the next booking is decided by what was read before."""
        return self.queues.transactions._assumed.get(self.event["id"]) is not None

    async def book(self, *, key: str | None = None, person: Customer | None = None) -> Booking | Problem:
        """One seat, or why not."""
        wish = BookingCreate(event_id=self.event["id"], quantity=1)
        try:
            return await self.queues.create((person or self.person).id, wish, idempotency_key=key)
        except Problem as problem:
            return problem

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What the database answers."""
        return self.application.database.rows(statement, *values)


@pytest.fixture
async def pool(application: Application) -> AsyncIterator[Pool]:
    url = application.database.url("frontrow_write")
    async with create_pool(url, application_name="test", max_size=8, max_waiting=64) as pool:
        yield pool


@pytest.fixture
async def sale(application: Application, pool: Pool) -> Sale:
    sale = Sale(application, pool)
    await sale.open()
    return sale


async def is_taken_off_sale(sale: Sale) -> None:
    answer = await sale.host.client.put(f"/api/v1/events/{sale.event['id']}", json={"status": "cancelled"})
    assert answer.status_code == 200


async def ends_its_sale(sale: Sale) -> None:
    ended = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    sale.rows("UPDATE ticket_types SET sales_end_at = %s WHERE event_id = %s", ended, sale.event["id"])


async def limits_a_person(sale: Sale) -> None:
    sale.rows("UPDATE ticket_types SET per_person_limit = 1 WHERE event_id = %s", sale.event["id"])


async def gets_another_ticket_type(sale: Sale) -> None:
    body = {"name": "another", "price": 2, "capacity": 1}
    answer = await sale.host.client.post(f"/api/v1/events/{sale.event['id']}/ticket-types", json=body)
    assert answer.status_code == 201, answer.text


async def is_waited_for(sale: Sale) -> None:
    other = await sale.application.sign_up()
    sale.rows(
        "INSERT INTO waitlist_entries (event_id, ticket_type_id, person_id, quantity) VALUES (%s, %s, %s, 1)",
        sale.event["id"],
        sale.event["ticket_types"][0]["id"],
        other.id,
    )


async def is_bought_up_elsewhere(sale: Sale) -> None:
    elsewhere = Sale(sale.application, sale.pool)
    elsewhere.event, elsewhere.person = sale.event, sale.person
    while isinstance(await elsewhere.book(), Booking):
        pass


CHANGES = {
    is_taken_off_sale: problems.EVENT_NOT_BOOKABLE,
    ends_its_sale: problems.EVENT_NOT_BOOKABLE,
    limits_a_person: problems.PER_PERSON_LIMIT,
    gets_another_ticket_type: problems.INVALID_REQUEST,
    is_waited_for: problems.NOT_ENOUGH_SEATS,
    is_bought_up_elsewhere: problems.NOT_ENOUGH_SEATS,
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
async def test_what_has_changed_since_is_seen(sale: Sale, change: Change) -> None:
    await change(sale)
    assert sale.assumes, "nobody has told this process"
    refusal = await sale.book()
    assert isinstance(refusal, Problem)
    assert refusal.kind is CHANGES[change]
    if change is not is_waited_for:
        assert sale.application.database.faults() == {}


@pytest.mark.parametrize(
    "change", [is_taken_off_sale, ends_its_sale, limits_a_person, is_waited_for], ids=lambda one: one.__name__
)
async def test_without_the_comparison_it_is_booked(
    application: Application, pool: Pool, change: Change
) -> None:
    assert CREDULOUS != QUERIES
    sale = Sale(application, pool, BookingStore(CREDULOUS))
    await sale.open()
    await change(sale)
    assert isinstance(await sale.book(), Booking)


async def test_a_new_price_counts_at_once(sale: Sale) -> None:
    sale.rows("UPDATE ticket_types SET price_minor = 777 WHERE event_id = %s", sale.event["id"])
    booking = await sale.book()
    assert isinstance(booking, Booking)
    assert booking.price_minor == 777


async def test_the_end_of_the_sale_comes_while_it_is_assumed(application: Application, pool: Pool) -> None:
    """The rows are as they were read: it is the time that has changed."""
    sale = Sale(application, pool)
    await sale.open(seats=10_000)
    ends_at = datetime.now(UTC) + timedelta(seconds=0.5)
    sale.rows("UPDATE ticket_types SET sales_end_at = %s WHERE event_id = %s", ends_at, sale.event["id"])
    booked: list[Booking] = []
    while isinstance(outcome := await sale.book(), Booking):
        assert sale.assumes
        booked.append(outcome)
    assert outcome.kind is problems.EVENT_NOT_BOOKABLE
    assert len(booked) > 1
    assert all(one.created_at < ends_at for one in booked)


async def test_a_key_that_was_used_elsewhere_is_the_same_booking(sale: Sale) -> None:
    elsewhere = Sale(sale.application, sale.pool)
    elsewhere.event, elsewhere.person = sale.event, sale.person
    first = await elsewhere.book(key="mine")
    assert sale.assumes
    assert await sale.book(key="mine") == first
    other = await sale.application.sign_up()
    assert await sale.book(key="mine", person=other) != first


async def test_holds_count_from_when_the_locks_were_granted(sale: Sale) -> None:
    booking = await sale.book()
    assert isinstance(booking, Booking)
    [row] = sale.rows("SELECT created_at, hold_expires_at FROM bookings WHERE id = %s", booking.id)
    assert row == {"created_at": booking.created_at, "hold_expires_at": booking.hold_expires_at}
    assert booking.hold_expires_at - booking.created_at == timedelta(seconds=300)
    assert abs(booking.created_at - datetime.now(UTC)) < timedelta(seconds=30)

"""How many seats of a ticket type one person may have at a time, whichever way they book."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import problems
from contracts.booking import Booking
from service_kit.database import Pool, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Customer
from tests.soak import sized
from write_api.bookings.batches import BookingQueues
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.service import BookingService
from write_api.bookings.store import BookingStore

QUERIES = load_queries("write_api.bookings")
# Who does not wait for the stock counts before others are done; seats are picked so that they seldom meet.
WITHOUT_STOCK_LOCK: Mapping[str, LiteralString] = {
    **QUERIES,
    "lock_stock": """
        SELECT remaining, clock_timestamp() AS now FROM ticket_stock
        WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s
    """,
    "free_seats": """
        SELECT position FROM seats
        WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s AND booking_id IS NULL
        ORDER BY random() LIMIT %(quantity)s
    """,
}
EXAMPLES = sized(15, 300)


@pytest.fixture(scope="module")
async def pool(application: Application) -> AsyncIterator[Pool]:
    url = application.database.url("frontrow_write")
    async with create_pool(url, application_name="test", max_size=16, max_waiting=512) as pool:
        yield pool


async def event_of(application: Application, *kinds: tuple[int, int | None]) -> dict[str, Any]:
    """An event with ticket types of so many seats and such limits."""
    host = await application.sign_up("host")
    bodies = [
        {"name": f"kind {number}", "price": 1, "capacity": seats, "per_person_limit": limit}
        for number, (seats, limit) in enumerate(kinds)
    ]
    return await host.created(ticket_types=bodies, available_seats=..., price=...)


def live_seats(application: Application, event: dict[str, Any], person: Customer) -> int:
    [row] = application.database.rows(
        "SELECT coalesce(sum(quantity), 0)::integer AS seats FROM bookings "
        "WHERE event_id = %s AND person_id = %s AND status IN ('held', 'confirmed')",
        event["id"],
        person.id,
    )
    return int(row["seats"])


async def test_what_is_held_or_confirmed_counts_and_what_was_given_back_does_not(
    application: Application,
) -> None:
    event = await event_of(application, (50, 4))
    assert event["ticket_types"][0]["per_person_limit"] == 4
    person, other = await application.sign_up(), await application.sign_up()
    first, second = await person.booked(event["id"], 2), await person.booked(event["id"], 1)
    await person.confirm(first["id"])
    refused = await person.book(event["id"], 2)
    assert refused.status_code == 409
    body = refused.json()
    assert body["type"].rpartition("/")[2] == problems.PER_PERSON_LIMIT.name
    assert (body["per_person_limit"], body["seats_you_have"]) == (4, 3)
    await person.cancel(second["id"])
    await person.booked(event["id"], 2)
    await other.booked(event["id"], 4)
    too_many = await (await application.sign_up()).book(event["id"], 5)
    assert too_many.json()["seats_you_have"] == 0


async def test_each_ticket_type_has_a_limit_of_its_own_or_none(application: Application) -> None:
    event = await event_of(application, (20, 2), (20, 3), (20, None))
    person = await application.sign_up()
    for kind, most in zip(event["ticket_types"], (2, 3, 20), strict=True):
        await person.booked(event["id"], most, ticket_type_id=kind["id"])
        assert (await person.book(event["id"], 1, ticket_type_id=kind["id"])).status_code == 409
    assert live_seats(application, event, person) == 25


async def test_a_key_that_is_repeated_counts_once(application: Application) -> None:
    event, person = await event_of(application, (20, 2)), await application.sign_up()
    wish = {"event_id": event["id"], "quantity": 2}
    answers = await asyncio.gather(
        *(
            person.client.post("/api/v1/bookings", json=wish, headers={"Idempotency-Key": "once"})
            for _ in range(5)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_an_order_counts_all_of_its_items(application: Application) -> None:
    event, free = await event_of(application, (20, 3)), await event_of(application, (20, None))
    person = await application.sign_up()

    async def order(*quantities: int) -> Any:
        items = [{"event_id": event["id"], "quantity": quantity} for quantity in quantities]
        items.append({"event_id": free["id"], "quantity": 1})
        return await person.client.post("/api/v1/orders", json={"items": items})

    refused = await order(2, 2)
    assert refused.status_code == 409
    assert refused.json()["type"].rpartition("/")[2] == problems.PER_PERSON_LIMIT.name
    assert (live_seats(application, event, person), live_seats(application, free, person)) == (0, 0)
    assert (await order(2, 1)).status_code == 201
    assert (await person.book(event["id"])).status_code == 409
    assert (live_seats(application, event, person), live_seats(application, free, person)) == (3, 1)


async def test_a_batch_limits_as_the_plain_path_does(application: Application, pool: Pool) -> None:
    people = [await application.sign_up() for _ in range(3)]
    plain = BookingService(pool, BookingStore(), hold_seconds=300)

    async def compare(wishes: list[tuple[int, int, int]], kinds: list[tuple[int, int | None]]) -> None:
        one_by_one, at_once = await event_of(application, *kinds), await event_of(application, *kinds)
        queues = BookingQueues(pool, BookingStore(), hold_seconds=300, max_batch=7)
        expected = [
            told(
                (
                    await asyncio.gather(
                        plain.create(*asked(people, one_by_one, wish)), return_exceptions=True
                    )
                )[0]
            )
            for wish in wishes
        ]
        outcomes = await asyncio.gather(
            *(queues.create(*asked(people, at_once, wish)) for wish in wishes), return_exceptions=True
        )
        assert [told(outcome) for outcome in outcomes] == expected

    loop = asyncio.get_running_loop()

    @settings(max_examples=EXAMPLES)
    @given(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.integers(0, 1)), min_size=1, max_size=25),
        st.lists(st.tuples(st.integers(1, 20), st.none() | st.integers(1, 8)), min_size=2, max_size=2),
    )
    def in_any_order(wishes: list[tuple[int, int, int]], kinds: list[tuple[int, int | None]]) -> None:
        asyncio.run_coroutine_threadsafe(compare(wishes, kinds), loop).result(60)

    await asyncio.to_thread(in_any_order)
    assert application.database.faults() == {}


def asked(
    people: list[Customer], event: dict[str, Any], wish: tuple[int, int, int]
) -> tuple[int, BookingCreate]:
    person, quantity, kind = wish
    ticket_type_id = event["ticket_types"][kind]["id"]
    body = BookingCreate(event_id=event["id"], quantity=quantity, ticket_type_id=ticket_type_id)
    return people[person].id, body


def told(outcome: Booking | BaseException) -> tuple[object, ...]:
    if isinstance(outcome, Booking):
        return ("held", outcome.quantity)
    assert isinstance(outcome, Problem), outcome
    members = (
        outcome.members.get(name) for name in ("per_person_limit", "seats_you_have", "seats_remaining")
    )
    return (outcome.kind.name, *members)


async def rush(application: Application, pool: Pool, queries: Mapping[str, LiteralString]) -> int:
    """How many seats one person gets who asks 24 times at once for one, where the limit is 4."""
    event, person = await event_of(application, (500, 4)), await application.sign_up()
    service = BookingService(pool, BookingStore(queries), hold_seconds=300)
    body = BookingCreate(event_id=event["id"], quantity=1)
    await asyncio.gather(*(service.create(person.id, body) for _ in range(24)), return_exceptions=True)
    return live_seats(application, event, person)


async def test_who_asks_at_several_processes_at_once_gets_no_more(
    application: Application, pool: Pool
) -> None:
    assert await rush(application, pool, QUERIES) == 4
    event, person = await event_of(application, (500, 4)), await application.sign_up()
    body = BookingCreate(event_id=event["id"], quantity=1)
    writers = [BookingQueues(pool, BookingStore(), hold_seconds=300, max_batch=2) for _ in range(2)]
    await asyncio.gather(
        *(writers[number % 2].create(person.id, body) for number in range(24)), return_exceptions=True
    )
    assert live_seats(application, event, person) == 4


async def test_control_without_the_lock_of_the_stock_one_person_gets_more(
    application: Application, pool: Pool
) -> None:
    most = 0
    for _ in range(20):
        most = max(most, await rush(application, pool, WITHOUT_STOCK_LOCK))
        if most > 4:
            return
    raise AssertionError(f"nobody got more than {most} seats")


async def test_people_are_counted_by_their_own_bookings_not_by_the_events(application: Application) -> None:
    """Also where nothing is known of the table yet, and whichever way the planner may go."""
    statement = QUERIES["count_seats_of_people"]
    for number, name in enumerate(("person_ids", "event_id"), start=1):
        statement = statement.replace(f"%({name})s", f"${number}")
    for ways in ("", "SET enable_bitmapscan = off"):
        with psycopg.connect(application.database.url("postgres"), autocommit=True) as connection:
            connection.execute(f"SET enable_seqscan = off; {ways}".encode())
            plan = connection.execute(f"EXPLAIN (GENERIC_PLAN) {statement}".encode()).fetchall()
        told = "\n".join(row[0] for row in plan)
        assert "bookings_by_person" in told
        assert "bookings_pkey" not in told


async def test_events_without_a_limit_are_asked_nothing(application: Application, pool: Pool) -> None:
    event, person = await event_of(application, (20, None)), await application.sign_up()
    store = BookingStore({**QUERIES, "count_seats_of_people": "SELECT 1 / 0"})
    booking = await BookingQueues(pool, store, hold_seconds=300).create(
        person.id, BookingCreate(event_id=event["id"], quantity=3)
    )
    assert booking.quantity == 3

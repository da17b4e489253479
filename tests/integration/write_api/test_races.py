"""Seats are never sold twice, whoever comes at once; each guard is shown to be needed by taking it away.

Most is shown with the plain path: the batches of one process serve an event one after the other, so their
locks matter between processes (test_batches.py).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import LiteralString

import httpx
import psycopg
import pytest

from contracts.booking import Booking
from service_kit.named_sql import load_queries
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.service import BookingService

QUERIES = load_queries("write_api.bookings")
WITHOUT_STOCK_LOCK: Mapping[str, LiteralString] = {
    **QUERIES,
    "lock_stock": """
        SELECT remaining, clock_timestamp() AS now FROM ticket_stock
        WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s
    """,
}
WITHOUT_ANY_GUARD: Mapping[str, LiteralString] = {
    **WITHOUT_STOCK_LOCK,
    "take_seats": """
        UPDATE seats SET booking_id = %(booking_id)s
        WHERE event_id = %(event_id)s AND position = ANY(%(seat_positions)s)
    """,
    "lower_stock": """
        UPDATE ticket_stock SET remaining = greatest(0, remaining - %(quantity)s)
        WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s
    """,
}
WITHOUT_EVENT_LOCK: Mapping[str, LiteralString] = {
    **QUERIES,
    "join_queue_of_event": "SELECT %(event_id)s::bigint",
    "lock_event": QUERIES["lock_event"].replace("FOR SHARE", ""),
}
WITH_AN_EARLIER_TIME: Mapping[str, LiteralString] = {
    **QUERIES,
    "lock_booking": """
        SELECT
            event_id, id, ticket_type_id, person_id, quantity, status, hold_expires_at, price_minor,
            NULL AS policy, clock_timestamp() AS now
        FROM bookings WHERE event_id = %(event_id)s AND id = %(booking_id)s FOR UPDATE
    """,
}
"""PostgreSQL computes what is selected before it locks, and again only where the row has changed since."""
ROUNDS = 20


class PlainPath:
    """Bookings one by one, each its own transaction; it knows no keys, so whoever repeats books again."""

    def __init__(self, service: BookingService) -> None:
        self._service = service

    async def create(self, person_id: int, body: BookingCreate, *, idempotency_key: str | None) -> Booking:
        return await self._service.create(person_id, body)


def on_plain_path(application: Application) -> Application:
    """The application without its queues, and without the route in front that can use nothing else."""
    application.app.hot_routes.clear()
    application.app.state.booking_queues = PlainPath(application.app.state.bookings)
    application.app.state.cancels = application.app.state.bookings
    return application


@pytest.fixture
async def plain(database: Database, state: Path) -> AsyncIterator[Application]:
    async with running_application(database, state) as running:
        yield on_plain_path(running)


async def rush(application: Application, *, clients: int, seats: int) -> Counter[int]:
    """So many clients ask for one seat each of a new event at once: how often each status was answered."""
    host = await application.sign_up("host")
    event = await host.created(available_seats=seats)
    customers = [await application.sign_up() for _ in range(8)]
    answers = await asyncio.gather(
        *(customers[number % len(customers)].book(event["id"]) for number in range(clients))
    )
    return Counter(answer.status_code for answer in answers)


async def test_64_clients_buy_exactly_50_seats(application: Application, plain: Application) -> None:
    for path in (application, plain):
        assert await rush(path, clients=64, seats=50) == {201: 50, 409: 14}
        assert path.database.faults() == {}


async def test_of_two_clients_one_gets_the_last_seat(application: Application, plain: Application) -> None:
    for path in (application, plain):
        for _ in range(ROUNDS):
            assert await rush(path, clients=2, seats=1) == {201: 1, 409: 1}
        assert path.database.faults() == {}


async def test_without_the_lock_of_the_stock_the_rush_does_not_come_out_even(
    database: Database, state: Path
) -> None:
    async with running_application(database, state, booking_queries=WITHOUT_STOCK_LOCK) as application:
        outcomes = [await rush(on_plain_path(application), clients=64, seats=50) for _ in range(3)]
    assert any(outcome != {201: 50, 409: 14} for outcome in outcomes)
    # The other guards turn each mistake into a failed request, so even then nothing is sold twice.
    assert database.faults() == {}


async def test_without_any_guard_seats_are_sold_twice(database: Database, state: Path) -> None:
    async with running_application(database, state, booking_queries=WITHOUT_ANY_GUARD) as application:
        unguarded = on_plain_path(application)

        async def sells_more_than_there_are() -> bool:  # a slow machine answers some of them 503 instead
            return (await rush(unguarded, clients=16, seats=8))[201] > 8

        await eventually("more seats are sold than there are", sells_more_than_there_are)
    assert database.faults()["seats_sold_twice"] > 0


async def raced_deactivation(application: Application) -> tuple[httpx.Response, httpx.Response, bool]:
    """A host takes the event off sale while a booking of it has read the event and waits for the stock.

    Answers the booking's and the host's response, and whether the host's came before the booking was made.
    """
    database = application.database
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()

    async def waiting() -> int:
        [row] = database.rows(
            "SELECT count(*) AS n FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(row["n"])

    with psycopg.connect(database.url("postgres")) as holder:
        holder.execute("SELECT FROM ticket_stock WHERE event_id = %s FOR UPDATE", (event["id"],))
        booking = asyncio.create_task(customer.book(event["id"]))
        await eventually("the booking waits", waiting)
        update = asyncio.create_task(host.update(event["id"], status="inactive"))

        async def is_decided() -> bool:
            return update.done() or await waiting() == 2

        await eventually("the host waits or is served", is_decided)
        came_first = update.done()
        holder.rollback()
        return await booking, await update, came_first


async def test_an_event_is_not_taken_off_sale_under_a_booking(
    application: Application, plain: Application
) -> None:
    for path in (application, plain):
        booking, update, host_came_first = await raced_deactivation(path)
        assert (booking.status_code, update.status_code, host_came_first) == (201, 200, False)


async def test_without_the_events_lock_seats_of_an_inactive_event_are_sold(
    database: Database, state: Path
) -> None:
    """On the plain path, which reads the event before it waits for the stock; a batch reads it afterwards."""
    async with running_application(database, state, booking_queries=WITHOUT_EVENT_LOCK) as application:
        booking, update, host_came_first = await raced_deactivation(on_plain_path(application))
    assert (booking.status_code, update.status_code, host_came_first) == (201, 200, True)


async def confirmed_after_its_deadline(application: Application) -> httpx.Response:
    """The deadline passes while a confirm waits for somebody who changes nothing of the booking."""
    database = application.database
    host, customer = await application.sign_up("host"), await application.sign_up()
    booking = await customer.booked((await host.created())["id"])
    soon = "UPDATE bookings SET hold_expires_at = clock_timestamp() + interval '1 s' WHERE id = %s"
    database.rows(soon, booking["id"])

    async def waits() -> bool:
        return database.has(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )

    async def is_due() -> bool:
        due = "SELECT FROM bookings WHERE id = %s AND hold_expires_at < clock_timestamp()"
        return database.has(due, booking["id"])

    with psycopg.connect(database.url("postgres")) as holder:
        holder.execute("SELECT FROM bookings WHERE id = %s FOR UPDATE", (booking["id"],))
        confirming = asyncio.create_task(customer.confirm(booking["id"]))
        await eventually("the confirm waits", waits)
        await eventually("the deadline has passed", is_due)
        holder.rollback()
    return await confirming


async def test_a_deadline_that_passes_while_a_confirm_waits_has_passed(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        answer = await confirmed_after_its_deadline(application)
    assert (answer.status_code, answer.json().get("reason")) == (409, "expired")


async def test_control_with_the_time_of_the_question_it_is_confirmed(database: Database, state: Path) -> None:
    async with running_application(database, state, booking_queries=WITH_AN_EARLIER_TIME) as application:
        assert (await confirmed_after_its_deadline(application)).status_code == 200


async def all_at_once(customer: Customer, booking_id: int) -> Counter[int]:
    changes = (customer.confirm, customer.cancel, customer.confirm, customer.cancel)
    answers = await asyncio.gather(*(change(booking_id) for change in changes))
    return Counter(answer.status_code for answer in answers)


async def test_confirmed_and_cancelled_at_once_a_booking_ends_cancelled_and_its_seats_are_free_once(
    application: Application,
) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=3 * ROUNDS)
    for _ in range(ROUNDS):
        booking = await customer.booked(event["id"], 3)
        outcome = await all_at_once(customer, booking["id"])
        assert set(outcome) <= {200, 409}
        assert outcome[200] >= 2
        assert (await customer.booking(booking["id"]))["status"] == "cancelled"
    assert application.database.faults() == {}
    [stock] = application.database.rows("SELECT remaining FROM ticket_stock WHERE event_id = %s", event["id"])
    assert stock == {"remaining": 3 * ROUNDS}


@pytest.mark.parametrize("quantity", [1, 3, 7])
async def test_bookings_of_several_seats_leave_no_seat_behind(
    application: Application, quantity: int
) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=21)
    answers = await asyncio.gather(*(customer.book(event["id"], quantity) for _ in range(30)))
    assert Counter(answer.status_code for answer in answers) == {
        201: 21 // quantity,
        409: 30 - 21 // quantity,
    }
    assert application.database.faults() == {}

"""Holds that nobody confirms give their seats back."""

import asyncio
import time
from contextlib import closing
from pathlib import Path

from service_kit.database import create_pool
from tests.integration.write_api.application import (
    LINK_KEY,
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.integration.write_api.test_process import running
from tests.people import People, wait_for
from tests.soak import sized
from write_api.bookings.expiry import HoldExpiry
from write_api.bookings.store import BookingStore

HOLDS = 60
DUE_AT_ONCE = sized(2000, 10_000)
LATEST_SECONDS = 5.0


async def test_an_expired_hold_frees_its_seats_within_five_seconds(database: Database, state: Path) -> None:
    async with running_application(database, state, changes={"hold_seconds": 1}) as application:
        host, customer, other = [await application.sign_up("host", "customer") for _ in range(3)]
        event = await host.created()
        confirmed = await customer.booked(event["id"], 4)
        await customer.confirm(confirmed["id"])
        held = await customer.booked(event["id"], 6)
        assert (await other.book(event["id"])).status_code == 409

        async def is_expired() -> bool:
            return (await customer.booking(held["id"]))["status"] == "expired"

        await eventually("the hold expires", is_expired)
        again = await other.booked(event["id"], 6)
        assert again["seats"] == held["seats"]
        assert (await customer.booking(confirmed["id"]))["status"] == "confirmed"
    [late] = database.rows(
        "SELECT extract(epoch FROM ended_at - hold_expires_at)::float AS seconds FROM bookings WHERE id = %s",
        held["id"],
    )
    assert 0 <= late["seconds"] < 5
    assert database.faults() == {}


async def make_due(application: Application) -> None:
    """Many holds, some of one event and some of others, all past their deadline."""
    host, customer = await application.sign_up("host"), await application.sign_up()
    events = [await host.created(available_seats=HOLDS) for _ in range(3)]
    for number in range(HOLDS):
        await customer.booked(events[number % 3]["id"], 1 + number % 2)
    application.database.rows("UPDATE bookings SET hold_expires_at = clock_timestamp() - interval '1 s'")


async def test_several_sweeps_at_once_share_the_work(database: Database, state: Path) -> None:
    async with running_application(database, state) as application:
        # What the application's own sweep takes meanwhile is counted by the rows.
        await make_due(application)
        pool = create_pool(
            database.url("frontrow_write"), application_name="sweeps", max_size=4, max_waiting=4
        )
        async with pool:
            sweeps = [HoldExpiry(pool, BookingStore(), batch_size=7) for _ in range(4)]
            shares = await asyncio.gather(*(sweep.sweep() for sweep in sweeps))
        assert sum(shares) <= HOLDS

        async def all_are_expired() -> bool:
            [row] = database.rows("SELECT count(*) AS n FROM bookings WHERE status = 'expired'")
            return row["n"] == HOLDS

        await eventually("all holds are expired", all_are_expired)
    assert database.faults() == {}
    assert database.rows("SELECT count(*) AS n FROM seats WHERE booking_id IS NOT NULL") == [{"n": 0}]


async def test_a_cancellation_and_a_sweep_at_once_free_the_seats_once(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        host, customer = await application.sign_up("host"), await application.sign_up()
        event = await host.created(available_seats=HOLDS)
        bookings = [await customer.booked(event["id"]) for _ in range(HOLDS)]
        database.rows("UPDATE bookings SET hold_expires_at = clock_timestamp() + interval '0.3 s'")
        answers = await asyncio.gather(*(customer.cancel(booking["id"]) for booking in bookings))
        assert {answer.status_code for answer in answers} <= {200, 409}

        async def all_have_ended() -> bool:
            [row] = database.rows("SELECT count(*) AS n FROM bookings WHERE ended_at IS NOT NULL")
            return row["n"] == HOLDS

        await eventually("all holds have ended", all_have_ended)
    assert database.faults() == {}


async def test_a_hold_whose_seats_are_not_as_it_says_stays_behind_alone(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        host, customer = await application.sign_up("host"), await application.sign_up()
        event = await host.created(available_seats=HOLDS)
        bookings = [await customer.booked(event["id"], 1) for _ in range(9)]
        broken = bookings[4]["id"]
        database.rows("UPDATE seats SET booking_id = NULL WHERE booking_id = %s RETURNING 1", broken)
        database.rows("UPDATE bookings SET hold_expires_at = clock_timestamp() - interval '1 s'")

        async def all_others_are_expired() -> bool:
            states = [(await customer.booking(booking["id"]))["status"] for booking in bookings]
            return states.count("expired") == len(bookings) - 1

        await eventually("all other holds expire", all_others_are_expired)
        assert (await customer.booking(broken))["status"] == "held"


def make_holds(database: Database, *event_ids: int) -> int:
    """A hold of somebody's for each free seat of these events, due in an hour; answers how many."""
    [made] = database.rows(
        """
        WITH made AS (
            INSERT INTO bookings (
                event_id, ticket_type_id, person_id, quantity, price_minor, currency, seat_positions,
                hold_expires_at
            )
            SELECT event_id, ticket_type_id, (SELECT min(id) FROM people), 1, 1, 'VND', ARRAY[position],
                clock_timestamp() + interval '1 h'
            FROM seats WHERE booking_id IS NULL AND event_id = ANY(%s)
            RETURNING event_id, id, seat_positions
        ), taken AS (
            UPDATE seats s SET booking_id = m.id FROM made m
            WHERE s.event_id = m.event_id AND s.position = m.seat_positions[1]
        ), lowered AS (
            UPDATE ticket_stock SET remaining = 0 WHERE event_id = ANY(%s)
        )
        SELECT count(*) AS holds FROM made
        """,
        list(event_ids),
        list(event_ids),
    )
    return int(made["holds"])


def let_expire(database: Database, seconds: float, *event_ids: int) -> None:
    """All holds of these events are due in so many seconds, at the same moment."""
    database.rows(
        "UPDATE bookings SET hold_expires_at = clock_timestamp() + make_interval(secs => %s)"
        " WHERE event_id = ANY(%s) AND status = 'held'",
        seconds,
        list(event_ids),
    )


def latest_expiry(database: Database, *event_ids: int) -> float | None:
    """How many seconds after its deadline the last of these events' holds ended; None while some are due."""
    [row] = database.rows(
        "SELECT count(*) FILTER (WHERE status = 'held' AND hold_expires_at <= clock_timestamp()) AS due,"
        " extract(epoch FROM max(ended_at - hold_expires_at) FILTER (WHERE status = 'expired')"
        ")::float AS seconds FROM bookings WHERE event_id = ANY(%s)",
        list(event_ids),
    )
    return None if row["due"] else row["seconds"]


async def test_thousands_of_holds_due_at_once_are_freed_in_time_while_others_book(
    database: Database, state: Path
) -> None:
    """One event has most of them; there and elsewhere people book and cancel all the while."""
    async with running_application(database, state) as application:
        host = await application.sign_up("host")
        people = [await application.sign_up() for _ in range(8)]
        large = (await host.created(available_seats=DUE_AT_ONCE))["id"]
        others = [(await host.created(available_seats=100))["id"] for _ in range(10)]
        busy = (await host.created(available_seats=100))["id"]
        assert make_holds(database, large, *others) == DUE_AT_ONCE + 1000
        is_over = asyncio.Event()

        async def book_and_cancel(customer: Customer, event_id: int) -> int:
            answered = 0
            while not is_over.is_set():
                answer = await customer.book(event_id)
                assert answer.status_code in {201, 409, 503}, answer.text  # 503: on a machine that is full
                if answer.status_code == 201:
                    assert (await customer.cancel(answer.json()["id"])).status_code in {200, 503}
                answered += answer.status_code != 503
            return answered

        load = [
            asyncio.create_task(book_and_cancel(customer, (large, busy)[number % 2]))
            for number, customer in enumerate(people)
        ]
        let_expire(database, 1.0, large, *others)

        async def seconds_late() -> float | None:
            return latest_expiry(database, large, *others)

        try:
            late = await eventually("all holds are freed", seconds_late) or 0.0
        finally:
            is_over.set()
            answered = await asyncio.gather(*load)
    assert 0 < late < LATEST_SECONDS
    assert min(answered) > 0
    assert database.faults() == {}


def test_holds_whose_deadline_finds_the_writer_dead_are_freed_once_it_is_back(
    database: Database, tmp_path: Path
) -> None:
    with running(database, tmp_path) as first, closing(People(first.url, LINK_KEY)) as people:
        host = people.sign_up("host")
        event_ids = [host.create_event(available_seats=seats)["id"] for seats in (DUE_AT_ONCE, 100, 100)]
        holds = make_holds(database, *event_ids)
        let_expire(database, 0.0, *event_ids)
        expired = "SELECT FROM bookings WHERE status = 'expired'"
        wait_for("the first sweep is under way", lambda: database.has(expired))
    assert database.faults() == {}, "each of its transactions is done or undone"
    with running(database, tmp_path):
        ready_at = time.monotonic()
        wait_for("all holds are freed", lambda: latest_expiry(database, *event_ids))
        assert time.monotonic() - ready_at < LATEST_SECONDS
    assert database.rows("SELECT count(*) AS n FROM bookings WHERE status = 'expired'") == [{"n": holds}]
    assert database.faults() == {}

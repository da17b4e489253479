"""Holds that nobody confirms give their seats back."""

import asyncio
from pathlib import Path

from service_kit.database import create_pool
from tests.integration.write_api.application import (
    Application,
    Database,
    eventually,
    running_application,
)
from write_api.bookings.expiry import HoldExpiry
from write_api.bookings.store import BookingStore

HOLDS = 60


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

"""Sold out is told without the database, and seats that come back are sold again."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.people import DEADLINE_SECONDS
from write_api.bookings.sold_out import REMEMBERED_SECONDS, SoldOut


@pytest.fixture
async def processes(database: Database, tmp_path: Path) -> AsyncIterator[list[Application]]:
    """Two that know nothing of each other, on one database."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(running_application(database, tmp_path / name))
            for name in ("one", "other")
        ]


def at(process: Application, person: Customer) -> Customer:
    """Somebody who asks there."""
    return Customer(person.id, process.client(Authorization=person.client.headers["Authorization"]))


async def is_known(process: Application, event_id: int, person: Customer) -> bool:
    """Whether the process remembers it now; who asks helps it to."""
    assert (await person.book(event_id)).status_code == 409
    return event_id in process.app.state.booking_queues.sold_out._memories


async def test_whoever_asks_in_vain_waits_for_no_lock(database: Database, tmp_path: Path) -> None:
    async with running_application(database, tmp_path) as application:
        queues = application.app.state.booking_queues
        queues.transactions.sold_out = SoldOut(clock=lambda: 0.0)  # remembers until told
        host, person = await application.sign_up("host"), await application.sign_up()
        event = await host.created(available_seats=1)
        key = {"Idempotency-Key": "once"}
        wish = {"event_id": event["id"], "quantity": 1}
        first = await person.client.post("/api/v1/bookings", json=wish, headers=key)
        assert first.status_code == 201
        with psycopg.connect(database.url("postgres")) as holder:
            holder.execute("SELECT FROM ticket_stock WHERE event_id = %s FOR UPDATE", (event["id"],))
            answers = [await person.book(event["id"], quantity) for quantity in (1, 2, 1)]
            newly = await person.client.post(
                "/api/v1/bookings", json=wish, headers={"Idempotency-Key": "another"}
            )
            holder.rollback()
        assert [answer.status_code for answer in (*answers, newly)] == [409] * 4
        assert answers[1].json()["detail"] == "0 seats are left, 2 were asked for."
        for answer in (*answers, newly):
            assert answer.json()["seats_remaining"] == 0
            assert answer.headers["X-Durability"] == "local"
            assert len(answer.headers["X-Consistency-Token"]) == 36
            assert answer.headers["RateLimit"].startswith('"booking"')
        again = await person.client.post("/api/v1/bookings", json=wish, headers=key)
        assert (again.status_code, again.json()) == (201, first.json()), "who repeats hears of their booking"


async def is_resold_at_once(database: Database, state: Path, *, is_told: bool) -> bool:
    """Whether a seat that is given back can be had at once, each of many times, beside a crowd."""
    async with running_application(database, state) as process:
        bookings, queues = process.app.state.bookings, process.app.state.booking_queues
        queues.transactions.sold_out = SoldOut(seconds=DEADLINE_SECONDS)
        process.app.state.cancels = bookings  # which tells; a batch that cancels knows by itself
        if is_told:
            bookings._freed_seats.listen(queues.sold_out.forget)
        host, owner, crowd = [await process.sign_up(role) for role in ("host", "customer", "customer")]
        event_id = (await host.created(available_seats=1))["id"]
        booking = await owner.booked(event_id)
        is_over = False

        async def ask_in_vain() -> None:
            """For two seats, of which there is one at most."""
            while not is_over:
                assert (await crowd.book(event_id, 2)).status_code == 409
                await asyncio.sleep(0.005)  # such an answer waits for nothing, so nobody else would be served

        async def knows() -> bool:
            return event_id in queues.sold_out._memories

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(ask_in_vain())
            for _ in range(30):
                await eventually("it is known to be sold out", knows)
                assert (await owner.cancel(booking["id"])).status_code == 200
                answer = await owner.book(event_id)
                booking = answer.json()
                if answer.status_code != 201:
                    break
            is_over = True
        return bool(answer.status_code == 201)


async def test_a_seat_that_comes_back_is_sold_at_once_by_the_same_process(
    database: Database, tmp_path: Path
) -> None:
    assert await is_resold_at_once(database, tmp_path, is_told=True)
    assert database.faults() == {}


async def test_control_without_being_told_it_is_not(database: Database, tmp_path: Path) -> None:
    assert not await is_resold_at_once(database, tmp_path, is_told=False)


async def test_another_process_hears_of_it_before_the_memory_ends(processes: list[Application]) -> None:
    one, other = processes
    host, person = await one.sign_up("host"), await one.sign_up()
    elsewhere = at(other, person)

    async def token_is_known() -> bool:
        return (await elsewhere.client.get("/api/v1/bookings")).status_code == 200

    await eventually("the other process knows the key of the token", token_is_known)
    event = await host.created(available_seats=1)
    booking = await person.booked(event["id"])
    took = []
    for _ in range(10):

        async def knows() -> bool:
            return await is_known(other, event["id"], elsewhere)

        await eventually("the other process knows that it is sold out", knows)
        assert (await person.cancel(booking["id"])).status_code == 200
        came_back = asked_at = time.monotonic()
        while (answer := await elsewhere.book(event["id"])).status_code == 409:
            assert asked_at - came_back < DEADLINE_SECONDS
            await asyncio.sleep(0.005)
            asked_at = time.monotonic()
        booking = answer.json()
        took.append(asked_at - came_back)
    refused_seconds = sorted(took)[len(took) // 2]
    assert refused_seconds < REMEMBERED_SECONDS + 0.05, "whoever asks later is not refused from memory"
    assert one.database.faults() == {}

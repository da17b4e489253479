"""Whatever many people do at once: nothing is sold twice, and what was acknowledged is what there is."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service_kit.database import create_pool
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.integration.write_api.storm import Client, Host, Looks, rage, watched
from tests.integration.write_api.storm_ledger import Arrivals, Ledger, Made, overtaken_in_line
from tests.integration.write_api.test_races import WITHOUT_ANY_GUARD, on_plain_path
from tests.soak import sized, soak_only
from write_api.bookings.batches import BookingQueues
from write_api.bookings.grants import Wish
from write_api.bookings.store import BookingStore

CLIENTS = sized(64, 512)
ACTIONS = sized(8, 10)
FEW_CLIENTS = 16
HEARD = (
    "book 201", "book 409", "confirm 200", "cancel 200", "repeat 201", "attendees 200", "order 201",
    "wait 201", "leave line 200", "off sale 200", "rename 200", "capacity 200",
)  # fmt: skip
"""A storm goes on until all of this was heard."""
MAX_MORE_ACTIONS = 20
PEOPLE = 16
HOLD_SECONDS = 2
LATEST_EXPIRY_SECONDS = 30.0
"""Clients and writers share one process here; that it is 5 s otherwise is for test_expiry.py."""
SEED = int(os.environ.get("STORM_SEED", random.randrange(10**6)))


@dataclass
class Storm:
    """What a storm has left behind."""

    database: Database
    event_ids: list[int]
    ledger: Ledger
    looks: Looks
    arrivals: Sequence[Arrivals]

    @property
    def overtaken(self) -> list[dict[int, int]]:
        """By writer and event, how many were served before somebody who had come earlier."""
        return [one.overtaken() for one in self.arrivals]


@asynccontextmanager
async def writers(
    database: Database, state: Path, count: int, **substitutes: Any
) -> AsyncIterator[list[Application]]:
    """Some applications on one database, which know nothing of each other; holds last a second."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                running_application(
                    database,
                    state / str(number),
                    changes={"hold_seconds": HOLD_SECONDS, "waitlist_offer_seconds": HOLD_SECONDS},
                    **substitutes,
                )
            )
            for number in range(count)
        ]


async def raise_storm(
    applications: Sequence[Application],
    *,
    events: int,
    seats: int,
    arrivals: Sequence[Arrivals] = (),
    settles: bool = True,
    client_count: int = CLIENTS,
) -> Storm:
    """Many clients on new events, each of whom uses every writer; returns when all holds have ended, if that
    can be (`settles`).
    """
    print(f"\n  STORM_SEED={SEED}", end="")
    first = applications[0]
    host = await first.sign_up("host")
    kinds = [
        {"name": "stalls", "price": 20, "capacity": seats - seats // 3},
        {"name": "gallery", "price": 5, "capacity": seats // 3},
    ]
    made = [await host.created(ticket_types=kinds, available_seats=..., price=...) for _ in range(events)]
    people = [await first.sign_up() for _ in range(PEOPLE)]
    ledger = Ledger()
    clients = [
        Client([at(one, people[number % PEOPLE]) for one in applications], made, ledger, SEED + number)
        for number in range(client_count)
    ]
    event_ids = [event["id"] for event in made]
    async with watched(first.database, event_ids) as looks:
        hosts = [Host([at(one, host) for one in applications], made, ledger, SEED)]
        await rage([*clients, *hosts], actions=ACTIONS)
        for _ in range(MAX_MORE_ACTIONS if settles else 0):
            if all(ledger.heard[kind] for kind in HEARD):
                break
            await rage([*clients, *hosts], actions=1)
        if settles:
            await asyncio.gather(*(client.leave_lines() for client in clients))
            await eventually("all holds have ended", lambda: no_hold_is_left(first.database, event_ids))
    print(f"  {dict(ledger.heard)}, {looks.looks} looks", end="")
    return Storm(first.database, event_ids, ledger, looks, arrivals)


def at(application: Application, person: Customer) -> Customer:
    """Somebody who is signed up already, at a writer."""
    header = person.client.headers["Authorization"]
    return Customer(person.id, application.client(Authorization=header), person.email)


async def no_hold_is_left(database: Database, event_ids: Sequence[int]) -> bool:
    held = "SELECT FROM bookings WHERE status = 'held' AND event_id = ANY(%s)"
    return not await asyncio.to_thread(database.has, held, list(event_ids))


def latest_expiry_seconds(storm: Storm) -> float:
    """How long after its deadline the last hold was expired."""
    [row] = storm.database.rows(
        "SELECT coalesce(max(extract(epoch FROM ended_at - hold_expires_at)), 0)::float AS seconds "
        "FROM bookings WHERE status = 'expired' AND event_id = ANY(%s)",
        storm.event_ids,
    )
    return float(row["seconds"])


@pytest.mark.parametrize(
    ("events", "seats", "writer_count"),
    [
        (1, 150, 2),
        (100, 6, 1),
        pytest.param(1, 150, 1, marks=soak_only),
        pytest.param(100, 6, 3, marks=soak_only),
    ],
)
async def test_a_storm_sells_nothing_twice_and_keeps_what_was_acknowledged(
    database: Database, state: Path, events: int, seats: int, writer_count: int
) -> None:
    async with writers(database, state, writer_count) as applications:
        made = Made()
        arrivals = [noted(application, made) for application in applications]
        storm = await raise_storm(applications, events=events, seats=seats, arrivals=arrivals)
    assert storm.looks.faults == {}
    assert storm.looks.looks > 3
    assert storm.ledger.contradictions(database, storm.event_ids) == []
    assert storm.overtaken == [{}] * writer_count
    assert latest_expiry_seconds(storm) < LATEST_EXPIRY_SECONDS
    assert overtaken_in_line(database, storm.event_ids) == []
    for kind in HEARD:
        assert storm.ledger.heard[kind] > 0, storm.ledger.heard


def noted(application: Application, made: Made) -> Arrivals:
    """Notes from now on who comes to the queues of an application."""
    arrivals = Arrivals(made, application.app.state.booking_queues)
    application.app.state.booking_queues = arrivals
    return arrivals


async def test_without_guards_a_storm_breaks_the_invariants(database: Database, state: Path) -> None:
    async with writers(database, state, 1, booking_queries=WITHOUT_ANY_GUARD) as [application]:
        on_plain_path(application)
        storm = await raise_storm([application], events=1, seats=60, settles=False, client_count=FEW_CLIENTS)
    assert storm.looks.faults["seats_sold_twice"] > 0
    assert storm.looks.faults["bookings_without_their_seats"] > 0


async def test_two_queues_for_an_event_in_one_process_would_not_serve_in_order(
    application: Application,
) -> None:
    url = application.database.url("frontrow_write")
    event = await (await application.sign_up("host")).created(available_seats=CLIENTS)
    person = await application.sign_up()
    async with create_pool(url, application_name="test", max_size=4, max_waiting=CLIENTS) as pool:
        for count, overtaken in ((1, set()), (2, {event["id"]})):
            queues = [BookingQueues(pool, BookingStore(), hold_seconds=HOLD_SECONDS) for _ in range(count)]
            arrivals = Arrivals(Made(), *queues)
            await asyncio.gather(
                *(arrivals.ask(event["id"], Wish(person.id, 1)) for _ in range(CLIENTS // 2))
            )
            for one in queues:
                await one.close()
            assert arrivals.overtaken().keys() == overtaken

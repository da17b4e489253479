"""The writer and its PostgreSQL are killed under load: what was acknowledged is there, once, and no more.

Each client repeats what was not answered until it is, a booking with its key: so in the end the database
holds exactly what was acknowledged.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.integration.write_api.application import Customer, Database, Door, eventually
from tests.integration.write_api.storm import Actor, Client, Host, rage
from tests.integration.write_api.storm_ledger import Ledger
from tests.integration.write_api.test_process import Process, free_address
from tests.people import DEADLINE_SECONDS
from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql
from tests.soak import sized, soak_only

ROUNDS = sized(1, 20)
"""How often each of both is killed."""
CLIENTS = 64
PEOPLE = 16
SEATS = (2000, 60)
SETTINGS = {"HOLD_SECONDS": "3", "WAITLIST_OFFER_SECONDS": "3", "REQUEST_LIMITS_TIMES": "1000"}
ANSWERS_BETWEEN_KILLS = sized((40, 150), (40, 400))
SEED = int(os.environ.get("STORM_SEED", random.randrange(10**6)))


@pytest.fixture
def durable() -> Iterator[ScratchPostgresql]:
    """A PostgreSQL that flushes what it commits, and may be killed."""
    with scratch_postgresql(fsync=True) as server:
        yield server


class Writer(Door):
    """A process of write_api that is killed and started again where it was."""

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._address = free_address()
        self._clients = AsyncExitStack()
        self.start()
        self.anonymous = self.client()

    def start(self) -> None:
        """Starts the process; does not wait until it serves."""
        self._process = Process(
            self._database,
            self._folder,
            address=self._address,
            HOLD_SECONDS="3",
            WAITLIST_OFFER_SECONDS="3",
            REQUEST_LIMITS_TIMES="1000",
        )

    def kill(self) -> None:
        """SIGKILL; returns when it is dead."""
        self._process.process.kill()
        self._process.process.wait(timeout=30)

    async def is_ready(self) -> bool:
        """Whether it serves; fails where it has ended by itself."""
        return await asyncio.to_thread(self._process.is_ready)

    def client(self, **headers: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(
            base_url=f"http://{self._address}", headers=headers, timeout=DEADLINE_SECONDS
        )
        self._clients.push_async_callback(client.aclose)
        return client

    async def close(self) -> None:
        """Ends it and all connections to it."""
        self.kill()
        await self._clients.aclose()


@asynccontextmanager
async def writer(database: Database, folder: Path) -> AsyncIterator[Writer]:
    """A writer that serves."""
    one = Writer(database, folder)
    try:
        await eventually("write_api is ready", one.is_ready)
        yield one
    finally:
        await one.close()


async def answers(ledger: Ledger, count: int) -> None:
    """Waits until so many more requests were answered."""
    target = answered(ledger) + count

    async def are_there() -> bool:
        return answered(ledger) >= target

    await eventually(f"{count} more answers", are_there)


def answered(ledger: Ledger) -> int:
    """How many requests were answered with something that was decided."""
    return sum(times for what, times in ledger.heard.items() if what[-3:] in {"200", "201", "409"})


async def killed_under_load(
    durable: ScratchPostgresql, folder: Path, *, with_keys: bool
) -> tuple[Database, list[int], Ledger]:
    """The database after a storm in which both were killed again and again, the events, what was heard."""
    print(f"\n  STORM_SEED={SEED}", end="")
    dice = random.Random(SEED)
    database = Database(durable)

    def kill_writer() -> None:
        one.kill()
        one.start()

    def kill_postgresql() -> None:
        durable.kill()
        durable.start()

    async with writer(database, folder) as one:
        host = await one.sign_up("host")
        events = [await host.created(available_seats=seats) for seats in SEATS]
        people: list[Customer] = [await one.sign_up() for _ in range(PEOPLE)]
        ledger, is_over = Ledger(), False
        clients: list[Actor] = [
            Client([people[number % PEOPLE]], events, ledger, SEED + number, with_keys=with_keys)
            for number in range(CLIENTS)
        ]
        clients.append(Host([host], events, ledger, SEED))
        storm = asyncio.create_task(rage(clients, until=lambda: is_over))
        try:
            kills: list[Callable[[], None]] = [kill_writer, kill_postgresql] * ROUNDS
            dice.shuffle(kills)
            for kill in kills:
                await answers(ledger, dice.randint(*ANSWERS_BETWEEN_KILLS))
                await asyncio.to_thread(kill)
                await eventually("write_api is ready", one.is_ready)
                print(f"  {kill.__name__}: {answered(ledger)} answers", end="", flush=True)
            await answers(ledger, ANSWERS_BETWEEN_KILLS[0])
        finally:
            is_over = True
            await storm
            print(f"  {dict(ledger.heard)}", end="")
    unanswered = sum(times for what, times in ledger.heard.items() if what[-3:] not in {"200", "201", "409"})
    assert unanswered >= len(kills), ledger.heard
    assert database.faults() == {}
    return database, [event["id"] for event in events], ledger


async def test_killed_at_any_moment_what_was_acknowledged_is_there_once(
    durable: ScratchPostgresql, tmp_path: Path
) -> None:
    database, event_ids, ledger = await killed_under_load(durable, tmp_path, with_keys=True)
    assert ledger.contradictions(database, event_ids) == []


@soak_only
async def test_who_repeats_without_a_key_books_twice(durable: ScratchPostgresql, tmp_path: Path) -> None:
    database, event_ids, ledger = await killed_under_load(durable, tmp_path, with_keys=False)
    contradictions = ledger.contradictions(database, event_ids)
    assert contradictions
    assert all("never acknowledged" in one for one in contradictions), contradictions

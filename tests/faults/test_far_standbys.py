"""80 ms away from its standbys: nobody holds a lock for them, and nothing acknowledged dies with the primary.

The primary dies with its region: what was under way to the standbys is lost with it, as when a cable is cut.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from service_kit.database import create_pool
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.integration.write_api.storm import Actor, Client, Host, rage
from tests.integration.write_api.storm_ledger import Ledger
from tests.postgresql_cluster import STANDBYS, PostgresqlCluster, postgresql_cluster
from tests.soak import sized
from write_api.answer_gate import ConfirmationRule, LocalFlush
from write_api.writer_state import WriterState

ROUND_TRIP_MS = 80
CLIENTS = 64
PEOPLE = 8
SEATS = (2000, 60)
SHORT_HOLDS = {"hold_seconds": 1, "waitlist_offer_seconds": 1}
SAMPLES = sized(150, 2000)
ANSWERS_BEFORE_DEATH = (100, 200)
SEED = int(os.environ.get("STORM_SEED", random.randrange(10**6)))
LAST_GASP_SECONDS = 1.0
LAST_GASP_BOOKINGS = 20
"""Between the death of its lines and its own a primary still commits: who trusts its disk acknowledges it."""
CONTROL = "commits-for-the-quorum"
WAITS = """
    SELECT a.application_name, l.locktype, l.mode, l.relation::regclass::text AS relation, a.query
    FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
    WHERE a.datname = current_database() AND a.wait_event = 'SyncRep' AND l.granted
"""
"""The locks of those who wait for a standby at the end of their transaction."""


@pytest.fixture
def cluster() -> Iterator[PostgresqlCluster]:
    """A primary and two standbys that the test may destroy."""
    with postgresql_cluster() as running:
        yield running


@dataclass
class Far:
    """Clients of two events, and the doors that they come by; who moves a door moves the clients."""

    doors: list[list[Customer]]
    clients: list[Actor]
    event_ids: list[int]
    ledger: Ledger
    is_over: bool = False


@asynccontextmanager
async def far_away(
    cluster: PostgresqlCluster, database: Database, state: Path, rule: ConfirmationRule | None = None
) -> AsyncIterator[Far]:
    """write_api on a primary whose standbys are 80 ms away, clients of two of its events, and their host."""
    quorum = {
        "durability": "quorum",
        "quorum_members": STANDBYS,
        "hold_seconds": 1,
        "waitlist_offer_seconds": 1,
    }
    async with running_application(database, state, changes=quorum, confirmation_rule=rule) as application:
        await eventually("write_api is the writer", lambda: is_writer(application))
        host = await application.sign_up("host")
        events = [await host.created(available_seats=seats) for seats in SEATS]
        doors = [[await application.sign_up()] for _ in range(PEOPLE)]
        ledger = Ledger()
        clients: list[Actor] = [
            Client(doors[number % PEOPLE], events, ledger, SEED + number) for number in range(CLIENTS)
        ]
        doors.append([host])
        clients.append(Host(doors[-1], events, ledger, SEED))
        cluster.set_delay_ms(ROUND_TRIP_MS)
        yield Far(doors, clients, [event["id"] for event in events], ledger)


async def is_writer(application: Application) -> bool:
    return (await application.anonymous.get("/health/ready")).status_code == 200


class Sampler:
    """Looks again and again who waits for a standby, and what is locked by them."""

    def __init__(self, database: Database) -> None:
        self._url = database.url("postgres")
        self.samples = 0
        self.seen: dict[str, list[dict[str, Any]]] = {}

    async def look(self, until: Callable[[], bool]) -> None:
        """Looks as often as it can, until `until`."""
        async with await psycopg.AsyncConnection.connect(
            self._url, autocommit=True, row_factory=dict_row
        ) as connection:
            while not until():
                for row in await (await connection.execute(WAITS)).fetchall():
                    self.seen.setdefault(row["application_name"], []).append(row)
                self.samples += 1
                await asyncio.sleep(0.002)


async def seen_during_a_storm(far: Far, database: Database) -> dict[str, list[dict[str, Any]]]:
    """What is seen of transactions that wait for a standby while people book, confirm and cancel; and of one
    that waits, since it was made to, for a control.
    """
    sampler = Sampler(database)

    def is_enough() -> bool:
        return sampler.samples >= SAMPLES

    async with asyncio.TaskGroup() as group:
        group.create_task(sampler.look(is_enough))
        group.create_task(rage(far.clients, until=is_enough))
    for kind in ("book 201", "confirm 200", "cancel 200", "repeat 201", "order 201", "capacity 200"):
        assert far.ledger.heard[kind] > 0, far.ledger.heard

    def commit() -> None:
        url = f"{database.url('postgres')}?application_name={CONTROL}"
        with psycopg.connect(url, options="-c synchronous_commit=on") as connection:
            connection.execute("UPDATE events SET name = name WHERE id = %s", (far.event_ids[0],))

    committing = asyncio.create_task(asyncio.to_thread(commit))
    await sampler.look(committing.done)
    await committing
    return sampler.seen


@asynccontextmanager
async def going_on(far: Far) -> "AsyncIterator[asyncio.Task[None]]":
    """The clients, who do one thing after the other until it is over, at the latest when the block ends."""
    storm = asyncio.create_task(rage(far.clients, until=lambda: far.is_over))
    try:
        yield storm
    finally:
        storm.cancel()
        await asyncio.gather(storm, return_exceptions=True)


async def primary_dies(cluster: PostgresqlCluster, far: Far) -> None:
    """Kills the primary when so much was sold, its lines first; promotes who has more of it."""
    target = len(far.ledger.bookings) + random.Random(SEED).randint(*ANSWERS_BEFORE_DEATH)

    async def has_sold() -> bool:
        return len(far.ledger.bookings) >= target

    await eventually(f"{target} bookings", has_sold)
    await asyncio.to_thread(cluster.cut, *STANDBYS)
    sold, until = len(far.ledger.bookings), time.monotonic() + LAST_GASP_SECONDS
    while len(far.ledger.bookings) < sold + LAST_GASP_BOOKINGS and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # the counter is the clients', who tell nobody
    await asyncio.to_thread(cluster.kill, cluster.primary)
    await asyncio.to_thread(cluster.promote, max(STANDBYS, key=cluster.received_lsn))


def heir(*, is_in_recovery: bool, **_: object) -> WriterState:
    """Calls itself the writer on whatever was promoted, as after a failover."""
    return WriterState.STANDBY if is_in_recovery else WriterState.WRITER


async def go_on(database: Database, state: Path, far: Far, storm: "asyncio.Task[None]") -> None:
    """Until those who were not answered have been, by a write_api on the new primary, and many more."""
    async with running_application(database, state, changes=SHORT_HOLDS, writer_rule=heir) as application:
        await eventually("the heir is the writer", lambda: is_writer(application))
        for door in far.doors:
            headers = {"Authorization": door[0].client.headers["Authorization"]}
            door[:] = [Customer(door[0].id, application.client(**headers), door[0].email)]
        answered = far.ledger.heard["book 201"]

        async def are_answered() -> bool:
            return far.ledger.heard["book 201"] > answered + CLIENTS // 2

        await eventually("many more bookings", are_answered)
        far.is_over = True
        await storm


async def test_nobody_holds_a_lock_for_a_standby_and_what_was_acknowledged_outlives_the_primary(
    cluster: PostgresqlCluster, tmp_path: Path
) -> None:
    print(f"\n  STORM_SEED={SEED}", end="")
    database = Database(cluster)
    async with far_away(cluster, database, tmp_path / "first") as far:
        seen = await seen_during_a_storm(far, database)
        assert {row["relation"] for row in seen.pop(CONTROL)} >= {"events"}
        assert seen == {}
        async with going_on(far) as storm:
            await primary_dies(cluster, far)
            assert far.ledger.lost(database, far.event_ids) == []
            assert database.faults(*far.event_ids) == {}
            await go_on(database, tmp_path / "heir", far, storm)
    print(f"  {dict(far.ledger.heard)}", end="")
    assert far.ledger.contradictions(database, far.event_ids) == []
    assert database.faults(*far.event_ids) == {}


async def test_a_gate_that_waits_for_its_own_disk_loses_what_it_acknowledged(
    cluster: PostgresqlCluster, tmp_path: Path
) -> None:
    print(f"\n  STORM_SEED={SEED}", end="")
    database = Database(cluster)
    url = database.url("frontrow_write")
    async with (
        create_pool(url, application_name="hasty", max_size=2, max_waiting=16) as pool,
        far_away(cluster, database, tmp_path, LocalFlush(pool)) as far,
        going_on(far),
    ):
        await primary_dies(cluster, far)
        lost = far.ledger.lost(database, far.event_ids)
    print(f"  {len(lost)} lost", end="")
    assert lost

"""Sessions write in one region and read in others: nobody who brings a token sees anything older.

Each session keeps the state that it knows of one thing as a number which only grows: how often its event was
renamed, or how far its booking has come. A read of less is a failure. Meanwhile the reader of one region
stands still again and again, and another is far away.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg

from contracts.consistency_token import CONSISTENCY_HEADER
from service_kit.database import connection_url
from tests.conftest import Platform
from tests.integration.three_regions.steps import REGIONS, gateway, links_changed
from tests.people import People, Person, unique
from tests.soak import sized

SESSIONS = sized(test=150, soak=1000)
SESSIONS_WITHOUT_TOKEN = 100
TOGETHER = 50
READS = 3
MAX_DELAY_SECONDS = 0.3
STANDS_STILL_SECONDS = 0.8
GOES_ON_SECONDS = 0.4
MAX_REFUSED_SHARE = 0.01  # a machine that others use as well may be late once in a while, never wrong

STAGES = {"held": 0, "confirmed": 1, "cancelled": 1}


def name_number(page: dict[str, Any]) -> int:
    """How often an event has been renamed, by its page."""
    return int(page["name"].split()[1])


def stage(booking: dict[str, Any]) -> int:
    """How far a booking has come."""
    return STAGES[booking["status"]]


@dataclass
class SharedEvent:
    """An event that many sessions rename: each name carries a number, one higher than the one before."""

    id: int
    authorization: str
    word: str
    renamed: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class Findings:
    """What all sessions of one kind saw together."""

    reads: Counter[str] = field(default_factory=Counter)
    older: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{dict(self.reads)}, {len(self.older)} times older than known"


class Session:
    """One person's client, which moves from region to region, with or without its token."""

    def __init__(
        self,
        clients: dict[str, httpx.AsyncClient],
        findings: Findings,
        chance: random.Random,
        *,
        brings_token: bool,
    ) -> None:
        self._clients = clients
        self._findings = findings
        self._brings_token = brings_token
        self._chance = chance
        self._token: str | None = None

    async def ask(
        self, method: str, path: str, authorization: str, json: object = None, *, region: str = ""
    ) -> httpx.Response:
        """One request in `region`, or anywhere; what it answers as a token is kept."""
        client = self._clients[region or self._chance.choice(REGIONS)]
        headers = {"Authorization": authorization}
        if self._brings_token and self._token:
            headers[CONSISTENCY_HEADER] = self._token
        answer = await client.request(method, path, json=json, headers=headers)
        self._token = answer.headers.get(CONSISTENCY_HEADER, self._token)
        return answer

    async def rename_and_read(self, event: SharedEvent) -> None:
        """Rename the event, then look at its page in several regions."""
        path = f"/api/v1/events/{event.id}"
        async with event.turn:
            number = event.renamed + 1
            answer = await self.ask("PUT", path, event.authorization, {"name": f"{event.word} {number}"})
            assert answer.status_code == 200, answer.text
            event.renamed = number
        await self._read(path, event.authorization, number, name_number)

    async def book_and_read(self, event: SharedEvent, customer: str) -> None:
        """Book or order, confirm or cancel, then look at it in several regions."""
        seat = {"event_id": event.id, "quantity": 1}
        kind, body = self._chance.choice((("bookings", seat), ("orders", {"items": [seat]})))
        booked = await self.ask("POST", f"/api/v1/{kind}", customer, body)
        assert booked.status_code == 201, booked.text
        path = f"/api/v1/{kind}/{booked.json()['id']}"
        last_step = self._chance.choice(("confirm", "cancel"))
        assert (await self.ask("PUT", f"{path}/{last_step}", customer)).status_code == 200
        await self._read(path, customer, STAGES["confirmed"], stage)

    async def look_around(self, event: SharedEvent, regions: Sequence[str]) -> None:
        """Only look at an event's page, region by region."""
        path = f"/api/v1/events/{event.id}"
        await self._read(path, event.authorization, 0, name_number, regions)

    async def _read(
        self,
        path: str,
        authorization: str,
        known: int,
        state_of: Callable[[dict[str, Any]], int],
        regions: Sequence[str] = (),
    ) -> None:
        """Reads one after the other; none may tell less than what was known before it."""
        for region in regions or [self._chance.choice(REGIONS) for _ in range(READS)]:
            await asyncio.sleep(self._chance.choice((0, self._chance.uniform(0, MAX_DELAY_SECONDS))))
            answer = await self.ask("GET", path, authorization, region=region)
            # Without a token a region may not even know the thing yet.
            state = state_of(answer.json()) if answer.status_code == 200 else -1
            if answer.status_code == 503:
                self._findings.reads["refused"] += 1
                continue
            self._findings.reads["primary" if answer.headers.get("X-Data-Age-Ms") == "0" else "region"] += 1
            if state < known:
                self._findings.older.append(f"{region} {path}: {state} after {known}")
            known = max(known, state)


@asynccontextmanager
async def standing_still_now_and_then(three: Platform, region: str) -> AsyncIterator[None]:
    """The region's reader stops replaying for a while, again and again; it goes on when the block ends."""
    url = connection_url(three.database_url("postgres", "reader", region), application_name="tests")

    async def stop_and_go() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as reader:
            while True:
                await reader.execute("SELECT pg_wal_replay_pause()")
                await asyncio.sleep(STANDS_STILL_SECONDS)
                await reader.execute("SELECT pg_wal_replay_resume()")
                await asyncio.sleep(GOES_ON_SECONDS)

    task = asyncio.create_task(stop_and_go())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as reader:
            await reader.execute("SELECT pg_wal_replay_resume()")


async def sessions(
    three: Platform,
    events: Sequence[SharedEvent],
    customers: Sequence[str],
    *,
    count: int,
    brings_token: bool,
) -> Findings:
    """So many sessions of all kinds, at most 50 at a time."""
    findings, chance, room = Findings(), random.Random(4), asyncio.Semaphore(TOGETHER)
    limits = httpx.Limits(max_connections=TOGETHER)
    clients = {
        region: httpx.AsyncClient(base_url=gateway(three, region), timeout=20, limits=limits)
        for region in REGIONS
    }

    async def one(number: int) -> None:
        async with room:
            session = Session(clients, findings, chance, brings_token=brings_token)
            event = events[number % len(events)]
            if number % 2:
                await session.book_and_read(event, customers[number % len(customers)])
            else:
                await session.rename_and_read(event)
            if number % 10 == 0:
                await session.look_around(event, ("eu", "us", "ap", "us"))

    try:
        async with standing_still_now_and_then(three, "us"), asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(one(number))
    finally:
        for client in clients.values():
            await client.aclose()
    return findings


def shared_events(host: Person) -> list[SharedEvent]:
    found = []
    for _ in range(20):
        word = unique("shared")
        event = host.create_event(name=f"{word} 0", available_seats=200)
        found.append(SharedEvent(event["id"], host.client.headers["Authorization"], word))
    return found


async def test_sessions_never_see_anything_older_than_their_token(
    three: Platform, everywhere: dict[str, People]
) -> None:
    events = shared_events(everywhere["us"].sign_up("host"))
    customers = [
        everywhere[region].sign_up("customer").client.headers["Authorization"]
        for region in REGIONS
        for _ in range(3)
    ]
    with links_changed(three, ("eu-ap", "--delay-ms", "40")):
        began = time.monotonic()
        control = await sessions(three, events, customers, count=SESSIONS_WITHOUT_TOKEN, brings_token=False)
        print(f"\n  without a token: {control}", end="")
        found = await sessions(three, events, customers, count=SESSIONS, brings_token=True)
        print(f"\n  with it: {found}; all in {time.monotonic() - began:.1f} s", end="")
    assert control.older, "the control: without the token, staleness is seen"
    assert not found.older
    assert found.reads["region"] > found.reads["primary"] > 0
    assert found.reads["refused"] <= MAX_REFUSED_SHARE * found.reads.total()

"""How long after its creation an event is found. In open loop: creations start by the clock.

One loop a region asks for all events that are not yet found there, by their dates, which no other event has:
a question for each of them would load the machine the more, the slower the platform is. It asks the region's
Elasticsearch, through the alias that `read_api` searches, and only for names: what `read_api` adds to one
(parsing, facets, whole documents) takes much of the cores that are measured, though it makes no event visible
earlier or later. So a person waits for the seconds told here and then for one search; how long that takes is
measured as well, when all is done, and with it that `read_api` finds every event in every region.
With several regions an event counts as found when it is found in the last of them.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from contracts.names import EVENTS_ALIAS
from tests.people import unique

POLL_PAUSE_SECONDS = 0.06  # three regions are asked at once, and what asks must not be the load
DEADLINE_SECONDS = 30.0
PAGE_SIZE = 100
CHECKED_AT_ONCE = 50  # half a page, in case that another run has taken the same dates
EARLIEST_START = datetime(2040, 1, 1, tzinfo=UTC)


@dataclass
class CreateToSearch:
    """Seconds from the moment an event was due to be sent until it was answered, and until it was found.

    `searches` are the seconds of each search that `read_api` was asked afterwards; `not_found_by_read_api` is
    what some region did not find then.
    """

    answered: dict[int, float] = field(default_factory=dict)
    searchable: dict[int, float] = field(default_factory=dict)
    polls: int = 0
    searches: list[float] = field(default_factory=list)
    not_found_by_read_api: set[int] = field(default_factory=set)


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: list[float]) -> float:
    return statistics.median(values)


@dataclass(frozen=True)
class Addresses:
    """Of a platform: where events are made, and of each region where they are looked for and searched."""

    gateway: str
    elasticsearch: Sequence[str]
    read_api: Sequence[str]


async def measure(where: Addresses, *, token: str, count: int, per_second: float) -> CreateToSearch:
    """Creates `count` events through the gateway at `per_second`; looks for them until all have all."""
    headers = {"Authorization": f"Bearer {token}"}
    result = CreateToSearch()
    async with AsyncExitStack() as stack:

        async def client(url: str, **options: Any) -> httpx.AsyncClient:
            return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10, **options))

        writer = await client(where.gateway, headers=headers)
        indexes = [await client(url) for url in where.elasticsearch]
        start = time.monotonic() + 0.1
        events = _Events([start + number / per_second for number in range(count)])
        finding = [asyncio.create_task(_find(index, events)) for index in indexes]
        await asyncio.gather(*(_create(writer, events, number, result) for number in range(count)))
        found = [await task for task in finding]
        for url in where.read_api:
            await _search(await client(url), events, result)
    result.polls = sum(polls for polls, _ in found)
    for number in set.intersection(*(set(searchable) for _, searchable in found)):
        result.searchable[number] = max(searchable[number] for _, searchable in found)
    return result


class _Events:
    """Events of one run: their name is a word that no other run has, their dates are a minute apart.

    `due` tells for each when it is to be sent, on the clock of `time.monotonic`.
    """

    def __init__(self, due: Sequence[float]) -> None:
        self.due = due
        self._word = unique("bench")
        # Runs on one platform seldom share dates; where they do, the word tells them apart.
        self._first_start = EARLIEST_START + timedelta(days=random.randrange(10_000))

    def start_at(self, number: int) -> str:
        return (self._first_start + timedelta(minutes=number)).isoformat()

    def body(self, number: int) -> dict[str, Any]:
        return {
            "name": f"{self._word} {number}",
            "available_seats": 100,
            "start_at": self.start_at(number),
            "location": "Frankfurt",
            "category": "MUSIC",
            "price": 10.5,
            "status": "active",
        }

    def number_of(self, name: str) -> int | None:
        """Which of them has this name, which folding leaves as it is; None if it is of another run."""
        word, _, number = name.rpartition(" ")
        return int(number) if word == self._word else None


async def _create(writer: httpx.AsyncClient, events: _Events, number: int, result: CreateToSearch) -> None:
    await asyncio.sleep(max(0.0, events.due[number] - time.monotonic()))
    answer = await writer.post("/api/v1/events", json=events.body(number))
    answer.raise_for_status()
    result.answered[number] = time.monotonic() - events.due[number]


async def _find(index: httpx.AsyncClient, events: _Events) -> tuple[int, dict[int, float]]:
    """How often it asked, and seconds until each was found; gives up 30 s after the last was due.

    It asks again and again for those from the first that is missing on.
    """
    missing, searchable, polls = set(range(len(events.due))), dict[int, float](), 0
    while missing and time.monotonic() < events.due[-1] + DEADLINE_SECONDS:
        dates = {"gte": events.start_at(min(missing)), "lte": events.start_at(max(missing))}
        answer = await index.post(
            f"/{EVENTS_ALIAS}/_search",
            params={"filter_path": "hits.hits.fields"},
            json={
                "query": {"range": {"start_at": dates}},
                "size": PAGE_SIZE,
                "_source": False,
                "fields": ["name_key"],
                "track_total_hits": False,
            },
        )
        now = time.monotonic()
        polls += 1
        for hit in answer.raise_for_status().json().get("hits", {}).get("hits", []):
            number = events.number_of(hit["fields"]["name_key"][0])
            if number in missing:
                missing.remove(number)
                searchable[number] = now - events.due[number]
        await asyncio.sleep(POLL_PAUSE_SECONDS)
    return polls, searchable


async def _search(reader: httpx.AsyncClient, events: _Events, result: CreateToSearch) -> None:
    """Searches one region's `read_api` for all of them, fifty at a time, as a person might."""
    count = len(events.due)
    missing = set(range(count))
    for first in range(0, count, CHECKED_AT_ONCE):
        criteria = {
            "start_from": events.start_at(first),
            "start_to": events.start_at(first + CHECKED_AT_ONCE - 1),
            "sort": "date",
            "page_size": PAGE_SIZE,
        }
        start = time.monotonic()
        answer = await reader.post("/api/v1/search/events", json=criteria)
        result.searches.append(time.monotonic() - start)
        missing -= {events.number_of(event["name"]) for event in answer.raise_for_status().json()["events"]}
    result.not_found_by_read_api |= missing

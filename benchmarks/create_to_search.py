"""How long after its creation an event is found. In open loop: creations start by the clock.

One loop a region asks for all events that are not yet found there, by their dates, which no other event has:
a question for each of them would load the machine the more, the slower the platform is, and a search by words
takes more of the cores that are measured.
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

from tests.people import unique

POLL_PAUSE_SECONDS = 0.02  # three regions are asked at once, and what asks must not be the load
DEADLINE_SECONDS = 30.0
PAGE_SIZE = 100
EARLIEST_START = datetime(2040, 1, 1, tzinfo=UTC)


@dataclass
class CreateToSearch:
    """Seconds from the moment an event was due to be sent until it was answered, and until it was found."""

    answered: dict[int, float] = field(default_factory=dict)
    searchable: dict[int, float] = field(default_factory=dict)
    polls: int = 0


def percentile(values: list[float], share: float) -> float:
    """The smallest value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: list[float]) -> float:
    return statistics.median(values)


async def measure(
    *, gateway_url: str, read_api_urls: Sequence[str], token: str, count: int, per_second: float
) -> CreateToSearch:
    """Creates `count` events through the gateway at `per_second`; looks for them until all have all."""
    headers = {"Authorization": f"Bearer {token}"}
    result = CreateToSearch()
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(
            httpx.AsyncClient(base_url=gateway_url, headers=headers, timeout=10)
        )
        readers = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10))
            for url in read_api_urls
        ]
        start = time.monotonic() + 0.1
        events = _Events([start + number / per_second for number in range(count)])
        finding = [asyncio.create_task(_find(reader, events)) for reader in readers]
        await asyncio.gather(*(_create(writer, events, number, result) for number in range(count)))
        found = [await task for task in finding]
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
        """Which of them has this name; None if it is of another run."""
        word, _, number = name.rpartition(" ")
        return int(number) if word == self._word else None


async def _create(writer: httpx.AsyncClient, events: _Events, number: int, result: CreateToSearch) -> None:
    await asyncio.sleep(max(0.0, events.due[number] - time.monotonic()))
    answer = await writer.post("/api/v1/events", json=events.body(number))
    answer.raise_for_status()
    result.answered[number] = time.monotonic() - events.due[number]


async def _find(reader: httpx.AsyncClient, events: _Events) -> tuple[int, dict[int, float]]:
    """How often it asked, and seconds until each was found; gives up 30 s after the last was due.

    It asks again and again for those from the first that is missing on.
    """
    missing, searchable, polls = set(range(len(events.due))), dict[int, float](), 0
    while missing and time.monotonic() < events.due[-1] + DEADLINE_SECONDS:
        criteria = {"start_from": events.start_at(min(missing)), "sort": "date", "page_size": PAGE_SIZE}
        answer = await reader.post("/api/v1/search/events", json=criteria)
        now = time.monotonic()
        polls += 1
        for event in answer.raise_for_status().json()["events"]:
            number = events.number_of(event["name"])
            if number in missing:
                missing.remove(number)
                searchable[number] = now - events.due[number]
        await asyncio.sleep(POLL_PAUSE_SECONDS)
    return polls, searchable

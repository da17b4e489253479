"""How long after its creation an event is found. In open loop: creations start by the clock.

One loop a region asks for all events that are not yet found there, by a word that only they have, as fast
as it is answered: a question for each of them would load the machine the more, the slower the platform is.
With several regions an event counts as found when it is found in the last of them.
"""

import asyncio
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
FIRST_START = datetime(2040, 1, 1, tzinfo=UTC)


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
    word, result = unique("bench"), CreateToSearch()
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(
            httpx.AsyncClient(base_url=gateway_url, headers=headers, timeout=10)
        )
        readers = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=10))
            for url in read_api_urls
        ]
        start = time.monotonic() + 0.1
        due = [start + number / per_second for number in range(count)]
        finding = [asyncio.create_task(_find(reader, word, due)) for reader in readers]
        await asyncio.gather(*(_create(writer, word, number, due[number], result) for number in range(count)))
        found = [await task for task in finding]
    result.polls = sum(polls for polls, _ in found)
    for number in set.intersection(*(set(searchable) for _, searchable in found)):
        result.searchable[number] = max(searchable[number] for _, searchable in found)
    return result


async def _create(
    writer: httpx.AsyncClient, word: str, number: int, due: float, result: CreateToSearch
) -> None:
    await asyncio.sleep(max(0.0, due - time.monotonic()))
    answer = await writer.post("/api/v1/events", json=_event(word, number))
    answer.raise_for_status()
    result.answered[number] = time.monotonic() - due


async def _find(reader: httpx.AsyncClient, word: str, due: list[float]) -> tuple[int, dict[int, float]]:
    """How often it asked, and seconds until each was found; gives up 30 s after the last was due.

    It asks again and again for those from the first that is missing on.
    """
    missing, searchable, polls = set(range(len(due))), dict[int, float](), 0
    while missing and time.monotonic() < due[-1] + DEADLINE_SECONDS:
        criteria = {
            "name": word,
            "start_from": _start(min(missing)).isoformat(),
            "sort": "date",
            "page_size": PAGE_SIZE,
        }
        answer = await reader.post("/api/v1/search/events", json=criteria)
        now = time.monotonic()
        polls += 1
        for event in answer.raise_for_status().json()["events"]:
            number = int(event["name"].rpartition(" ")[2])
            if number in missing:
                missing.remove(number)
                searchable[number] = now - due[number]
        await asyncio.sleep(POLL_PAUSE_SECONDS)
    return polls, searchable


def _start(number: int) -> datetime:
    return FIRST_START + timedelta(minutes=number)


def _event(word: str, number: int) -> dict[str, Any]:
    return {
        "name": f"{word} {number}",
        "available_seats": 100,
        "start_at": _start(number).isoformat(),
        "location": "Frankfurt",
        "category": "MUSIC",
        "price": 10.5,
        "status": "active",
    }

"""Sends events in batches, a few at a time, and tells of each line what became of it."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol

from cli.frontrow_api import BulkOutcome, FrontrowApi, RequestRefusedError
from cli.importing.event_lines import EventLine, RefusedLine

# The API's own bounds for one request: events, seats to make, and 4 MiB of body.
MAX_BATCH_EVENTS = 200
MAX_BATCH_SEATS = 100_000
MAX_BATCH_BYTES = 3 * 1024 * 1024
CONCURRENT_BATCHES = 3

Item = EventLine | RefusedLine


class Ledger(Protocol):
    """Keeps count of what became of each line."""

    def created(self, line: int) -> None:
        """A new event was made."""

    def existing(self, line: int) -> None:
        """The event was there already."""

    def refused(self, line: int, reason: str) -> None:
        """The line is no event, or the API refused it."""


def batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Groups items in order so that each group fits one request; lines that are no events ride along."""
    batch: list[Item] = []
    seats = size = 0
    for item in items:
        item_seats, item_size = (item.seats, len(item.body) + 1) if isinstance(item, EventLine) else (0, 0)
        is_full = (
            len(batch) >= MAX_BATCH_EVENTS
            or seats + item_seats > MAX_BATCH_SEATS
            or size + item_size > MAX_BATCH_BYTES
        )
        if batch and is_full:
            yield batch
            batch, seats, size = [], 0, 0
        batch.append(item)
        seats, size = seats + item_seats, size + item_size
    if batch:
        yield batch


async def upload(items: Iterator[Item], api: FrontrowApi, ledger: Ledger) -> None:
    """Sends everything; at most three batches are on their way and one is being read. Raises ApiError."""
    waiting: asyncio.Queue[list[Item] | None] = asyncio.Queue(maxsize=1)
    groups = batches(items)

    async def read() -> None:
        while (batch := await asyncio.to_thread(next, groups, None)) is not None:
            await waiting.put(batch)
        for _ in range(CONCURRENT_BATCHES):
            await waiting.put(None)

    async def send() -> None:
        while (batch := await waiting.get()) is not None:
            await _send_batch(batch, api, ledger)

    tasks = [asyncio.create_task(read()), *(asyncio.create_task(send()) for _ in range(CONCURRENT_BATCHES))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _send_batch(batch: Sequence[Item], api: FrontrowApi, ledger: Ledger) -> None:
    events = [item for item in batch if isinstance(item, EventLine)]
    outcomes = dict(zip([event.number for event in events], await _outcomes(events, api), strict=True))
    for item in batch:
        if isinstance(item, RefusedLine):
            ledger.refused(item.number, item.reason)
            continue
        outcome = outcomes[item.number]
        if outcome.status == "created":
            ledger.created(item.number)
        elif outcome.status == "existing":
            ledger.existing(item.number)
        else:
            ledger.refused(item.number, outcome.reason)


async def _outcomes(events: Sequence[EventLine], api: FrontrowApi) -> list[BulkOutcome]:
    """What became of each; a request that is refused whole is halved until the event it was for is alone."""
    if not events:
        return []
    try:
        return await api.create_events([event.body for event in events])
    except RequestRefusedError as refusal:
        if len(events) == 1:
            return [BulkOutcome("refused", str(refusal))]
    middle = len(events) // 2
    return [*await _outcomes(events[:middle], api), *await _outcomes(events[middle:], api)]

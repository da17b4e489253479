"""However many wait for a source, it is asked once for all, and nobody is let go before it is there."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.consistency_token import Position
from read_api.positions import PositionUnknownError, PositionWatch
from tests.people import DEADLINE_SECONDS

POSITIONS = st.builds(Position, st.integers(0, 3), st.integers(0, 3))


class Source:
    """A source whose position the test moves; it can be asked one question at a time."""

    def __init__(self) -> None:
        self.position: Position | None = Position(1, 100)
        self.asked = 0
        self.asked_together = 0
        self.fails = False
        self.was_asked = asyncio.Semaphore(0)
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self) -> Position | None:
        self.asked += 1
        self.was_asked.release()
        self.asked_together += 1
        assert self.asked_together == 1, "two questions at a time"
        seen = self.position
        await self.answers.wait()
        self.asked_together -= 1
        if self.fails:
            raise OSError("away")
        return seen


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def watch(source: Source) -> AsyncIterator[PositionWatch]:
    watch = PositionWatch("source", source, poll_seconds=0.001, max_waiting=1000)
    async with watch.watching():
        yield watch


async def asked(source: Source, times: int = 2) -> None:
    """Until the source has been asked so many times more."""
    source.was_asked = asyncio.Semaphore(0)
    async with asyncio.timeout(DEADLINE_SECONDS):
        for _ in range(times):
            await source.was_asked.acquire()


async def test_a_thousand_who_wait_are_one_question_at_a_time(watch: PositionWatch, source: Source) -> None:
    waiting = [
        asyncio.create_task(watch.reached(Position(1, 101), wait_seconds=DEADLINE_SECONDS))
        for _ in range(1000)
    ]
    await asked(source)
    assert not any(one.done() for one in waiting)
    assert not await watch.reached(Position(1, 0), wait_seconds=1), "beyond the bound nobody waits"
    source.position = Position(1, 101)
    assert await asyncio.gather(*waiting) == [True] * 1000


async def test_what_was_asked_before_the_call_does_not_count(watch: PositionWatch, source: Source) -> None:
    source.answers.clear()
    first = asyncio.create_task(watch.now(wait_seconds=DEADLINE_SECONDS))
    await asked(source, 1)
    source.position = Position(1, 200)
    second = asyncio.create_task(watch.now(wait_seconds=DEADLINE_SECONDS))
    await asyncio.sleep(0)
    source.answers.set()
    assert (await first, await second) == (Position(1, 100), Position(1, 200))


@given(POSITIONS, POSITIONS)
def test_there_is_who_is_as_far_or_of_a_later_generation(here: Position, wanted: Position) -> None:
    async def is_reached() -> bool:
        async def ask() -> Position:
            return here

        watch = PositionWatch("source", ask, poll_seconds=0.001)
        async with watch.watching():
            return await watch.reached(wanted, wait_seconds=0.02)

    expected = here.generation > wanted.generation or (
        here.generation == wanted.generation and here.lsn >= wanted.lsn
    )
    assert asyncio.run(is_reached()) is expected


async def test_a_source_that_fails_or_does_not_know_is_asked_again_by_who_waits_for_it(
    watch: PositionWatch, source: Source
) -> None:
    source.fails = True
    with pytest.raises(PositionUnknownError):
        await watch.now(wait_seconds=DEADLINE_SECONDS)
    waiting = asyncio.create_task(watch.reached(Position(1, 1), wait_seconds=DEADLINE_SECONDS))
    await asked(source)
    source.fails, source.position = False, None
    await asked(source)
    assert not waiting.done()
    source.position = Position(1, 1)
    assert await waiting


async def test_a_source_that_is_silent_costs_no_more_than_was_allowed(
    watch: PositionWatch, source: Source
) -> None:
    source.answers.clear()
    assert not await watch.reached(Position(1, 1), wait_seconds=0.01)
    with pytest.raises(PositionUnknownError, match="in time"):
        await watch.now(wait_seconds=0.01)
    source.answers.set()
    assert await watch.reached(Position(1, 1), wait_seconds=DEADLINE_SECONDS)


async def test_nobody_is_asked_for_nobody(watch: PositionWatch, source: Source) -> None:
    await watch.now(wait_seconds=DEADLINE_SECONDS)
    for _ in range(50):
        await asyncio.sleep(0)
    assert source.asked == 1

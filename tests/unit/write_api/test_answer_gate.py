"""The gate lets an answer go when what was committed before it is confirmed, and not before."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest

from service_kit.background import running
from tests.people import DEADLINE_SECONDS
from write_api import answer_gate
from write_api.answer_gate import (
    REMEMBERED_CONFIRMATIONS,
    AnswerGate,
    NotConfirmedError,
    QuorumFlush,
    WalSample,
)


class Log:
    """A confirmation rule over positions that the test moves."""

    durability = "quorum"

    def __init__(self) -> None:
        self.flushed = 100
        self.confirmed = 0
        self.samples = 0
        self.is_away = False
        self.sampled = asyncio.Semaphore(0)

    async def sample(self) -> WalSample:
        self.samples += 1
        self.sampled.release()
        if self.is_away:
            raise psycopg.OperationalError("away")
        return WalSample(self.flushed, self.confirmed, datetime.now(UTC))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def gate(log: Log) -> AsyncIterator[AnswerGate]:
    gate = AnswerGate(log, wait_seconds=DEADLINE_SECONDS, max_waiting=3, poll_seconds=0.001)
    async with running("gate", gate.run):
        yield gate


async def until_sampled(log: Log, times: int = 3) -> None:
    """Until whoever waits now was certainly part of a sample."""
    log.sampled = asyncio.Semaphore(0)
    async with asyncio.timeout(DEADLINE_SECONDS):
        for _ in range(times):
            await log.sampled.acquire()


async def test_an_answer_waits_for_its_own_position_and_not_for_later_ones(
    gate: AnswerGate, log: Log
) -> None:
    first = asyncio.create_task(gate.confirmed())
    await until_sampled(log)
    log.flushed = 200
    second = asyncio.create_task(gate.confirmed())
    await until_sampled(log)
    log.confirmed = 99
    await until_sampled(log)
    assert not first.done()
    log.confirmed = 100
    await first
    await until_sampled(log)
    assert not second.done()
    log.confirmed = 200
    await second


async def test_one_poll_serves_all_and_nobody_polls_for_nobody(gate: AnswerGate, log: Log) -> None:
    log.confirmed = log.flushed
    await asyncio.gather(*(gate.confirmed() for _ in range(3)))
    assert log.samples == 1
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(50)))
    assert log.samples == 1
    assert gate.waiting == 0


async def test_who_is_not_confirmed_in_time_is_told_so_and_forgotten(gate: AnswerGate, log: Log) -> None:
    with pytest.raises(NotConfirmedError):
        await gate.confirmed(wait_seconds=0.01)
    assert gate.waiting == 0
    log.confirmed = log.flushed
    await gate.confirmed()


async def test_beyond_the_bound_nobody_waits(gate: AnswerGate, log: Log) -> None:
    waiting = [asyncio.create_task(gate.confirmed()) for _ in range(3)]
    await until_sampled(log)
    with pytest.raises(NotConfirmedError, match="wait already"):
        await gate.confirmed()
    log.confirmed = log.flushed
    await asyncio.gather(*waiting)


async def test_a_database_that_is_away_confirms_nothing_until_it_is_back(gate: AnswerGate, log: Log) -> None:
    log.is_away = True
    log.confirmed = log.flushed
    waiting = asyncio.create_task(gate.confirmed())
    await until_sampled(log, 2)
    assert not waiting.done()
    log.is_away = False
    await waiting


@pytest.mark.parametrize(("members", "required"), [([], 1), ([], 0), (["us"], 0), (["us", "us"], 2)])
def test_a_quorum_that_anyone_could_fill_is_refused(members: list[str], required: int) -> None:
    with pytest.raises(ValueError, match="quorum"):
        QuorumFlush(None, members=members, required=required)  # type: ignore[arg-type]


async def test_nobody_polls_before_a_confirmation_is_due_and_whoever_comes_is_sampled_at_once(
    log: Log,
) -> None:
    """Once it is known how long one takes; whoever arrives meanwhile is sampled at once."""
    gate = AnswerGate(log, wait_seconds=DEADLINE_SECONDS, poll_seconds=0.001)
    async with running("gate", gate.run):
        for _ in range(REMEMBERED_CONFIRMATIONS):
            waiting = asyncio.create_task(gate.confirmed())
            await until_sampled(log, 1)
            await asyncio.sleep(0.05)  # how long it takes
            log.confirmed = log.flushed
            await waiting
            log.flushed += 1
        samples = log.samples
        first = asyncio.create_task(gate.confirmed())
        await until_sampled(log, 1)
        log.flushed += 1
        second = asyncio.create_task(gate.confirmed())
        await until_sampled(log, 1)
        log.confirmed = log.flushed
        await asyncio.gather(first, second)
        assert log.samples - samples < 10


FAR_SECONDS = 0.1


async def wait_after_members_came_near(log: Log) -> float:
    """Seconds that one waits who comes somewhat later, where confirmations took `FAR_SECONDS` before."""
    gate = AnswerGate(log, wait_seconds=DEADLINE_SECONDS, poll_seconds=0.001)
    clock = asyncio.get_running_loop().time
    waits = []
    async with running("gate", gate.run):
        for _ in range(REMEMBERED_CONFIRMATIONS):
            log.flushed += 1
            waiting = asyncio.create_task(gate.confirmed(log.flushed))
            await asyncio.sleep(FAR_SECONDS)
            log.confirmed = log.flushed
            await waiting
        for _ in range(3 * REMEMBERED_CONFIRMATIONS):
            log.flushed = log.confirmed = log.flushed + 1
            began = clock()
            await gate.confirmed(log.flushed)
            waits.append(clock() - began)
    return statistics.median(waits[-5:])


async def test_members_that_came_near_are_noticed_soon(log: Log) -> None:
    assert await wait_after_members_came_near(log) < FAR_SECONDS / 4


async def test_who_takes_the_first_sample_for_the_confirmation_does_not_notice(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    monkeypatch.setattr(answer_gate, "UNSEEN_SHARE", 1.0)
    with pytest.raises(AssertionError):
        assert await wait_after_members_came_near(log) < FAR_SECONDS / 4


async def test_who_knows_the_position_waits_for_it_and_for_nothing_later(log: Log) -> None:
    gate = AnswerGate(log, wait_seconds=DEADLINE_SECONDS, poll_seconds=0.001)
    async with running("gate", gate.run):
        log.flushed = 200
        waiting = asyncio.create_task(gate.confirmed(100))
        await until_sampled(log)
        assert not waiting.done()
        log.confirmed = 100
        assert (await waiting).lsn == 100

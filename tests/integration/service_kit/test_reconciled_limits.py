"""Limits that are decided at once in each process and reconciled through a real Redis."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing

import pytest

from service_kit import rate_limits
from service_kit.rate_limits import Limit, RateLimiter, Taken
from service_kit.reconciled_limits import MAX_KEYS_PER_SCRIPT, ReconciledLimiter
from tests.integration.write_api.application import eventually
from tests.people import unique
from tests.scratch_redis import ScratchRedis, scratch_redis

HOURS = 36_000
"""So long that nothing is paid back while a test runs."""


@pytest.fixture(scope="module")
def redis() -> Iterator[ScratchRedis]:
    with scratch_redis() as server:
        yield server


@pytest.fixture
async def processes(redis: ScratchRedis) -> AsyncIterator[list[ReconciledLimiter]]:
    """Three processes' limiters on the same Redis."""
    found = [ReconciledLimiter(redis.url) for _ in range(3)]
    yield found
    for one in found:
        await one.close()


def limit_of(count: int, seconds: float = HOURS) -> Limit:
    """A limit that no other test counts under."""
    return Limit(unique("limit"), count, seconds)


def is_allowed(process: ReconciledLimiter, limit: Limit, key: str = "key", count: int = 1) -> bool:
    return process.take((limit, key), count=count)[0].retry_after_seconds == 0


def numbers(taken: list[Taken]) -> list[tuple[int, bool]]:
    """What is left, and whether the request is within the limit; times differ by what has passed."""
    return [(one.remaining, one.retry_after_seconds == 0) for one in taken]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("seed", range(5))
async def test_one_process_alone_decides_as_redis_would_however_it_reconciles(
    redis: ScratchRedis, processes: list[ReconciledLimiter], seed: int
) -> None:
    chance, strict = random.Random(seed), RateLimiter(redis.url)
    pairs = [tuple(limit_of(count) for _ in range(2)) for count in (25, 40)]
    for _ in range(150):
        names, count = [chance.choice("abc"), chance.choice("xy")], chance.randint(1, 3)
        asked, as_strict = (
            [(pair[which], name) for pair, name in zip(pairs, names, strict=True)] for which in range(2)
        )
        told = processes[0].take(*asked, count=count)
        assert numbers(told) == numbers(await strict.take(*as_strict, count=count))
        if chance.random() < 0.3:
            await processes[0].reconcile()
    await strict.close()


@pytest.mark.parametrize("share", [1, 7, 50])
async def test_processes_allow_together_what_one_may_and_what_the_others_take_between_reconciliations(
    processes: list[ReconciledLimiter], share: int
) -> None:
    limit = limit_of(50)
    allowed, alone = 0, [ReconciledLimiter(None) for _ in processes]
    for _ in range(100):
        allowed += sum(is_allowed(one, limit) for one in processes for _ in range(share))
        await asyncio.gather(*(one.reconcile() for one in processes))
    assert 50 <= allowed <= 50 + (len(processes) - 1) * share
    assert not any(is_allowed(one, limit) for one in processes)
    without = sum(is_allowed(one, limit) for one in alone for _ in range(100))
    assert without == 50 * len(alone), "without reconciliation each allows the whole limit"


async def test_what_only_redis_refuses_is_refused_by_whoever_asks_after_its_first_request(
    processes: list[ReconciledLimiter],
) -> None:
    limit = limit_of(20)
    assert all(is_allowed(processes[0], limit) for _ in range(20))
    await processes[0].reconcile()
    assert is_allowed(processes[1], limit), "nothing is known here yet"
    await processes[1].reconcile()
    [refused] = processes[1].take((limit, "key"))
    # 21 are owed: before another is allowed, two must be paid back.
    assert 2 * HOURS / 20 - 60 < refused.retry_after_seconds <= 2 * HOURS / 20

    assert is_allowed(processes[2], limit)
    await eventually("the third process hears of it", refuses(processes[2], limit, most=20))


def refuses(process: ReconciledLimiter, limit: Limit, *, most: int) -> "Callable[[], asyncio.Future[bool]]":
    """Asks once each time, and fails if that was allowed so often that the process refuses by itself."""
    allowed = 0

    async def ask() -> bool:
        nonlocal allowed
        is_refused = not is_allowed(process, limit)
        allowed += not is_refused
        assert allowed < most - 1
        return is_refused

    return lambda: asyncio.ensure_future(ask())


async def test_what_several_processes_take_steadily_adds_up_though_each_is_always_paid_back(
    processes: list[ReconciledLimiter],
) -> None:
    """Each asks for four fifths of the rate, so alone it owes next to nothing whenever it tells."""
    limit, began = limit_of(60, 1.0), time.monotonic()
    asked = [0, 0]

    async def is_refused() -> bool:
        due = int((time.monotonic() - began) * 60 * 0.8)
        allowed = []
        for place in range(2):
            while asked[place] < due:
                asked[place] += 1
                allowed.append(is_allowed(processes[place], limit))
        return not all(allowed)

    await eventually("both together are refused", is_refused)


async def test_how_long_calls_are_under_way_is_never_added_to_what_is_owed(
    redis: ScratchRedis, processes: list[ReconciledLimiter]
) -> None:
    limit, owed_until = limit_of(50), []
    for _ in range(40):
        assert is_allowed(processes[0], limit)
        await processes[0].reconcile()
        owed_until.append(redis.number(f"limit:{limit.name}:key"))
    first = owed_until[0]
    assert owed_until == [first + one * limit.one_microseconds for one in range(40)]


async def test_what_is_taken_while_redis_is_asked_is_known_afterwards(
    processes: list[ReconciledLimiter],
) -> None:
    limit = limit_of(20)
    assert is_allowed(processes[0], limit, count=5)
    asking = asyncio.create_task(processes[0].reconcile())
    await asyncio.sleep(0)
    assert not processes[0]._untold, "it is under way"
    assert is_allowed(processes[0], limit, count=3)
    await asking
    assert numbers(processes[0].take((limit, "key"))) == [(11, True)]
    await processes[0].reconcile()
    processes[1].take((limit, "key"))
    await processes[1].reconcile()
    assert numbers(processes[1].take((limit, "key"))) == [(9, True)]


async def test_what_two_took_at_once_adds_up_though_it_is_paid_back_when_it_is_told(
    redis: ScratchRedis,
) -> None:
    """Else two processes that are busy at the beginning of each gathering would allow twice the limit."""
    limit, clock = limit_of(10, 4.0), Clock()
    both = [ReconciledLimiter(redis.url, clock=clock) for _ in range(2)]
    assert all(is_allowed(one, limit, count=2) for one in both)
    clock.now += 3 * 0.4
    for one in both:
        await one.reconcile()
    # Four take 1.6 s, of which 1.2 have passed: what one has taken is owed.
    assert numbers(both[1].take((limit, "key"))) == [(8, True)]
    for one in both:
        await one.close()


async def test_a_refused_request_is_told_of_none_of_its_limits(processes: list[ReconciledLimiter]) -> None:
    wide, narrow = limit_of(10), limit_of(1)
    for _ in range(5):
        processes[0].take((wide, "a"), (narrow, "b"))
    await processes[0].reconcile()
    processes[1].take((wide, "a"))
    await processes[1].reconcile()
    assert numbers(processes[1].take((wide, "a"), count=2)) == [(6, True)]


async def test_many_keys_are_told_in_calls_of_bounded_size(
    redis: ScratchRedis, processes: list[ReconciledLimiter]
) -> None:
    limit, keys = limit_of(1), 2 * MAX_KEYS_PER_SCRIPT + 50
    for number in range(keys):
        assert is_allowed(processes[0], limit, f"{number}")
    await processes[0].reconcile()
    assert len(redis.keys(f"limit:{limit.name}:*")) == keys
    for number in (0, keys - 1):
        assert is_allowed(processes[1], limit, f"{number}")
    await processes[1].reconcile()
    assert not any(is_allowed(processes[1], limit, f"{number}") for number in (0, keys - 1))


async def test_what_is_pending_is_told_at_the_end(
    redis: ScratchRedis, processes: list[ReconciledLimiter]
) -> None:
    limit, ending = limit_of(20), ReconciledLimiter(redis.url)
    assert is_allowed(ending, limit, count=7)
    await ending.close()
    processes[0].take((limit, "key"))
    await processes[0].reconcile()
    assert numbers(processes[0].take((limit, "key"))) == [(11, True)]


async def test_while_redis_is_away_each_counts_alone_and_tells_it_when_redis_is_back() -> None:
    with scratch_redis() as redis:
        first, second, third = (ReconciledLimiter(redis.url) for _ in range(3))
        limit = limit_of(20)
        assert is_allowed(first, limit, count=10)
        await first.reconcile()
        redis.kill()
        assert [is_allowed(first, limit) for _ in range(11)] == [True] * 10 + [False]
        assert [is_allowed(second, limit, "another", count=20) for _ in range(2)] == [True, False]
        assert all(is_allowed(one, limit, "of both", count=9) for one in (first, second))
        await asyncio.gather(first.reconcile(), second.reconcile())
        redis.start()

        async def are_told() -> bool:
            return len(redis.keys(f"limit:{limit.name}:*")) == 3 and not first._untold and not second._untold

        await eventually("both have told Redis", are_told)
        for key in ("key", "another", "of both"):
            assert is_allowed(third, limit, key)
        await third.reconcile()
        assert not any(is_allowed(third, limit, key) for key in ("key", "another")), "of the time before too"
        assert numbers(third.take((limit, "of both"))) == [(0, True)]
        for one in (first, second, third):
            await one.close()


async def test_who_counted_alone_for_long_is_not_refused_for_longer_than_a_limit_lasts(
    processes: list[ReconciledLimiter], redis: ScratchRedis
) -> None:
    """Two processes each allowed 20, and 40 more while those were paid back; told is one limit of each."""
    limit, clock = limit_of(20), Clock()
    alone = [ReconciledLimiter(redis.url, clock=clock) for _ in range(2)]
    assert all(is_allowed(one, limit, count=20) for one in alone)
    for _ in range(40):
        clock.now += HOURS / 20
        assert all(is_allowed(one, limit) for one in alone)
    for one in alone:
        await one.reconcile()
    processes[0].take((limit, "key"))
    await processes[0].reconcile()
    [refused] = processes[0].take((limit, "key"))
    assert 22 * HOURS / 20 - 60 < refused.retry_after_seconds <= 22 * HOURS / 20
    for one in alone:
        await one.close()


async def test_what_was_paid_back_long_ago_is_not_told(
    redis: ScratchRedis, processes: list[ReconciledLimiter]
) -> None:
    limit, clock = limit_of(20), Clock()
    late = ReconciledLimiter(redis.url, clock=clock)
    late.take((limit, "key"), count=20)
    clock.now += HOURS + 2
    processes[0].take((limit, "key"))
    await processes[0].reconcile()
    before = redis.number(f"limit:{limit.name}:key")
    await late.close()
    assert not late._untold
    assert redis.number(f"limit:{limit.name}:key") == before


async def test_nobody_waits_for_a_redis_that_is_away_or_silent_and_memory_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_LOCAL_KEYS", 10)
    limit = limit_of(2)
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes connections, and never answers
        for port in (1, silent.getsockname()[1]):
            process = ReconciledLimiter(f"redis://127.0.0.1:{port}")
            for number in range(50):
                allowed = [is_allowed(process, limit, f"{number}") for _ in range(3)]
                assert allowed == [True, True, False]
            assert (len(process._local), len(process._untold)) == (10, 10)
            async with asyncio.timeout(5):
                await process.reconcile()
                assert len(process._untold) == 10, "it is told later"
                assert not is_allowed(process, limit, "49")
                await process.close()

"""Limits counted in a real Redis: together by all processes, and alone while it is away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
from redis.asyncio import Redis

from service_kit.rate_limits import Limit, RateLimiter, Taken
from tests.conftest import Platform
from tests.people import unique


@pytest.fixture
async def limiters(platform: Platform) -> AsyncIterator[list[RateLimiter]]:
    """Three processes' limiters on the same Redis."""
    found = [RateLimiter(f"redis://{platform.address('redis')}") for _ in range(3)]
    yield found
    for one in found:
        await one.close()


async def test_processes_count_together_and_exactly(limiters: list[RateLimiter]) -> None:
    limit, key = Limit(unique("limit"), 50, 3600), unique("key")
    taken = await asyncio.gather(*(limiters[n % 3].take((limit, key)) for n in range(120)))
    passed = [one.remaining for [one] in taken if one.retry_after_seconds == 0]
    assert sorted(passed) == list(range(50))


async def test_redis_and_the_process_count_alike(limiters: list[RateLimiter]) -> None:
    wide, narrow = Limit(unique("wide"), 5, 3600), Limit(unique("narrow"), 2, 3600)
    alone = RateLimiter(None)
    for _ in range(4):
        told = [await one.take((wide, "a"), (narrow, "b")) for one in (limiters[0], alone)]
        assert numbers(told[0]) == numbers(told[1])
    for one in (limiters[0], alone):
        await one.give_back((narrow, "b"))
    told = [await one.take((narrow, "b")) for one in (limiters[0], alone)]
    assert numbers(told[0]) == numbers(told[1]) == [(0, True)]


def numbers(taken: list[Taken]) -> list[tuple[int, bool]]:
    """What is left, and whether the request is within the limit; times differ by what has passed."""
    return [(one.remaining, one.retry_after_seconds == 0) for one in taken]


async def test_requests_of_one_turn_are_counted_one_after_the_other(limiters: list[RateLimiter]) -> None:
    """They share a round trip, and each is counted under both of its limits or under neither."""
    wide, narrow = Limit(unique("wide"), 30, 36_000), Limit(unique("narrow"), 4, 36_000)
    asked = [((wide, "all"), (narrow, str(number * number % 7))) for number in range(60)]
    alone = RateLimiter(None)
    together = await asyncio.gather(*(limiters[0].take(*one) for one in asked))
    assert [numbers(one) for one in together] == [numbers(await alone.take(*one)) for one in asked]
    given_back, taken = await asyncio.gather(
        limiters[0].give_back((narrow, "0")), limiters[0].take((narrow, "0"))
    )
    assert (numbers(given_back), numbers(taken)) == ([(1, True)], [(0, True)])


async def test_what_is_paid_back_leaves_nothing_in_redis(
    platform: Platform, limiters: list[RateLimiter]
) -> None:
    limit, key = Limit(unique("limit"), 1, 3600), unique("key")
    await limiters[0].take((limit, key))
    await limiters[1].give_back((limit, key))
    async with Redis.from_url(f"redis://{platform.address('redis')}") as redis:
        assert await redis.keys(f"*{key}") == []


async def test_without_redis_limits_hold_in_the_process_and_nobody_waits_long() -> None:
    limit = Limit("x", 2, 3600)
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # takes connections, and never answers
        for port in (1, silent.getsockname()[1]):
            limiter = RateLimiter(f"redis://127.0.0.1:{port}")
            async with asyncio.timeout(5):
                refused = [(await limiter.take((limit, "key")))[0].retry_after_seconds > 0 for _ in range(20)]
            assert refused == [False, False, *[True] * 18]
            await limiter.close()

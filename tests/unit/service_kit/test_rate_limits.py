"""The limits' arithmetic, counted in this process."""

import math

from hypothesis import given
from hypothesis import strategies as st

from service_kit import rate_limits
from service_kit.rate_limits import Limit, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(None, clock=clock)


@given(
    count=st.integers(1, 20),
    seconds=st.floats(0.5, 3600),
    steps=st.lists(st.floats(0, 1), min_size=1, max_size=60),
)
async def test_in_no_window_more_than_twice_the_limit_and_never_a_refusal_within_it(
    count: int, seconds: float, steps: list[float]
) -> None:
    """GCRA lets `count` at once, and what is paid back since: in any window w it is n + n at most."""
    clock, limit = Clock(), Limit("x", count, seconds)
    one = limiter(clock)
    passed: list[float] = []
    for step in steps:
        clock.now += step * seconds / count * 2
        [taken] = await one.take((limit, "key"))
        within = [at for at in passed if at > clock.now - seconds]
        if taken.retry_after_seconds == 0:
            passed.append(clock.now)
            assert len(within) < 2 * count
        else:
            assert len(within) >= count, "fewer than the limit within its time were refused"


@given(count=st.integers(1, 50), seconds=st.floats(1, 3600))
async def test_all_at_once_then_nothing_then_again_after_the_wait_that_was_told(
    count: int, seconds: float
) -> None:
    clock, limit = Clock(), Limit("x", count, seconds)
    one = limiter(clock)
    for left in range(count - 1, -1, -1):
        [taken] = await one.take((limit, "key"))
        assert (taken.retry_after_seconds, taken.remaining) == (0, left)
    [refused] = await one.take((limit, "key"))
    assert refused.retry_after_seconds >= 1
    assert refused.remaining == 0
    assert refused.reset_seconds <= math.ceil(seconds) + 1
    clock.now += refused.retry_after_seconds
    [taken] = await one.take((limit, "key"))
    assert taken.retry_after_seconds == 0


async def test_a_request_is_counted_under_all_its_limits_or_under_none() -> None:
    clock = Clock()
    one, wide, narrow = limiter(clock), Limit("wide", 10, 60), Limit("narrow", 1, 60)
    await one.take((wide, "a"), (narrow, "b"))
    for _ in range(20):
        taken = await one.take((wide, "a"), (narrow, "b"))
        assert [one.retry_after_seconds > 0 for one in taken] == [False, True]
    [left] = await one.take((wide, "a"))
    assert left.remaining == 8


async def test_what_is_given_back_can_be_taken_again_and_no_more() -> None:
    clock = Clock()
    one, limit = limiter(clock), Limit("x", 2, 60)
    await one.take((limit, "key"))
    for _ in range(5):
        await one.give_back((limit, "key"))
    taken = [(await one.take((limit, "key")))[0].retry_after_seconds > 0 for _ in range(3)]
    assert taken == [False, False, True]


async def test_keys_are_counted_apart_and_the_memory_is_bounded(monkeypatch: object) -> None:
    clock = Clock()
    one, limit = limiter(clock), Limit("x", 1, 60)
    for number in range(50):
        [taken] = await one.take((limit, f"key-{number}"))
        assert taken.retry_after_seconds == 0
    before, rate_limits.MAX_LOCAL_KEYS = rate_limits.MAX_LOCAL_KEYS, 10
    try:
        await one.take((limit, "one more"))
        assert len(one._local) == 10
    finally:
        rate_limits.MAX_LOCAL_KEYS = before

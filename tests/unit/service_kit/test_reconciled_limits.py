"""Limits that are decided at once, by one process that has nobody to reconcile with."""

from hypothesis import given
from hypothesis import strategies as st

from service_kit.rate_limits import Limit, RateLimiter
from service_kit.reconciled_limits import ReconciledLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(
    counts=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    seconds=st.floats(0.5, 3600),
    requests=st.lists(
        st.tuples(st.floats(0, 1), st.integers(1, 3), st.sampled_from("abc"), st.sampled_from("xy")),
        min_size=1,
        max_size=60,
    ),
)
async def test_one_process_decides_as_the_strict_limiter_does(
    counts: tuple[int, int], seconds: float, requests: list[tuple[float, int, str, str]]
) -> None:
    clock = Clock()
    first, second = (Limit(name, count, seconds) for name, count in zip(("1", "2"), counts, strict=True))
    strict, reconciled = RateLimiter(None, clock=clock), ReconciledLimiter(None, clock=clock)
    for step, count, key, other_key in requests:
        clock.now += step * seconds / min(counts) * 2
        asked = ((first, key), (second, other_key))
        assert reconciled.take(*asked, count=count) == await strict.take(*asked, count=count)


def test_a_request_is_counted_under_all_its_limits_or_under_none() -> None:
    wide, narrow = Limit("wide", 10, 60), Limit("narrow", 1, 60)
    one = ReconciledLimiter(None, clock=Clock())
    one.take((wide, "a"), (narrow, "b"))
    for _ in range(20):
        taken = one.take((wide, "a"), (narrow, "b"))
        assert [one.retry_after_seconds > 0 for one in taken] == [False, True]
    [left] = one.take((wide, "a"))
    assert left.remaining == 8


def test_a_request_that_counts_as_more_than_there_is_room_for_takes_nothing() -> None:
    limit, one = Limit("x", 10, 60), ReconciledLimiter(None, clock=Clock())
    told = [one.take((limit, "key"), count=count)[0] for count in (11, 6, 5, 4)]
    assert [taken.retry_after_seconds > 0 for taken in told] == [True, False, True, False]
    assert told[-1].remaining == 0

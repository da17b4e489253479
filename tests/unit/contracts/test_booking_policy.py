"""What a policy lets people do until when, and what comes back: exact, never more than paid, never rising."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.booking_policy import (
    MAX_REFUND_STEPS,
    MAX_SECONDS_BEFORE_START,
    PLATFORM_POLICY,
    BookingPolicy,
    RefundStep,
    policy_from_row,
)

START = datetime(2027, 11, 1, 10, tzinfo=UTC)
seconds = st.integers(0, MAX_SECONDS_BEFORE_START)
amounts = st.integers(0, 10**12)
moments = st.integers(-MAX_SECONDS_BEFORE_START, 2 * MAX_SECONDS_BEFORE_START).map(
    lambda before: START - timedelta(seconds=before)
)
steps = st.builds(
    lambda times, shares: tuple(
        RefundStep(seconds_before_start=time, percent=share)
        for time, share in zip(
            sorted(times, reverse=True), sorted(shares[: len(times)], reverse=True), strict=True
        )
    ),
    st.sets(seconds, max_size=MAX_REFUND_STEPS),
    st.lists(st.integers(0, 100), min_size=MAX_REFUND_STEPS, max_size=MAX_REFUND_STEPS),
)
policies = st.builds(
    BookingPolicy,
    version=st.integers(0, 5),
    cancel_allowed=st.booleans(),
    cancel_until_seconds=seconds,
    refund_policy=steps,
    edit_allowed=st.booleans(),
    edit_until_seconds=seconds,
    transfer_allowed=st.booleans(),
    transfer_until_seconds=seconds,
)


@given(policies, amounts, moments)
def test_what_comes_back_is_the_exact_share_rounded_down(
    policy: BookingPolicy, paid: int, now: datetime
) -> None:
    refund = policy.refund_minor(paid, START, now)
    exact = Fraction(paid * policy.refund_percent(START, now), 100)
    assert exact - 1 < refund <= exact
    assert 0 <= refund <= paid


@given(policies, amounts, moments, moments)
def test_who_waits_never_gets_more(
    policy: BookingPolicy, paid: int, one: datetime, another: datetime
) -> None:
    sooner, later = min(one, another), max(one, another)
    assert policy.refund_minor(paid, START, later) <= policy.refund_minor(paid, START, sooner)


@given(policies, amounts, amounts, moments)
def test_who_paid_more_never_gets_less(policy: BookingPolicy, one: int, another: int, now: datetime) -> None:
    less, more = sorted((one, another))
    assert policy.refund_minor(less, START, now) <= policy.refund_minor(more, START, now)


@given(policies, moments)
def test_the_share_is_that_of_the_first_step_still_ahead(policy: BookingPolicy, now: datetime) -> None:
    ahead = [
        step.percent
        for step in policy.refund_policy
        if START - now > timedelta(seconds=step.seconds_before_start)
    ]
    assert policy.refund_percent(START, now) == (ahead[0] if ahead else 0)
    assert policy.refund_percent(START, now) == max(ahead, default=0)


@given(policies)
def test_a_policy_survives_its_row(policy: BookingPolicy) -> None:
    assert policy_from_row(policy.model_dump(mode="json")) == policy


def test_the_platforms_policy_is_what_bookings_of_version_0_keep() -> None:
    """Changed, it would change what people have bought."""
    assert policy_from_row(None) is PLATFORM_POLICY
    assert PLATFORM_POLICY.model_dump(mode="json") == {
        "version": 0,
        "cancel_allowed": True,
        "cancel_until_seconds": 0,
        "refund_policy": [{"seconds_before_start": 0, "percent": 100}],
        "edit_allowed": True,
        "edit_until_seconds": 0,
        "transfer_allowed": True,
        "transfer_until_seconds": 0,
    }
    assert PLATFORM_POLICY.cancel_until(START) == START


@pytest.mark.parametrize(
    "wrong",
    [
        [(10, 50), (10, 50)],
        [(10, 50), (20, 40)],
        [(20, 50), (10, 60)],
        [(20, 101)],
        [(20, -1)],
        [(-1, 50)],
        [(MAX_SECONDS_BEFORE_START + 1, 50)],
        [(100 - number, 50) for number in range(MAX_REFUND_STEPS + 1)],
    ],
)
def test_steps_that_rise_or_turn_back_are_no_policy(wrong: list[tuple[int, int]]) -> None:
    fields = PLATFORM_POLICY.model_dump()
    fields["refund_policy"] = [
        {"seconds_before_start": before, "percent": percent} for before, percent in wrong
    ]
    with pytest.raises(ValidationError):
        BookingPolicy(**fields)

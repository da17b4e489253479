"""When bookings may be cancelled, edited and handed on, as the policy of their purchase says."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import problems
from contracts.booking_policy import PLATFORM_POLICY, BookingPolicy, RefundStep
from write_api.bookings.rules import (
    BookableEvent,
    BookingState,
    Refusal,
    is_over,
    refund_of,
    refusal_to_cancel,
    refusal_to_edit,
    refusal_to_transfer,
)

NOW = datetime(2027, 11, 1, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY_SECONDS = 86_400
Decide = Callable[..., Any]
DECISIONS: dict[str, Decide] = {
    "cancel": refusal_to_cancel,
    "edit": refusal_to_edit,
    "transfer": refusal_to_transfer,
}


def policy(allowed: bool, until: int, percent: int) -> BookingPolicy:
    return BookingPolicy(
        version=1,
        cancel_allowed=allowed,
        cancel_until_seconds=until,
        refund_policy=(RefundStep(seconds_before_start=until, percent=percent),),
        edit_allowed=allowed,
        edit_until_seconds=until,
        transfer_allowed=allowed,
        transfer_until_seconds=until,
    )


policies = st.builds(
    policy,
    st.booleans(),
    st.integers(0, 10),
    st.integers(0, 100),
)
states = st.builds(
    BookingState,
    st.sampled_from(["held", "confirmed", "cancelled", "expired"]),
    st.integers(-5, 5).map(lambda seconds: NOW + seconds * SECOND),
    st.integers(0, 10**6),
    policies,
)
events = st.builds(
    BookableEvent,
    st.sampled_from(["inactive", "active", "cancelled"]),
    st.integers(-5, 15).map(lambda seconds: NOW + seconds * SECOND),
    st.just("USD"),
)


@pytest.mark.parametrize("what", DECISIONS)
def test_each_is_allowed_until_its_deadline_and_not_at_it(what: str) -> None:
    booking = BookingState("confirmed", NOW, 1000, policy(True, DAY_SECONDS, 50))
    decide, start = DECISIONS[what], NOW + timedelta(seconds=DAY_SECONDS)
    assert decide(booking, BookableEvent("active", start + SECOND, "USD"), now=NOW) is None
    refusal = decide(booking, BookableEvent("active", start, "USD"), now=NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.kind == problems.REFUSED_BY_POLICY
    assert refusal.members == {"reason": f"{what}-too-late", "until": NOW.isoformat()}
    never = BookingState("confirmed", NOW, 1000, policy(False, 0, 50))
    refusal = decide(never, BookableEvent("active", start, "USD"), now=NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.members == {"reason": f"{what}-not-allowed"}


@given(states, events)
def test_what_is_bought_goes_back_as_its_policy_says(booking: BookingState, event: BookableEvent) -> None:
    if booking.status != "confirmed" or event.status == "cancelled" or event.starts_at <= NOW:
        return
    until = booking.policy.cancel_until(event.starts_at)
    may = refusal_to_cancel(booking, event, now=NOW) is None
    assert may == (until is not None and until > NOW)


@given(states, events)
def test_a_hold_is_given_back_freely_and_so_is_a_seat_of_a_cancelled_event(
    booking: BookingState, event: BookableEvent
) -> None:
    if is_over(booking, now=NOW) or booking.status == "cancelled" or event.starts_at <= NOW:
        return
    if booking.status == "held":
        assert refusal_to_cancel(booking, event, now=NOW) is None
        assert refund_of(booking, event, now=NOW) == 0
    elif event.status == "cancelled":
        assert refusal_to_cancel(booking, event, now=NOW) is None
        assert refund_of(booking, event, now=NOW) == booking.price_minor


@given(states, events)
def test_never_comes_back_more_than_the_price(booking: BookingState, event: BookableEvent) -> None:
    assert 0 <= refund_of(booking, event, now=NOW) <= booking.price_minor


@given(states, events)
def test_nothing_is_edited_or_handed_on_that_does_not_stand(
    booking: BookingState, event: BookableEvent
) -> None:
    stands = (
        booking.status in {"held", "confirmed"}
        and not is_over(booking, now=NOW)
        and event.status != "cancelled"
        and event.starts_at > NOW
    )
    may_edit = refusal_to_edit(booking, event, now=NOW) is None
    may_transfer = refusal_to_transfer(booking, event, now=NOW) is None
    assert may_edit <= stands
    assert may_transfer <= (stands and booking.status == "confirmed")
    if stands and booking.policy == PLATFORM_POLICY:
        assert may_edit

"""When seats may be booked, confirmed and given back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import problems
from contracts.event import EventStatus
from write_api.bookings.rules import (
    ALREADY,
    BookableEvent,
    BookableTicketType,
    BookingState,
    BookingStatus,
    Refusal,
    chosen_ticket_type,
    is_over,
    refusal_to_book,
    refusal_to_cancel,
    refusal_to_confirm,
)

NOW = datetime(2027, 11, 1, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = datetime(2027, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone
EVENT = BookableEvent("active", NOW + SECOND, "USD")
ANY_TIME = BookableTicketType(1, "Standard", 1050, None, None)

times = st.datetimes(DAY, DAY + timedelta(days=2), timezones=st.just(UTC))
events = st.builds(BookableEvent, st.sampled_from(["inactive", "active", "cancelled"]), times, st.just("USD"))
ticket_types = st.builds(
    BookableTicketType,
    st.integers(1, 5),
    st.just("Standard"),
    st.just(100),
    st.none() | times,
    st.none() | times,
)
states = st.builds(BookingState, st.sampled_from(["held", "confirmed", "cancelled", "expired"]), times)


def book(
    event: BookableEvent = EVENT, ticket_type: BookableTicketType = ANY_TIME, *, remaining: int, quantity: int
) -> Refusal | None:
    return refusal_to_book(event, ticket_type, remaining=remaining, quantity=quantity, now=NOW)


def test_the_last_seats_can_be_booked_and_one_more_cannot() -> None:
    assert book(remaining=10, quantity=10) is None
    refusal = book(remaining=10, quantity=11)
    assert refusal is not None
    assert (refusal.kind, refusal.members) == (problems.NOT_ENOUGH_SEATS, {"seats_remaining": 10})


@pytest.mark.parametrize(
    ("event", "ticket_type", "reason"),
    [
        (BookableEvent("inactive", NOW + SECOND, "USD"), ANY_TIME, "event-inactive"),
        (BookableEvent("cancelled", NOW + SECOND, "USD"), ANY_TIME, "event-cancelled"),
        (BookableEvent("active", NOW, "USD"), ANY_TIME, "event-started"),
        (EVENT, BookableTicketType(1, "Early", 1, NOW + SECOND, None), "sales-not-started"),
        (EVENT, BookableTicketType(1, "Early", 1, None, NOW), "sales-ended"),
    ],
)
def test_each_refusal_to_book_says_its_reason(
    event: BookableEvent, ticket_type: BookableTicketType, reason: str
) -> None:
    refusal = book(event, ticket_type, remaining=10, quantity=1)
    assert refusal is not None
    assert refusal.kind == problems.EVENT_NOT_BOOKABLE
    assert refusal.members == {"reason": reason}
    assert refusal.detail


@given(events, ticket_types, times, st.integers(0, 5), st.integers(1, 5))
def test_what_may_be_booked_is_active_ahead_on_sale_and_there(
    event: BookableEvent, ticket_type: BookableTicketType, now: datetime, remaining: int, quantity: int
) -> None:
    expected = (
        event.status == "active"
        and now < event.starts_at
        and (ticket_type.sales_start_at or now) <= now < (ticket_type.sales_end_at or now + SECOND)
        and quantity <= remaining
    )
    refusal = refusal_to_book(event, ticket_type, remaining=remaining, quantity=quantity, now=now)
    assert (refusal is None) == expected


def test_the_only_ticket_type_needs_no_name() -> None:
    assert chosen_ticket_type([ANY_TIME], None) is ANY_TIME


def test_one_of_several_ticket_types_must_be_named_and_the_refusal_lists_them() -> None:
    other = BookableTicketType(2, "Balcony", 900, None, None)
    assert chosen_ticket_type([ANY_TIME, other], 2) is other
    for wanted in (None, 3):
        refusal = chosen_ticket_type([ANY_TIME, other], wanted)
        assert isinstance(refusal, Refusal)
        assert refusal.kind == problems.INVALID_REQUEST
        assert [known["id"] for known in refusal.members["ticket_types"]] == [1, 2]


def test_a_ticket_type_of_another_event_is_refused_also_where_there_is_one() -> None:
    assert isinstance(chosen_ticket_type([ANY_TIME], 2), Refusal)


@pytest.mark.parametrize(
    ("status", "event_status", "answer"),
    [
        ("held", "active", None),
        ("held", "inactive", None),
        ("held", "cancelled", problems.EVENT_NOT_BOOKABLE),
        ("confirmed", "active", ALREADY),
        ("confirmed", "cancelled", ALREADY),
        ("cancelled", "active", problems.BOOKING_STATE),
        ("expired", "active", problems.BOOKING_STATE),
    ],
)
def test_a_hold_can_be_confirmed_and_what_is_confirmed_stays_so(
    status: BookingStatus, event_status: EventStatus, answer: object
) -> None:
    event = BookableEvent(event_status, NOW + SECOND, "USD")
    refusal = refusal_to_confirm(BookingState(status, NOW + SECOND), event, now=NOW)
    assert (refusal.kind if isinstance(refusal, Refusal) else refusal) == answer


@given(states, events, times)
def test_nothing_changes_after_the_deadline_of_a_hold(
    state: BookingState, event: BookableEvent, now: datetime
) -> None:
    if not is_over(state, now=now):
        return
    for decide in (refusal_to_confirm, refusal_to_cancel):
        refusal = decide(state, event, now=now)
        assert isinstance(refusal, Refusal)
        assert refusal.kind == problems.BOOKING_STATE


@given(states, events, times)
def test_only_before_the_start_are_seats_given_back(
    state: BookingState, event: BookableEvent, now: datetime
) -> None:
    given_back = refusal_to_cancel(state, event, now=now) is None
    has_seats = state.status == "confirmed" or (state.status == "held" and now < state.hold_expires_at)
    assert given_back == (has_seats and now < event.starts_at)


@given(states, events, times)
def test_to_cancel_again_is_no_change(state: BookingState, event: BookableEvent, now: datetime) -> None:
    assert (refusal_to_cancel(state, event, now=now) == ALREADY) == (state.status == "cancelled")

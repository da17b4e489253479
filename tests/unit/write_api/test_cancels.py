"""What a batch decides about those who cancel, without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts import problems
from contracts.booking_policy import PLATFORM_POLICY
from contracts.problems import ProblemType
from service_kit.problem_responses import Problem
from write_api.bookings.cancels import BUSY, Cancel, judge_cancels
from write_api.bookings.grants import Sale
from write_api.bookings.locked import LockedBooking
from write_api.bookings.rules import BookableEvent, BookingState

NOW = datetime(2027, 11, 1, 10, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(seconds=1)
EVENT = BookableEvent("active", LATER, "USD")
HELD = BookingState("held", LATER, 900)
UNLOVED = PLATFORM_POLICY.model_copy(update={"cancel_allowed": False})
ANN, BO = 1, 2


def booking(booking_id: int, state: BookingState = HELD, *, quantity: int = 3) -> LockedBooking:
    """One of Ann's."""
    return LockedBooking(7, booking_id, 70, ANN, quantity, state, NOW)


@pytest.mark.parametrize(
    ("event", "state", "kind"),
    [
        (EVENT, BookingState("held", EARLIER), problems.BOOKING_STATE),
        (EVENT, BookingState("expired", EARLIER), problems.BOOKING_STATE),
        (BookableEvent("active", NOW, "USD"), HELD, problems.BOOKING_STATE),
        (EVENT, BookingState("confirmed", EARLIER, 900, UNLOVED), problems.REFUSED_BY_POLICY),
    ],
)
def test_who_is_refused_frees_nothing(event: BookableEvent, state: BookingState, kind: ProblemType) -> None:
    judged = judge_cancels(event, {1: booking(1, state)}, [Cancel(ANN, 1)])
    [outcome] = judged.outcomes({})
    assert isinstance(outcome, Problem)
    assert (outcome.kind, judged.freed, judged.told_ids) == (kind, [], set())


def test_what_is_cancelled_already_is_told_and_not_freed() -> None:
    judged = judge_cancels(EVENT, {1: booking(1, BookingState("cancelled", EARLIER))}, [Cancel(ANN, 1)])
    assert (judged.freed, judged.told_ids) == ([], {1})


def test_somebody_elses_is_not_found_and_what_is_not_locked_is_busy() -> None:
    judged = judge_cancels(EVENT, {1: booking(1)}, [Cancel(BO, 1), Cancel(BO, 2)])
    foreign, busy = judged.outcomes({})
    assert isinstance(foreign, Problem)
    assert (foreign.kind, busy, judged.freed) == (problems.NOT_FOUND, BUSY, [])


def test_each_ends_once_with_what_comes_back_of_its_price() -> None:
    confirmed = replace(HELD, status="confirmed")
    locked = {1: booking(1, confirmed), 2: booking(2)}
    judged = judge_cancels(EVENT, locked, [Cancel(ANN, 1), Cancel(ANN, 2), Cancel(ANN, 1)])
    assert [(one.id, one.refund_minor) for one in judged.ended(EVENT)] == [(1, 900), (2, 0)]


def test_the_sale_has_what_was_freed_and_counts_it_for_nobody() -> None:
    sale = Sale(EVENT, [], {70: 1, 71: 4}, NOW, seats_before={(70, ANN): 5, (71, ANN): 2, (70, BO): 1})
    after = judge_cancels(EVENT, {1: booking(1)}, [Cancel(ANN, 1), Cancel(BO, 1)]).sale_after(sale)
    assert after.remaining == {70: 4, 71: 4}
    assert after.seats_before == {(70, ANN): 2, (71, ANN): 2, (70, BO): 1}
    assert sale.remaining == {70: 1, 71: 4}

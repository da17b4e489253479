"""What is remembered of sold-out events, for how long, and when it may not be."""

from datetime import UTC, datetime

import pytest

from contracts import problems
from service_kit.problem_responses import Problem
from write_api.bookings.grants import Sale, Wish, grant_in_order
from write_api.bookings.rules import BookableEvent, BookableTicketType, Refusal
from write_api.bookings.sold_out import (
    MAX_FORGOTTEN,
    MAX_KEYED_EVENTS,
    REMEMBERED_SECONDS,
    RENEWED_AFTER_SECONDS,
    KeysSince,
    SoldOut,
    sold_out_after,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
EVENT = BookableEvent("active", datetime(2031, 1, 1, tzinfo=UTC), "USD")
NO_KEYS = KeysSince(0, [])
CONFIRMED = ((b"x-durability", b"quorum"),)


def kind(number: int, limit: int | None = None) -> BookableTicketType:
    return BookableTicketType(number, f"type {number}", 1000, None, None, limit)


ONE_TYPE = Sale(EVENT, [kind(1)], {1: 0}, NOW)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sold_out(clock: Clock) -> SoldOut:
    """A memory that knows of event 7."""
    memory = SoldOut(clock=clock)
    memory.know_keys(7, 0, NO_KEYS)
    memory.remember(7, memory.mark(), ONE_TYPE, frozenset({1}), CONFIRMED)
    return memory


def test_it_says_what_a_batch_would(sold_out: SoldOut) -> None:
    for wish in (Wish(1, 1), Wish(2, 5), Wish(3, 100, 1), Wish(1, 1, None, "key")):
        [refusal] = grant_in_order(ONE_TYPE, [wish])
        assert isinstance(refusal, Refusal)
        served = sold_out.refusal(7, wish)
        assert served is not None
        assert isinstance(served.outcome, Problem)
        assert served.outcome.kind is problems.NOT_ENOUGH_SEATS
        assert (served.outcome.detail, served.outcome.members) == (refusal.detail, refusal.members)
        assert served.confirmed == CONFIRMED
    assert sold_out.refusal(7, Wish(1, 1, 2)) is None, "another ticket type is the database's matter"
    assert sold_out.refusal(8, Wish(1, 1)) is None


def test_it_is_renewed_by_one_request_and_ends(sold_out: SoldOut, clock: Clock) -> None:
    clock.now += RENEWED_AFTER_SECONDS + 0.001
    assert sold_out.refusal(7, Wish(1, 1, 2)) is None, "who wants what may be left renews nothing"
    assert sold_out.refusal(7, Wish(1, 1)) is None, "one is served by the database"
    assert sold_out.refusal(7, Wish(1, 1)) is not None
    clock.now += REMEMBERED_SECONDS - RENEWED_AFTER_SECONDS - 0.002
    assert sold_out.refusal(7, Wish(1, 1)) is not None
    clock.now += 0.002
    assert [sold_out.refusal(7, Wish(1, 1)) for _ in range(3)] == [None] * 3


def test_seats_that_come_free_are_not_forgotten_by_what_was_read_before(sold_out: SoldOut) -> None:
    mark = sold_out.mark()
    sold_out.forget(7)
    assert sold_out.refusal(7, Wish(1, 1)) is None
    sold_out.remember(7, mark, ONE_TYPE, frozenset({1}), CONFIRMED)
    assert sold_out.refusal(7, Wish(1, 1)) is None, "the batch had read before"
    sold_out.remember(7, sold_out.mark(), ONE_TYPE, frozenset({1}), CONFIRMED)
    assert sold_out.refusal(7, Wish(1, 1)) is not None


def test_a_batch_that_grants_ends_older_memories_and_may_leave_its_own(sold_out: SoldOut) -> None:
    older = sold_out.mark()
    mark = sold_out.forget_before(7, older)
    sold_out.remember(7, older, ONE_TYPE, frozenset({1}), CONFIRMED)
    assert sold_out.refusal(7, Wish(1, 1)) is None
    sold_out.remember(7, mark, ONE_TYPE, frozenset({1}), CONFIRMED)
    assert sold_out.refusal(7, Wish(1, 1)) is not None
    before = sold_out.mark()
    sold_out.forget(7)
    sold_out.remember(7, sold_out.forget_before(7, before), ONE_TYPE, frozenset({1}), CONFIRMED)
    assert sold_out.refusal(7, Wish(1, 1)) is None, "seats came free after it had read"


def test_of_too_many_events_it_takes_all_for_forgotten(sold_out: SoldOut) -> None:
    mark = sold_out.mark()
    for event_id in range(100, 100 + MAX_FORGOTTEN + 1):
        sold_out.forget(event_id)
    sold_out.remember(7, mark, ONE_TYPE, frozenset({1}), CONFIRMED)
    sold_out.know_keys(8, 0, NO_KEYS)
    sold_out.remember(8, mark, ONE_TYPE, frozenset({1}), CONFIRMED)
    assert sold_out.refusal(8, Wish(1, 1)) is None


def test_who_may_have_booked_with_a_key_is_the_databases_matter(sold_out: SoldOut) -> None:
    sold_out.know_keys(7, 0, KeysSince(5, [(1, "mine")]))
    assert sold_out.last_keyed(7) == 5
    sold_out.know_keys(7, 5, KeysSince(9, [(2, "later")]))
    assert sold_out.last_keyed(7) == 9
    sold_out.know_keys(7, 9, NO_KEYS)
    assert sold_out.last_keyed(7) == 9
    asked = [Wish(1, 1, None, "mine"), Wish(2, 1, None, "later"), Wish(2, 1, None, "mine"), Wish(1, 1)]
    assert [sold_out.refusal(7, wish) is None for wish in asked] == [True, True, False, False]


def test_without_the_keys_of_an_event_nothing_is_remembered(sold_out: SoldOut) -> None:
    sold_out.remember(8, sold_out.mark(), ONE_TYPE, frozenset({1}), CONFIRMED)
    assert sold_out.refusal(8, Wish(1, 1)) is None
    for event_id in range(100, 100 + MAX_KEYED_EVENTS):
        sold_out.know_keys(event_id, 0, NO_KEYS)
    assert sold_out.refusal(7, Wish(1, 1)) is None
    sold_out.know_keys(7, 5, KeysSince(6, []))
    assert sold_out.last_keyed(7) == 0, "what came before is not known any more"


def test_what_a_batch_leaves_sold_out() -> None:
    sale = Sale(EVENT, [kind(1), kind(2), kind(3, limit=2)], {1: 3, 2: 0, 3: 0}, NOW)
    outcomes = grant_in_order(sale, [Wish(1, 2, 1), Wish(2, 2, 1), Wish(3, 1, 1), Wish(4, 1, 2)])
    assert sold_out_after(sale, outcomes) == {1, 2}
    assert sold_out_after(sale, outcomes[:2]) == {2}

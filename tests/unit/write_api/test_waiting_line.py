"""Who is new passes nobody on the waitlist, and gets what nobody there can use."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import find, given
from hypothesis import strategies as st

from contracts import problems
from write_api.bookings.grants import Grant, Outcome, Sale, Wish, grant_in_order
from write_api.bookings.rules import BookableEvent, BookableTicketType, Refusal

NOW = datetime(2027, 1, 1, tzinfo=UTC)
EVENT = BookableEvent("active", NOW + timedelta(days=1), "EUR")
TYPES = [BookableTicketType(number, f"kind {number}", 100, None, None) for number in (1, 2)]

stocks = st.fixed_dictionaries({1: st.integers(0, 12), 2: st.integers(0, 12)})
lines = st.dictionaries(st.sampled_from([1, 2]), st.integers(1, 6))
wishes_of_all = st.lists(
    st.builds(
        Wish,
        person_id=st.integers(1, 3),
        quantity=st.integers(1, 6),
        ticket_type_id=st.sampled_from([1, 2]),
        has_waited=st.booleans(),
    ),
    max_size=12,
)


def overtaken(remaining: dict[int, int], awaited: dict[int, int], outcomes: Sequence[Outcome]) -> bool:
    """Whether somebody new was given seats that sufficed for somebody who waits."""
    left = dict(remaining)
    for outcome in outcomes:
        if not isinstance(outcome, Grant):
            continue
        kind = outcome.ticket_type_id
        if not outcome.wish.has_waited and kind in awaited and left[kind] >= awaited[kind]:
            return True
        left[kind] -= outcome.quantity
    return False


@given(stocks, lines, wishes_of_all)
def test_nobody_new_passes_who_waits(
    remaining: dict[int, int], awaited: dict[int, int], wishes: list[Wish]
) -> None:
    outcomes = grant_in_order(Sale(EVENT, TYPES, remaining, NOW, awaited=awaited), wishes)
    assert not overtaken(remaining, awaited, outcomes)
    left = dict(remaining)
    for wish, outcome in zip(wishes, outcomes, strict=True):
        kind = wish.ticket_type_id or 0
        is_passed = not wish.has_waited and left[kind] >= awaited.get(kind, left[kind] + 1)
        assert isinstance(outcome, Grant) == (wish.quantity <= left[kind] and not is_passed)
        if isinstance(outcome, Grant):
            left[kind] -= wish.quantity
        else:
            assert isinstance(outcome, Refusal)
            assert outcome.kind is problems.NOT_ENOUGH_SEATS
            assert outcome.members["seats_remaining"] == left[kind]
            assert outcome.members.get("others_wait", False) == (is_passed and wish.quantity <= left[kind])


def test_control_without_the_line_somebody_is_passed() -> None:
    def passes(case: tuple[dict[int, int], dict[int, int], list[Wish]]) -> bool:
        remaining, awaited, wishes = case
        return overtaken(remaining, awaited, grant_in_order(Sale(EVENT, TYPES, remaining, NOW), wishes))

    find(st.tuples(stocks, lines, wishes_of_all), passes)


def test_where_nobody_waits_all_is_as_it_was() -> None:
    sale = Sale(EVENT, TYPES, {1: 3, 2: 0}, NOW)
    [first, second, third] = grant_in_order(sale, [Wish(1, 2, 1), Wish(2, 2, 1), Wish(3, 1, 1)])
    assert isinstance(first, Grant)
    assert isinstance(second, Refusal)
    assert "others_wait" not in second.members
    assert isinstance(third, Grant)

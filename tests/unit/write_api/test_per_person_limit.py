"""Nobody gets more seats of a ticket type than its limit, however their wishes come."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contracts import problems
from write_api.bookings.grants import Grant, Outcome, Sale, Wish, grant_in_order
from write_api.bookings.rules import BookableEvent, BookableTicketType, Refusal, refusal_to_book

NOW = datetime(2027, 11, 1, 10, tzinfo=UTC)
EVENT = BookableEvent("active", NOW + timedelta(hours=1), "USD")

limits = st.none() | st.integers(1, 6)
sales = st.builds(
    lambda limited, remaining, before: Sale(
        EVENT,
        [
            BookableTicketType(number, str(number), 100, None, None, limit)
            for number, limit in enumerate(limited)
        ],
        dict(enumerate(remaining)),
        NOW,
        seats_before={whose: seats for whose, seats in before.items() if limited[whose[0]] is not None},
    ),
    st.tuples(limits, limits),
    st.tuples(st.integers(0, 15), st.integers(0, 15)),
    st.dictionaries(st.tuples(st.integers(0, 1), st.integers(1, 3)), st.integers(0, 6)),
)
wishes = st.lists(
    st.builds(
        Wish, st.integers(1, 3), st.integers(1, 5), st.integers(0, 1), st.none() | st.sampled_from("ab")
    ),
    max_size=25,
)


def one_after_the_other(sale: Sale, wanted: list[Wish]) -> list[Outcome]:
    """Each wish served alone, in a sale of which all is known that came before."""
    outcomes: list[Outcome] = []
    made: dict[tuple[int, str], Outcome] = {}
    for wish in wanted:
        if wish.name in made:
            first = made[wish.name]
            assert isinstance(first, Grant)
            same = (wish.quantity, wish.ticket_type_id) == (first.quantity, first.ticket_type_id)
            outcomes.append(first if same else Refusal(problems.IDEMPOTENCY_KEY_REUSED, ""))
            continue
        [outcome] = grant_in_order(sale, [wish])
        outcomes.append(outcome)
        if not isinstance(outcome, Grant):
            continue
        kind = outcome.ticket_type_id
        whose = (kind, wish.person_id)
        sale = replace(
            sale,
            remaining={**sale.remaining, kind: sale.remaining[kind] - wish.quantity},
            seats_before={**sale.seats_before, whose: sale.seats_before.get(whose, 0) + wish.quantity},
        )
        if wish.name is not None:
            made[wish.name] = outcome
    return outcomes


def told(outcome: Outcome) -> object:
    if isinstance(outcome, Refusal):
        members = outcome.members if outcome.kind != problems.IDEMPOTENCY_KEY_REUSED else None
        return (outcome.kind.name, members)
    assert isinstance(outcome, Grant)
    return outcome.wish


@given(sales, wishes)
def test_a_batch_is_as_one_after_the_other(sale: Sale, wanted: list[Wish]) -> None:
    expected = one_after_the_other(sale, wanted)
    assert [told(one) for one in grant_in_order(sale, wanted)] == [told(one) for one in expected]


@given(sales, wishes)
def test_nobody_has_more_than_the_limit(sale: Sale, wanted: list[Wish]) -> None:
    seats = Counter(sale.seats_before)
    granted = {id(one): one for one in grant_in_order(sale, wanted) if isinstance(one, Grant)}
    for grant in granted.values():
        whose = (grant.ticket_type_id, grant.wish.person_id)
        seats[whose] += grant.quantity
        limit = grant.ticket_type.per_person_limit
        assert limit is None or seats[whose] <= limit


@given(st.integers(1, 6), st.integers(0, 8), st.integers(1, 8), st.integers(0, 20))
def test_what_is_refused_says_the_limit_and_what_one_has(
    limit: int, seats_before: int, quantity: int, remaining: int
) -> None:
    kind = BookableTicketType(1, "Standard", 100, None, None, limit)
    refusal = refusal_to_book(
        EVENT, kind, remaining=remaining, quantity=quantity, now=NOW, seats_before=seats_before
    )
    if seats_before + quantity > limit:
        assert refusal is not None
        assert refusal.kind == problems.PER_PERSON_LIMIT
        assert refusal.members == {"per_person_limit": limit, "seats_you_have": seats_before}
    else:
        assert (refusal is None) == (quantity <= remaining)

"""Who joins at once is answered as if one had come after the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from contracts import problems
from service_kit.problem_responses import Problem
from write_api.bookings.grants import Sale
from write_api.bookings.offers import SharedSale
from write_api.bookings.rules import BookableEvent, BookableTicketType
from write_api.waitlist.joins import Join, Lines, LiveEntry, Place, Whose, judge_joins

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PEOPLE = st.integers(1, 4)
KINDS = st.sampled_from([1, 2])


class Case(NamedTuple):
    """An event with one or two ticket types, its lines, and who joins them at once."""

    sale: Sale
    lines: Lines
    joins: Sequence[Join]
    max_in_line: int


def sale_of(
    limits: Sequence[int | None],
    remaining: Mapping[int, int],
    awaited: Mapping[int, int],
    seats_before: Mapping[Whose, int],
    *,
    is_active: bool,
) -> Sale:
    kinds = [
        BookableTicketType(number, f"kind {number}", 100, None, None, limit)
        for number, limit in enumerate(limits, start=1)
    ]
    event = BookableEvent("active" if is_active else "inactive", NOW + timedelta(days=1), "EUR")
    known = {kind.id for kind in kinds}
    return Sale(
        event,
        kinds,
        {kind: remaining[kind] for kind in known},
        NOW,
        seats_before=seats_before,
        awaited={kind: least for kind, least in awaited.items() if kind in known},
        seats=dict.fromkeys(known, 5),
    )


live_entries = st.builds(
    lambda kind: {
        "stands": LiveEntry(9, is_over=False, has_ended=False),
        "lapsed": LiveEntry(9, is_over=True, has_ended=False),
        "ended": LiveEntry(9, is_over=True, has_ended=True),
    }[kind],
    st.sampled_from(["stands", "lapsed", "ended"]),
)
cases = st.builds(
    Case,
    st.builds(
        sale_of,
        st.lists(st.none() | st.integers(1, 4), min_size=1, max_size=2),
        st.fixed_dictionaries({1: st.integers(0, 3), 2: st.integers(0, 3)}),
        st.dictionaries(KINDS, st.integers(1, 6)),
        st.dictionaries(st.tuples(KINDS, PEOPLE), st.integers(1, 4)),
        is_active=st.sampled_from([True, True, True, False]),
    ),
    st.builds(
        Lines,
        st.dictionaries(KINDS, st.integers(0, 3)),
        st.dictionaries(st.tuples(KINDS, PEOPLE), live_entries, max_size=3),
    ),
    st.lists(st.builds(Join, PEOPLE, st.integers(1, 6), st.none() | st.integers(1, 3)), max_size=12),
    st.integers(1, 5),
)

Told = tuple[object, ...]


def told(outcome: Place | Problem) -> Told:
    if isinstance(outcome, Problem):
        return (outcome.kind.name, outcome.detail, outcome.members)
    return (outcome.whose, outcome.is_new)


def at_once(case: Case) -> list[Told]:
    judged = judge_joins(SharedSale(case.sale), case.lines, case.joins, max_in_line=case.max_in_line)
    return [told(one) for one in judged.outcomes]


def one_by_one(case: Case) -> list[Told]:
    """Each finds what those before have left in the database: their entries, and what is waited for."""
    sale, waiting, live = case.sale, dict(case.lines.waiting), dict(case.lines.live)
    outcomes = []
    for join in case.joins:
        judged = judge_joins(SharedSale(sale), Lines(waiting, live), [join], max_in_line=case.max_in_line)
        [outcome] = judged.outcomes
        outcomes.append(told(outcome))
        for (ticket_type_id, person_id), quantity in judged.entering:
            live[ticket_type_id, person_id] = LiveEntry(10, is_over=False, has_ended=False)
            waiting[ticket_type_id] = waiting.get(ticket_type_id, 0) + 1
            least = min(quantity, sale.awaited.get(ticket_type_id, quantity))
            sale = replace(sale, awaited={**sale.awaited, ticket_type_id: least})
    return outcomes


@given(cases)
def test_at_once_is_as_one_after_the_other(case: Case) -> None:
    assert at_once(case) == one_by_one(case)


def forgetful(case: Case) -> list[Told]:
    """Each as if nobody else had come."""
    judged = [
        judge_joins(SharedSale(case.sale), case.lines, [join], max_in_line=case.max_in_line)
        for join in case.joins
    ]
    return [told(outcome) for one in judged for outcome in one.outcomes]


def test_control_whoever_forgets_those_of_the_batch_answers_otherwise() -> None:
    def differs_by(kind: str) -> Callable[[Case], bool]:
        return lambda case: any(
            expected[0] == kind and answer != expected
            for answer, expected in zip(forgetful(case), one_by_one(case), strict=True)
        )

    def enters_twice(case: Case) -> bool:
        return forgetful(case).count(((1, 1), True)) > one_by_one(case).count(((1, 1), True))

    for differs in (differs_by(problems.WAITLIST_FULL.name), enters_twice):
        find(cases, differs, settings=settings(phases=[Phase.generate], max_examples=5000))  # any will do


@given(cases)
def test_entries_are_written_in_order_once_each_and_no_line_is_longer_than_it_may_be(case: Case) -> None:
    judged = judge_joins(SharedSale(case.sale), case.lines, case.joins, max_in_line=case.max_in_line)
    placed = [one.whose for one in judged.outcomes if isinstance(one, Place) and one.is_new]
    assert [whose for whose, _ in judged.entering] == placed
    assert len(set(placed)) == len(placed)
    for kind in {kind for kind, _ in placed}:
        new = sum(ticket_type_id == kind for ticket_type_id, _ in placed)
        assert case.lines.waiting.get(kind, 0) + new <= case.max_in_line
    ended = {whose for whose, entry in case.lines.live.items() if entry.has_ended}
    assert len(judged.settled_ids) == len(ended & set(placed))
    assert not {whose for whose, entry in case.lines.live.items() if not entry.has_ended} & set(placed)


@given(cases)
def test_nobody_waits_for_what_can_be_booked_now(case: Case) -> None:
    judged = judge_joins(SharedSale(case.sale), case.lines, case.joins, max_in_line=case.max_in_line)
    for (kind, _), quantity in judged.entering:
        assert quantity > case.sale.remaining[kind] or case.sale.awaited[kind] <= case.sale.remaining[kind]
        assert case.sale.event.status == "active"


def test_the_answer_is_the_entry_or_that_another_number_is_waited_for() -> None:
    row = {
        "id": 7,
        "event_id": 1,
        "ticket_type_id": 1,
        "quantity": 2,
        "status": "waiting",
        "place": 1,
        "booking_id": None,
        "offer_expires_at": None,
        "joined_at": NOW,
    }
    sale = sale_of([None], {1: 0}, {}, {}, is_active=True)
    judged = judge_joins(
        SharedSale(sale), Lines({}, {}), [Join(1, 2), Join(1, 2, 1), Join(1, 3), Join(2, 1, 2)], max_in_line=1
    )
    assert judged.answered == [(1, 1)]
    first, again, other, unknown = judged.told({(1, 1): row})
    assert not isinstance(first, Problem)
    assert not isinstance(again, Problem)
    assert (first[0].id, first[1]) == (7, True)
    assert (again[0], again[1]) == (first[0], False)
    assert isinstance(other, Problem)
    assert (other.kind, other.members) == (problems.CONFLICT, {"entry_id": 7})
    assert other.detail == "You wait for 2 of these seats: leave that entry first."
    assert isinstance(unknown, Problem)
    assert unknown.kind is problems.INVALID_REQUEST

"""Who is the writer, from what a process knows: one rule."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from write_api.writer_state import WRITER_SECONDS, WriterState, writer_state

KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "is_in_recovery": st.booleans(),
    "known_generation": st.integers(0, 5),
    "is_opened_here": st.booleans(),
    "generations_seen": st.lists(st.integers(1, 6), max_size=3),
    "confirmed_age_seconds": st.none() | st.floats(0, 10),
}
WRITER: dict[str, Any] = {
    "is_in_recovery": False,
    "known_generation": 3,
    "is_opened_here": True,
    "generations_seen": (3, 2),
    "confirmed_age_seconds": 0.5,
}


@given(st.fixed_dictionaries(KNOWN))
def test_the_writer_is_a_confirmed_primary_of_the_highest_generation_and_nobody_else(
    known: dict[str, Any],
) -> None:
    age = known["confirmed_age_seconds"]
    is_writer = (
        not known["is_in_recovery"]
        and known["is_opened_here"]
        and known["known_generation"] >= max(known["generations_seen"], default=0)
        and age is not None
        and age <= WRITER_SECONDS
    )
    assert (writer_state(**known) is WriterState.WRITER) == is_writer


@given(st.fixed_dictionaries(KNOWN), st.integers(1, 6))
def test_what_is_seen_can_take_the_writer_away_and_never_make_one(known: dict[str, Any], seen: int) -> None:
    before = writer_state(**known)
    after = writer_state(**known | {"generations_seen": [*known["generations_seen"], seen]})
    assert after in {before, WriterState.FENCED}


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_of_primaries_that_see_each_other_only_the_highest_generation_writes(generations: list[int]) -> None:
    for generation in generations:
        known = WRITER | {"known_generation": generation, "generations_seen": generations}
        state = writer_state(**known)
        assert (state is WriterState.WRITER) == (generation == max(generations))


def test_each_state_has_its_reason() -> None:
    assert writer_state(**WRITER) is WriterState.WRITER
    for changed, state in (
        ({"is_in_recovery": True}, WriterState.STANDBY),
        ({"generations_seen": (4,)}, WriterState.FENCED),
        ({"is_opened_here": False}, WriterState.UNOPENED),
        ({"confirmed_age_seconds": None}, WriterState.UNCONFIRMED),
        ({"confirmed_age_seconds": WRITER_SECONDS + 0.1}, WriterState.UNCONFIRMED),
    ):
        assert writer_state(**WRITER | changed) is state

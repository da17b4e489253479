from hypothesis import given
from hypothesis import strategies as st

from indexer.refresh_gate import LONGEST_INTERVAL_SECONDS, SHORTEST_INTERVAL_SECONDS, RefreshGate


def test_without_documents_there_is_nothing_to_refresh() -> None:
    gate = RefreshGate()
    assert gate.due_at() is None
    assert not gate.dirty


def test_after_quiet_a_document_is_refreshed_at_once() -> None:
    gate = RefreshGate()
    gate.refreshed(started_at=10.0, finished_at=10.01)
    gate.indexed()
    due_at = gate.due_at()
    assert due_at is not None
    assert due_at <= 11.0


@given(st.floats(0.0, 5.0))
def test_refreshing_takes_half_of_the_time_at_most_and_never_makes_people_wait_long(
    duration: float,
) -> None:
    gate = RefreshGate()
    gate.refreshed(started_at=10.0, finished_at=10.0 + duration)
    gate.indexed()
    due_at = gate.due_at()
    assert due_at is not None
    rest = due_at - (10.0 + duration)
    assert SHORTEST_INTERVAL_SECONDS - 1e-9 <= rest <= LONGEST_INTERVAL_SECONDS + 1e-9
    assert rest >= min(duration, LONGEST_INTERVAL_SECONDS) - 1e-9


def test_what_comes_after_a_refresh_needs_another() -> None:
    gate = RefreshGate()
    gate.indexed()
    gate.refreshed(started_at=1.0, finished_at=1.1)
    assert not gate.dirty
    gate.indexed()
    assert gate.dirty


@given(st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_what_comes_while_refreshing_rests_is_written_right_before_the_next_refresh(
    duration: float, later: float
) -> None:
    gate = RefreshGate()
    gate.refreshed(started_at=10.0, finished_at=10.0 + duration)
    due_at = 10.0 + duration + later
    write_at = gate.write_at(due_at, fills_a_bulk=False)
    gate.indexed()
    refresh_at = gate.due_at()
    assert refresh_at is not None
    assert write_at == max(due_at, refresh_at)
    assert gate.write_at(due_at, fills_a_bulk=True) == due_at

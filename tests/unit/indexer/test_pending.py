from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from indexer.pending import PendingEvents

INTERVAL = 1.0


def test_an_events_first_change_goes_at_once() -> None:
    pending = PendingEvents(INTERVAL)
    pending.add(7, offset=0, stock_only=True, now=100.0)
    assert pending.due(100.0, limit=10) == [7]


def test_seats_left_are_indexed_at_most_once_a_second_and_the_last_change_is_kept() -> None:
    pending = PendingEvents(INTERVAL)
    pending.add(7, offset=0, stock_only=True, now=100.0)
    pending.indexed([7], 100.1)
    pending.add(7, offset=1, stock_only=True, now=100.2)
    pending.add(7, offset=2, stock_only=True, now=100.3)
    assert pending.due(101.0, limit=10) == []
    assert pending.next_due_at() == 101.1
    assert pending.first_offset() == 1
    assert pending.due(101.1, limit=10) == [7]


def test_any_other_change_does_not_wait() -> None:
    pending = PendingEvents(INTERVAL)
    pending.add(7, offset=0, stock_only=False, now=100.0)
    pending.indexed([7], 100.0)
    pending.add(7, offset=1, stock_only=True, now=100.1)
    pending.add(7, offset=2, stock_only=False, now=100.2)
    assert pending.due(100.2, limit=10) == [7]
    assert pending.first_offset() == 1


def test_what_is_not_acknowledged_stays_and_holds_the_commit_back() -> None:
    pending = PendingEvents(INTERVAL)
    pending.add(7, offset=3, stock_only=False, now=0.0)
    pending.add(8, offset=4, stock_only=False, now=0.0)
    pending.indexed([8], 0.0)
    assert pending.due(0.0, limit=10) == [7]
    assert pending.first_offset() == 3


def test_a_batch_is_bounded() -> None:
    pending = PendingEvents(INTERVAL)
    for event_id in range(5):
        pending.add(event_id, offset=event_id, stock_only=False, now=0.0)
    assert pending.due(0.0, limit=3) == [0, 1, 2]
    assert len(pending) == 5


def test_old_times_are_forgotten() -> None:
    pending = PendingEvents(INTERVAL)
    for event_id in range(1000):
        pending.add(event_id, offset=event_id, stock_only=True, now=float(event_id))
        pending.indexed([event_id], float(event_id))
    assert len(pending._last_indexed) == 1


CHANGES = st.lists(
    st.tuples(st.integers(1, 3), st.booleans(), st.floats(0.0, 0.7), st.booleans()), min_size=1, max_size=60
)


@given(CHANGES)
def test_every_change_is_indexed_after_it_came_and_stock_alone_never_twice_a_second(
    changes: list[tuple[int, bool, float, bool]],
) -> None:
    """Plays changes against a clock, with an indexer that fails at times, and looks at what it did."""
    pending = PendingEvents(INTERVAL)
    now = 0.0
    offset_of_last_change: dict[int, int] = {}
    indexed: dict[int, list[tuple[float, bool, int]]] = {}
    only_stock: dict[int, bool] = {}
    seen_to = 0

    def work(fails: bool) -> None:
        due = pending.due(now, limit=10)
        if fails:
            return
        for event_id in due:
            indexed.setdefault(event_id, []).append((now, only_stock.pop(event_id), seen_to))
        pending.indexed(due, now)

    for offset, (event_id, stock_only, wait, fails) in enumerate(changes):
        pending.add(event_id, offset, stock_only=stock_only, now=now)
        only_stock[event_id] = only_stock.get(event_id, True) and stock_only
        offset_of_last_change[event_id] = offset
        seen_to = offset
        work(fails)
        now += wait
    for _ in range(10):
        now += INTERVAL / 2
        work(fails=False)
    assert len(pending) == 0
    assert pending.first_offset() is None
    for event_id, last in offset_of_last_change.items():
        times = indexed[event_id]
        assert times[-1][2] >= last
        for (before, _, _), (at, was_only_stock, _) in pairwise(times):
            assert not was_only_stock or at - before >= INTERVAL - 1e-9


def test_an_event_that_an_earlier_message_adds_again_holds_the_commit_back() -> None:
    pending = PendingEvents()
    pending.add(1, 100, stock_only=True, now=0.0)
    pending.add(1, 90, stock_only=False, now=0.0)
    assert pending.first_offset() == 90

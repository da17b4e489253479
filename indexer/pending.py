"""Events whose documents have to be read and indexed again, and how far the topic may be committed.

Seats left move fast, so changes of nothing else are held back: at most one update an event a second. The
first of them goes at once, and the last is never lost, because an event stays here until it was indexed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

STOCK_INTERVAL_SECONDS = 1.0


@dataclass(slots=True)
class _Pending:
    first_offset: int
    due_at: float


class PendingEvents:
    """What is still to be indexed, by event; times are seconds of one monotonic clock.

    Holds one entry an event, however often it changes. Who feeds it stops at a bound of his own.
    """

    def __init__(self, stock_interval_seconds: float = STOCK_INTERVAL_SECONDS) -> None:
        self._interval = stock_interval_seconds
        self._pending: dict[int, _Pending] = {}
        self._last_indexed: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, event_id: int, offset: int, *, stock_only: bool, now: float) -> None:
        """The message at `offset` says that the event changed."""
        due_at = now
        if stock_only:
            due_at = max(now, self._last_indexed.get(event_id, now - self._interval) + self._interval)
        entry = self._pending.get(event_id)
        if entry is None:
            self._pending[event_id] = _Pending(offset, due_at)
        else:
            entry.due_at = min(entry.due_at, due_at)
            # A fan-out adds what an earlier message told after later messages were taken up.
            entry.first_offset = min(entry.first_offset, offset)

    def due(self, now: float, limit: int) -> list[int]:
        """At most `limit` events to index now; they stay pending until `indexed`."""
        chosen: list[int] = []
        for event_id, entry in self._pending.items():
            if entry.due_at <= now:
                chosen.append(event_id)
                if len(chosen) == limit:
                    break
        return chosen

    def indexed(self, event_ids: Iterable[int], now: float) -> None:
        """Elasticsearch acknowledged these events as they were read after they were last added."""
        for event_id in event_ids:
            if self._pending.pop(event_id, None) is not None:
                self._last_indexed[event_id] = now
        self._forget(now)

    def next_due_at(self) -> float | None:
        """When the next event is due, or None when nothing is pending."""
        return min((entry.due_at for entry in self._pending.values()), default=None)

    def first_offset(self) -> int | None:
        """The offset below which everything was indexed, or None when nothing is pending."""
        return min((entry.first_offset for entry in self._pending.values()), default=None)

    def clear(self) -> None:
        """Another indexer goes on from the committed offset."""
        self._pending.clear()
        self._last_indexed.clear()

    def _forget(self, now: float) -> None:
        """Times older than the interval no longer hold anything back; most recent ones are last."""
        for event_id, indexed_at in list(self._last_indexed.items()):
            if now - indexed_at < self._interval:
                break
            del self._last_indexed[event_id]

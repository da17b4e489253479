"""When to make indexed documents searchable: at once after quiet, and never more than a share of the time.

A refresh writes a segment; without a bound, a stream of single changes would do little else. Waiting for
the index's own interval would make everybody wait for it.
"""

SHORTEST_INTERVAL_SECONDS = 0.05
LONGEST_INTERVAL_SECONDS = 0.2
# After a refresh that took d, the next one comes no sooner than d later: half of the time at most.
REST_FACTOR = 1.0


class RefreshGate:
    """Decides when to refresh; times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._dirty = False
        self._not_before = 0.0

    @property
    def dirty(self) -> bool:
        """Whether something was indexed that can't be found yet."""
        return self._dirty

    def indexed(self) -> None:
        """Documents were written (or found to be there already, perhaps unrefreshed)."""
        self._dirty = True

    def write_at(self, due_at: float, *, fills_a_bulk: bool) -> float:
        """When to write what is due then: all at once at the end of the rest, unless it is a bulk already.

        Before, it could be found no sooner than by the time that a bulk takes.
        """
        return due_at if fills_a_bulk else max(due_at, self._not_before)

    def due_at(self) -> float | None:
        """When to refresh, or None when there is nothing to see."""
        return self._not_before if self._dirty else None

    def refreshed(self, *, started_at: float, finished_at: float) -> None:
        """A refresh that began after the last `indexed` is done."""
        self._dirty = False
        rest = (finished_at - started_at) * REST_FACTOR
        self._not_before = finished_at + min(max(rest, SHORTEST_INTERVAL_SECONDS), LONGEST_INTERVAL_SECONDS)

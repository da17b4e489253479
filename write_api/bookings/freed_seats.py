"""Tells who cares, within this process, that seats of an event came free.

Whoever frees seats says so after the commit, in one place for all ways in which they come free: a booking is
cancelled, a hold expires, the host raises the capacity. It is a hint that saves time: nobody may rely on it,
since seats come free in other processes too, and a process may die between the commit and the hint.
"""

from collections.abc import Callable, Iterable

Listener = Callable[[int], None]
"""Is told the event; returns at once and raises nothing."""


class FreedSeats:
    """Passes the events of freed seats on to those who listen, in the order in which they came to listen."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """From now on `listener` is told."""
        self._listeners.append(listener)

    def tell(self, event_ids: Iterable[int]) -> None:
        """Seats of these events came free; each is told once, however often it is named."""
        for event_id in dict.fromkeys(event_ids):
            for listener in self._listeners:
                listener(event_id)

"""Waiting between tries: longer each time, up to a ceiling, over as soon as something works."""


class Backoff:
    """The next wait in seconds: doubles from `first_seconds` to `ceiling_seconds`."""

    def __init__(self, *, first_seconds: float = 0.1, ceiling_seconds: float = 5.0) -> None:
        self._first = first_seconds
        self._ceiling = ceiling_seconds
        self._next = first_seconds

    def failed(self) -> float:
        """How long to wait after one more failure."""
        wait, self._next = self._next, min(self._next * 2, self._ceiling)
        return wait

    def worked(self) -> None:
        """Something worked: the next failure waits short again."""
        self._next = self._first

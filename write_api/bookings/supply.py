"""How the number of a ticket type's seats changes: decided at once, followed by its seats; pure.

Two numbers of the stock decide it, in a short transaction that refuses what can't be; `settling.py` lets the
seats follow, some at a time.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Supply:
    """A stock: `remaining` seats can be sold; `unsettled` are still to be opened, or if negative withdrawn.

    What is to be withdrawn can't be sold any more, what is to be opened not yet.
    """

    remaining: int
    unsettled: int

    @property
    def removable(self) -> int:
        """How many seats nobody holds or has bought, made or not."""
        return self.remaining + max(self.unsettled, 0)

    def changed(self, by: int) -> "Supply | None":
        """With `by` seats more, or fewer; None where so many are not free.

        Seats that were to be withdrawn are sold on instead, and those that were to be opened are not.
        """
        if self.removable + by < 0:
            return None
        at_once = min(by, max(-self.unsettled, 0)) if by > 0 else min(0, by + max(self.unsettled, 0))
        return Supply(self.remaining + at_once, self.unsettled + by)

    def next_batch(self, max_seats: int) -> int:
        """How many seats to open next, or if negative to withdraw."""
        return max(-max_seats, min(self.unsettled, max_seats))

    def settled(self, seats: int) -> "Supply":
        """After that batch."""
        return Supply(self.remaining + max(seats, 0), self.unsettled - seats)

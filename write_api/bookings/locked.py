"""Bookings under lock: what is decided about them, and what becomes of them."""

from dataclasses import dataclass
from datetime import datetime

from write_api.bookings.rules import BookableEvent, BookingState, refund_of


@dataclass(frozen=True, slots=True)
class EndedBooking:
    """A booking under lock that is about to give its seats back; `refund_minor` of its price comes back."""

    event_id: int
    id: int
    ticket_type_id: int
    quantity: int
    refund_minor: int = 0


@dataclass(frozen=True, slots=True)
class LockedBooking:
    """A booking under lock, and the server's time once the lock was granted."""

    event_id: int
    id: int
    ticket_type_id: int
    quantity: int
    state: BookingState
    now: datetime

    def ended(self, event: BookableEvent) -> EndedBooking:
        """The booking as it is cancelled now, with what comes back by its policy."""
        refund_minor = refund_of(self.state, event, now=self.now)
        return EndedBooking(self.event_id, self.id, self.ticket_type_id, self.quantity, refund_minor)

"""Bookings under lock: what is decided about them, and what becomes of them."""

from dataclasses import dataclass
from datetime import datetime

from contracts.booking_policy import policy_from_row
from service_kit.database import Row
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
    person_id: int
    quantity: int
    state: BookingState
    now: datetime

    def ended(self, event: BookableEvent) -> EndedBooking:
        """The booking as it is cancelled now, with what comes back by its policy."""
        refund_minor = refund_of(self.state, event, now=self.now)
        return EndedBooking(self.event_id, self.id, self.ticket_type_id, self.quantity, refund_minor)


def locked_booking_from_row(row: Row) -> LockedBooking:
    """A row of `lock_booking` or `lock_bookings`."""
    state = BookingState(
        row["status"], row["hold_expires_at"], row["price_minor"], policy_from_row(row["policy"])
    )
    return LockedBooking(
        event_id=row["event_id"],
        id=row["id"],
        ticket_type_id=row["ticket_type_id"],
        person_id=row["person_id"],
        quantity=row["quantity"],
        state=state,
        now=row["now"],
    )

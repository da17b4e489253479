"""What a batch does with those who cancel: by the rules of the plain path, before it gives seats to anybody.

So the seats that come free are there for whoever wants seats in the same batch, as if all who cancel in it
had come first. Nobody can cancel what is booked in the same batch: who books hears of the booking later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from contracts.booking import Booking, booking_from_row
from service_kit.problem_responses import Problem
from write_api.bookings.grants import Sale
from write_api.bookings.locked import EndedBooking, LockedBooking
from write_api.bookings.refusals import no_booking, problem_of
from write_api.bookings.rules import ALREADY, BookableEvent, Refusal, refusal_to_cancel

BUSY: Final = "busy"
"""Somebody else works on the booking right now; for whoever can wait for that, and holds up nobody."""

CancelOutcome = Booking | Problem | Literal["busy"]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody who wants to give the seats of a booking back."""

    person_id: int
    booking_id: int

    @property
    def weight(self) -> int:
        """As Wish."""
        return 1


@dataclass(frozen=True, slots=True)
class JudgedCancels:
    """What becomes of the cancels of a batch; those who name the same booking hear the same."""

    cancels: Sequence[Cancel]
    refused: Mapping[Cancel, Problem | Literal["busy"]]
    freed: Sequence[LockedBooking]
    """Those that had their seats until now."""

    def ended(self, event: BookableEvent) -> list[EndedBooking]:
        """Those that are cancelled now, each once."""
        return [one.ended(event) for one in self.freed]

    @property
    def told_ids(self) -> set[int]:
        """The bookings whose owners hear that they are cancelled, now or before."""
        return {one.booking_id for one in self.cancels if one not in self.refused}

    def sale_after(self, sale: Sale) -> Sale:
        """The sale as whoever wants seats finds it: what was freed is left, and counts for nobody."""
        if not self.freed:
            return sale
        remaining, seats_before = dict(sale.remaining), dict(sale.seats_before)
        for one in self.freed:
            remaining[one.ticket_type_id] += one.quantity
            whose = (one.ticket_type_id, one.person_id)
            if whose in seats_before:
                seats_before[whose] -= one.quantity
        return replace(sale, remaining=remaining, seats_before=seats_before)

    def outcomes(self, rows: Mapping[int, Mapping[str, Any]]) -> list[CancelOutcome]:
        """What each hears, with the bookings of `told_ids` as they are now."""
        bookings = {booking_id: booking_from_row(row) for booking_id, row in rows.items()}
        return [self.refused.get(one) or bookings[one.booking_id] for one in self.cancels]


def judge_cancels(
    event: BookableEvent, locked: Mapping[int, LockedBooking], cancels: Sequence[Cancel]
) -> JudgedCancels:
    """Decides about bookings that exist; which of them are not `locked`, somebody else works on."""
    refused: dict[Cancel, Problem | Literal["busy"]] = {}
    freed: dict[int, LockedBooking] = {}
    for cancel in cancels:
        booking = locked.get(cancel.booking_id)
        if booking is None:
            refused[cancel] = BUSY
            continue
        if booking.person_id != cancel.person_id:
            refused[cancel] = no_booking(cancel.booking_id)
            continue
        refusal = refusal_to_cancel(booking.state, event, now=booking.now)
        if isinstance(refusal, Refusal):
            refused[cancel] = problem_of(refusal)
        elif refusal != ALREADY:
            freed[booking.id] = booking
    return JudgedCancels(cancels, refused, list(freed.values()))

"""What orders ask of the bookings: to be made, confirmed and cancelled together, for whoever comes.

The features never import each other; `features.py` hands the bookings to the orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, Self

from pydantic import Field, model_validator

from contracts.booking import MAX_SEATS_PER_BOOKING
from service_kit.database import Connection
from service_kit.email_address import Email
from service_kit.fields import Id, Line, RequestBody


class AttendeeBody(RequestBody):
    """Somebody who comes, as the person who books tells."""

    name: Line
    email: Email | None = None


Attendees = Annotated[
    list[AttendeeBody],
    Field(
        max_length=MAX_SEATS_PER_BOOKING,
        description="Who comes: at most one a seat; the first is for the first seat.",
    ),
]


class SeatsBody(RequestBody):
    """Seats of one ticket type of an event, and who comes to sit on them, if that is known."""

    event_id: Id
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_SEATS_PER_BOOKING)]
    ticket_type_id: Id | None = Field(default=None, description="Needed where the event has several.")
    attendees: Attendees = Field(default=[])

    @model_validator(mode="after")
    def _each_has_a_seat(self) -> Self:
        if len(self.attendees) > self.quantity:
            raise ValueError(f"{len(self.attendees)} attendees are named for {self.quantity} seats")
        return self


@dataclass(frozen=True, slots=True)
class BookingKey:
    """The whole key of a booking."""

    event_id: int
    booking_id: int


class OrderedBookings(Protocol):
    """Bookings of an order, by the transaction of the caller, who locks nothing of any event in it."""

    async def place(
        self, connection: Connection, *, order_id: int, person_id: int, items: Sequence[SeatsBody]
    ) -> list[BookingKey]:
        """Holds the seats of all items, or of none; the bookings in the order of the items.

        Raises the Problem that a booking of the first refused item would be answered, with its index as
        `item` and all that are refused as `refused_items`.
        """
        ...

    async def confirm(self, connection: Connection, bookings: Sequence[BookingKey]) -> None:
        """Makes all holds final that were not cancelled alone, or none.

        Raises Problem BOOKING_STATE, EVENT_NOT_BOOKABLE, with the booking that it is for as `booking_id`.
        """
        ...

    async def cancel(self, connection: Connection, bookings: Sequence[BookingKey]) -> Sequence[int]:
        """Gives back the seats of all that still have some; the events of whose seats some came free.

        Raises Problem BOOKING_STATE, REFUSED_BY_POLICY where one may not be cancelled, with its id as
        `booking_id`, and BOOKING_STATE where all have expired.
        """
        ...

"""The bodies of the bookings' requests; what is answered is `contracts.booking`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.booking import MAX_SEATS_PER_BOOKING
from service_kit.fields import Id, RequestBody
from write_api.ordered_bookings import Attendees, refuse_more_attendees_than_seats


class BookingCreate(RequestBody):
    """Which seats to hold: so many of an event, and of which ticket type where there are several."""

    event_id: Id
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_SEATS_PER_BOOKING)]
    ticket_type_id: Id | None = Field(default=None, description="Needed where the event has several.")
    attendees: Attendees = Field(default=[])

    @model_validator(mode="after")
    def _each_has_a_seat(self) -> Self:
        refuse_more_attendees_than_seats(self.attendees, self.quantity)
        return self


class AttendeesBody(RequestBody):
    """Who comes from now on, in place of all who were named."""

    attendees: Attendees

"""The bodies of the bookings' requests; what is answered is `contracts.booking`."""

from typing import Annotated

from pydantic import Field

from contracts.booking import MAX_SEATS_PER_BOOKING
from service_kit.fields import Id, RequestBody


class BookingCreate(RequestBody):
    """Which seats to hold: so many of an event, and of which ticket type where there are several."""

    event_id: Id
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_SEATS_PER_BOOKING)]
    ticket_type_id: Id | None = Field(default=None, description="Needed where the event has several.")

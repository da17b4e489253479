"""The bodies of the orders' requests; what is answered is `contracts.order`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.booking import MAX_SEATS_PER_BOOKING
from contracts.order import MAX_ITEMS_PER_ORDER
from service_kit.fields import Id, RequestBody
from write_api.ordered_bookings import Attendees, refuse_more_attendees_than_seats


class OrderItemBody(RequestBody):
    """Seats of one ticket type of one event, and who comes to sit on them, if that is known."""

    event_id: Id
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_SEATS_PER_BOOKING)]
    ticket_type_id: Id | None = Field(default=None, description="Needed where the event has several.")
    attendees: Attendees = Field(default=[])

    @model_validator(mode="after")
    def _each_has_a_seat(self) -> Self:
        refuse_more_attendees_than_seats(self.attendees, self.quantity)
        return self


class OrderCreate(RequestBody):
    """What is wanted: all of it, or nothing. Items of the same ticket type are served in turn."""

    items: Annotated[list[OrderItemBody], Field(min_length=1, max_length=MAX_ITEMS_PER_ORDER)]

"""The bodies of the waitlist's requests; what is answered is `contracts.waitlist`."""

from typing import Annotated

from pydantic import Field

from contracts.booking import MAX_SEATS_PER_BOOKING
from service_kit.fields import Id, RequestBody


class WaitlistJoin(RequestBody):
    """Which seats to wait for: as a booking would name them."""

    event_id: Id
    quantity: Annotated[int, Field(strict=True, ge=1, le=MAX_SEATS_PER_BOOKING)]
    ticket_type_id: Id | None = Field(default=None, description="Needed where the event has several.")

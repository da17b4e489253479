"""The bodies of the bookings' requests; what is answered is `contracts.booking`."""

from service_kit.fields import RequestBody
from write_api.ordered_bookings import Attendees, SeatsBody


class BookingCreate(SeatsBody):
    """Which seats to hold: so many of an event, and of which ticket type where there are several."""


class AttendeesBody(RequestBody):
    """Who comes from now on, in place of all who were named."""

    attendees: Attendees

"""The bodies of the orders' requests; what is answered is `contracts.order`."""

from typing import Annotated

from pydantic import Field

from contracts.order import MAX_ITEMS_PER_ORDER
from service_kit.fields import RequestBody
from write_api.ordered_bookings import SeatsBody


class OrderCreate(RequestBody):
    """What is wanted: all of it, or nothing. Items of the same ticket type are served in turn."""

    items: Annotated[list[SeatsBody], Field(min_length=1, max_length=MAX_ITEMS_PER_ORDER)]

"""A booking as every API answers it to its owner, made from one row of `read_side.bookings`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from contracts.booking_policy import BookingPolicy, policy_from_row
from contracts.money import minor_units
from contracts.page import page_of

MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 20
MAX_SEATS_PER_BOOKING = 100
"""A coach's load and more; whoever needs more makes two bookings."""

BookingStatus = Literal["held", "confirmed", "cancelled", "expired"]


class Seat(BaseModel):
    """One seat of an event."""

    position: int
    label: str


class Attendee(BaseModel):
    """Somebody who comes."""

    name: str
    email: str | None


class Booking(BaseModel):
    """A booking as its owner sees it."""

    id: int
    event_id: int
    ticket_type_id: int
    quantity: int
    status: BookingStatus
    price_minor: int = Field(description="Of all its seats, in minor units: exact.")
    price: float = Field(description="Of all its seats, in the currency's main unit.")
    currency: str
    seats: list[Seat] = Field(description="Its seats; those that it had, once it is cancelled or expired.")
    hold_expires_at: datetime = Field(description="Confirm before this, UTC.")
    created_at: datetime
    confirmed_at: datetime | None
    order_id: int | None = Field(description="The order that it is part of; null where it was made alone.")
    attendees: list[Attendee] = Field(
        description="Who comes, the first on the first seat; as many as were named."
    )
    policy: BookingPolicy = Field(description="The event's at the purchase, whatever it is now.")
    refund_minor: int | None = Field(
        description="What comes back of the price, in minor units, once it is cancelled: by its policy."
    )


class BookingPage(BaseModel):
    """Some of your bookings, newest first."""

    bookings: list[Booking]
    next_before: int | None = Field(description="`before` for the next page; null on the last.")


_SAME_NAME = (
    "id", "event_id", "ticket_type_id", "quantity", "status", "price_minor", "currency", "seats",
    "hold_expires_at", "created_at", "confirmed_at", "order_id",
)  # fmt: skip


def booking_from_row(row: Mapping[str, Any]) -> Booking:
    """The booking of a row of `read_side.bookings`; nobody is named where `attendees` were not asked for.

    Where `refund_minor` was not asked for, it has not been cancelled.
    """
    return Booking(
        **{name: row[name] for name in _SAME_NAME},
        attendees=row.get("attendees", []),
        price=row["price_minor"] / 10 ** minor_units(row["currency"]),
        policy=policy_from_row(row["policy"]),
        refund_minor=row.get("refund_minor"),
    )


def booking_page(rows: Sequence[Mapping[str, Any]], *, page_size: int) -> BookingPage:
    """A page of at most `page_size`, from rows newest first; one row more tells that another page follows."""
    page, next_before = page_of(rows, page_size=page_size)
    return BookingPage(bookings=[booking_from_row(row) for row in page], next_before=next_before)

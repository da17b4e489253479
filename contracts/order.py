"""An order as every API answers it to its owner, made from one row of `read_side.orders`.

An order has no state of its own: what it is, its bookings tell.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from contracts.booking import Booking, BookingStatus, booking_from_row
from contracts.money import minor_units
from contracts.page import page_of

MAX_ITEMS_PER_ORDER: Final = 20
"""A festival's week for a family; each item is an event whose sale waits while the order is placed."""
MAX_ORDER_PAGE_SIZE: Final = 20
"""An order has at most 2,000 seats, and a page so many orders."""
DEFAULT_ORDER_PAGE_SIZE: Final = 10

OrderStatus = Literal["held", "confirmed", "cancelled", "expired"]


class Total(BaseModel):
    """What the bookings in one currency cost together."""

    currency: str
    price_minor: int = Field(description="In minor units: exact.")
    price: float = Field(description="In the currency's main unit.")


class Order(BaseModel):
    """An order as its owner sees it."""

    id: int
    status: OrderStatus = Field(
        description="`held` while a hold can be confirmed; `expired` once one of them no longer can; "
        "`confirmed`; `cancelled` when all of its bookings are."
    )
    bookings: list[Booking] = Field(description="One for each item, in the order in which you sent them.")
    totals: list[Total] = Field(
        description="By currency, of the bookings that are held or confirmed; none where there are none."
    )
    hold_expires_at: datetime | None = Field(
        description="Confirm before this, UTC: the earliest of its holds. Null where nothing is held."
    )
    created_at: datetime


class OrderPage(BaseModel):
    """Some of your orders, newest first."""

    orders: list[Order]
    next_before: int | None = Field(description="`before` for the next page; null on the last.")


def order_status(statuses: Sequence[BookingStatus]) -> OrderStatus:
    """What an order is whose bookings have these statuses. Bookings that were cancelled alone don't count.

    An order is confirmed as a whole, so it can no longer be when one of its holds has expired.
    """
    left = {status for status in statuses if status != "cancelled"}
    if not left:
        return "cancelled"
    if "held" in left:
        return "expired" if "expired" in left else "held"
    return "confirmed" if "confirmed" in left else "expired"


def totals_of(bookings: Sequence[Booking]) -> list[Total]:
    """What the bookings that have their seats cost together, by currency."""
    minor: dict[str, int] = {}
    for booking in bookings:
        if booking.status in {"held", "confirmed"}:
            minor[booking.currency] = minor.get(booking.currency, 0) + booking.price_minor
    return [
        Total(currency=currency, price_minor=total, price=total / 10 ** minor_units(currency))
        for currency, total in sorted(minor.items())
    ]


def order_from_row(row: Mapping[str, Any]) -> Order:
    """The order of a row of `read_side.orders`."""
    bookings = [booking_from_row(booking) for booking in row["bookings"]]
    return Order(
        id=row["id"],
        status=order_status([booking.status for booking in bookings]),
        bookings=bookings,
        totals=totals_of(bookings),
        hold_expires_at=min(
            (booking.hold_expires_at for booking in bookings if booking.status == "held"), default=None
        ),
        created_at=row["created_at"],
    )


def order_page(rows: Sequence[Mapping[str, Any]], *, page_size: int) -> OrderPage:
    """A page of at most `page_size`, from rows newest first; one row more tells that another page follows."""
    page, next_before = page_of(rows, page_size=page_size)
    return OrderPage(orders=[order_from_row(row) for row in page], next_before=next_before)

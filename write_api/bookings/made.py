"""A booking that was just made, encoded as `contracts.booking.Booking` is, at a twentieth of the cost."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from contracts.booking import Booking, BookingStatus
from contracts.booking_policy import PLATFORM_POLICY
from contracts.money import minor_units
from write_api.ordered_bookings import AttendeeBody


class MadeSeat(msgspec.Struct, gc=False):
    """As contracts.booking.Seat."""

    position: int
    label: str


class MadeAttendee(msgspec.Struct, gc=False):
    """As contracts.booking.Attendee."""

    name: str
    email: str | None


class MadeRefundStep(msgspec.Struct, gc=False):
    """As contracts.booking_policy.RefundStep."""

    seconds_before_start: int
    percent: int


class MadePolicy(msgspec.Struct, gc=False):
    """As contracts.booking_policy.BookingPolicy."""

    version: int
    cancel_allowed: bool
    cancel_until_seconds: int
    refund_policy: tuple[MadeRefundStep, ...]
    edit_allowed: bool
    edit_until_seconds: int
    transfer_allowed: bool
    transfer_until_seconds: int


_PLATFORM_POLICY = msgspec.convert(PLATFORM_POLICY.model_dump(), MadePolicy)


def made_policy(policy: Mapping[str, Any] | None) -> MadePolicy:
    """The policy of a `policy` column of read_side; null is the platform's."""
    return _PLATFORM_POLICY if policy is None else msgspec.convert(policy, MadePolicy)


class MadeBooking(msgspec.Struct, gc=False):
    """As contracts.booking.Booking, member by member; a test compares what they are encoded to."""

    id: int
    event_id: int
    ticket_type_id: int
    quantity: int
    status: BookingStatus
    price_minor: int
    price: float
    currency: str
    seats: list[MadeSeat]
    hold_expires_at: datetime
    created_at: datetime
    confirmed_at: datetime | None
    order_id: int | None
    attendees: list[MadeAttendee]
    policy: MadePolicy
    refund_minor: None

    def as_booking(self) -> Booking:
        """The same for FastAPI."""
        return Booking(**msgspec.to_builtins(self, builtin_types=(datetime,)))


def made_attendees(attendees: Iterable[AttendeeBody]) -> list[MadeAttendee]:
    """Those who come, as whoever books has said."""
    return [MadeAttendee(attendee.name, attendee.email) for attendee in attendees]


def made_booking_from_row(row: Mapping[str, Any], attendees: Iterable[AttendeeBody]) -> MadeBooking:
    """A row of `read_side.bookings`, as the booking was when it was made: who repeats hears the same.

    `attendees` came then, whoever comes now.
    """
    return MadeBooking(
        id=row["id"],
        event_id=row["event_id"],
        ticket_type_id=row["ticket_type_id"],
        quantity=row["quantity"],
        status="held",
        price_minor=row["price_minor"],
        price=row["price_minor"] / 10 ** minor_units(row["currency"]),
        currency=row["currency"],
        seats=[MadeSeat(**seat) for seat in row["seats"]],
        hold_expires_at=row["hold_expires_at"],
        created_at=row["created_at"],
        confirmed_at=None,
        order_id=row["order_id"],
        attendees=made_attendees(attendees),
        policy=made_policy(row["policy"]),
        refund_minor=None,
    )

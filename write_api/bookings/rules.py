"""When seats may be booked, confirmed and given back: pure decisions on what the transaction has locked.

Each answers None (go ahead), `ALREADY` (it is so already: answer the same again), or the Refusal to give.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from contracts import problems
from contracts.booking import BookingStatus
from contracts.booking_policy import PLATFORM_POLICY, BookingPolicy
from contracts.event import EventStatus
from contracts.problems import ProblemType

ALREADY: Final = "already"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: the kind of problem, a sentence for people, further members of the answer."""

    kind: ProblemType
    detail: str
    members: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BookableEvent:
    """What the rules need to know of an event."""

    status: EventStatus
    starts_at: datetime
    currency: str
    hold_seconds: int | None = None
    """How long its holds last; None: as long as the platform's."""
    policy_version: int = 0
    """Which of its policies is in force; 0 is the platform's."""


@dataclass(frozen=True, slots=True)
class BookableTicketType:
    """What the rules need to know of a ticket type; the sales window is open where a bound is None."""

    id: int
    name: str
    price_minor: int
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    per_person_limit: int | None = None
    """How many seats of it one person may have at a time; None: any number."""


@dataclass(frozen=True, slots=True)
class BookingState:
    """What the rules need to know of a booking; its policy is that of its purchase."""

    status: BookingStatus
    hold_expires_at: datetime
    price_minor: int = 0
    policy: BookingPolicy = PLATFORM_POLICY


def chosen_ticket_type(
    ticket_types: Sequence[BookableTicketType], wanted_id: int | None
) -> BookableTicketType | Refusal:
    """The ticket type that a booking is for: the one that it names, or the only one there is."""
    for ticket_type in ticket_types:
        if ticket_type.id == wanted_id or (wanted_id is None and len(ticket_types) == 1):
            return ticket_type
    if wanted_id is None:
        reason = "This event has several ticket types: name one by ticket_type_id."
    else:
        reason = f"This event has no ticket type {wanted_id}."
    known = [{"id": ticket_type.id, "name": ticket_type.name} for ticket_type in ticket_types]
    return Refusal(problems.INVALID_REQUEST, reason, {"ticket_types": known})


def refusal_to_book(
    event: BookableEvent,
    ticket_type: BookableTicketType,
    *,
    remaining: int,
    quantity: int,
    now: datetime,
    seats_before: int = 0,
    awaited: int | None = None,
) -> Refusal | None:
    """Why `quantity` seats of the ticket type can't be booked at `now`, if they can't.

    `seats_before` are the seats of it, held or confirmed, that whoever asks has already; `awaited` is the
    smallest number of its seats that somebody waits for who comes first, None where nobody does.
    """
    not_on_sale = refusal_to_sell(event, ticket_type, now=now)
    if not_on_sale is not None:
        return not_on_sale
    limit = ticket_type.per_person_limit
    if limit is not None and seats_before + quantity > limit:
        detail = f"One person may have {limit} of these seats at a time; you have {seats_before}."
        members = {"per_person_limit": limit, "seats_you_have": seats_before}
        return Refusal(problems.PER_PERSON_LIMIT, detail, members)
    if quantity > remaining:
        detail = f"{remaining} seats are left, {quantity} were asked for."
        return Refusal(problems.NOT_ENOUGH_SEATS, detail, {"seats_remaining": remaining})
    if awaited is not None and remaining >= awaited:
        detail = f"{remaining} seats are left, and others wait for them: join the waitlist."
        return Refusal(problems.NOT_ENOUGH_SEATS, detail, {"seats_remaining": remaining, "others_wait": True})
    return None


def refusal_to_sell(
    event: BookableEvent, ticket_type: BookableTicketType, *, now: datetime
) -> Refusal | None:
    """Why nobody can book seats of the ticket type at `now`, however many are left."""
    if event.status != "active":
        return _not_bookable(f"event-{event.status}", f"The event is {event.status}.")
    if now >= event.starts_at:
        return _not_bookable("event-started", "The event has started.")
    if ticket_type.sales_start_at is not None and now < ticket_type.sales_start_at:
        return _not_bookable("sales-not-started", f"Sales start at {ticket_type.sales_start_at.isoformat()}.")
    if ticket_type.sales_end_at is not None and now >= ticket_type.sales_end_at:
        return _not_bookable("sales-ended", f"Sales ended at {ticket_type.sales_end_at.isoformat()}.")
    return None


def refusal_to_confirm(
    booking: BookingState, event: BookableEvent, *, now: datetime
) -> Refusal | Literal["already"] | None:
    """Why a booking can't be confirmed at `now`.

    A hold is a promise: it can be confirmed until its deadline, also when the host took the event off sale or
    the event has just started; not when the event was cancelled.
    """
    if booking.status == "confirmed":
        return ALREADY
    return _refusal_as_over(booking, event, now=now)


def refusal_to_cancel(
    booking: BookingState, event: BookableEvent, *, now: datetime
) -> Refusal | Literal["already"] | None:
    """Why a booking can't be cancelled at `now`: only before the event starts, and while it has its seats.

    From then on its policy decides, except where nothing is bought yet or the event itself is cancelled.
    """
    if booking.status == "cancelled":
        return ALREADY
    if is_over(booking, now=now):
        return _wrong_state("expired", "The hold has expired and the seats are free again.")
    if now >= event.starts_at:
        return _wrong_state("event-started", "The event has started.")
    is_free_to_go = booking.status == "held" or event.status == "cancelled"
    until = event.starts_at if is_free_to_go else booking.policy.cancel_until(event.starts_at)
    return _refusal_by_policy("cancel", until, now=now)


def refund_of(booking: BookingState, event: BookableEvent, *, now: datetime) -> int:
    """What comes back, in minor units, to whoever cancels a booking at `now`, which may be cancelled.

    Nothing was paid for a hold; where the event itself is cancelled, all comes back.
    """
    if booking.status != "confirmed":
        return 0
    if event.status == "cancelled":
        return booking.price_minor
    return booking.policy.refund_minor(booking.price_minor, event.starts_at, now)


def refusal_to_edit(booking: BookingState, event: BookableEvent, *, now: datetime) -> Refusal | None:
    """Why it can't be changed at `now` who comes: while the booking stands, its policy decides."""
    return _refusal_to_change(booking, event, "edit", booking.policy.edit_until(event.starts_at), now=now)


def refusal_to_transfer(booking: BookingState, event: BookableEvent, *, now: datetime) -> Refusal | None:
    """Why a booking can't be handed to somebody at `now`: as `refusal_to_edit`, but not while it is held."""
    if booking.status == "held" and not is_over(booking, now=now):
        return _wrong_state("held", "The booking is not confirmed.")
    until = booking.policy.transfer_until(event.starts_at)
    return _refusal_to_change(booking, event, "transfer", until, now=now)


def _refusal_to_change(
    booking: BookingState, event: BookableEvent, what: str, until: datetime | None, *, now: datetime
) -> Refusal | None:
    over = _refusal_as_over(booking, event, now=now)
    if over is not None:
        return over
    if now >= event.starts_at:
        return _wrong_state("event-started", "The event has started.")
    return _refusal_by_policy(what, until, now=now)


def _refusal_as_over(booking: BookingState, event: BookableEvent, *, now: datetime) -> Refusal | None:
    """Why nothing but its cancellation can be asked of a booking: it has no seats any more, or no event."""
    if booking.status == "cancelled":
        return _wrong_state("cancelled", "The booking was cancelled.")
    if is_over(booking, now=now):
        return _wrong_state("expired", "The hold has expired and the seats are free again.")
    if event.status == "cancelled":
        return _not_bookable("event-cancelled", "The event is cancelled.")
    return None


def _refusal_by_policy(what: str, until: datetime | None, *, now: datetime) -> Refusal | None:
    """Why not to cancel, edit or transfer at `now`, where the policy allows it `until` then, or never."""
    if until is None:
        detail = f"The policy of this booking allows no {what}."
        return Refusal(problems.REFUSED_BY_POLICY, detail, {"reason": f"{what}-not-allowed"})
    if now >= until:
        detail = f"The policy of this booking allowed its {what} until {until.isoformat()}."
        members = {"reason": f"{what}-too-late", "until": until.isoformat()}
        return Refusal(problems.REFUSED_BY_POLICY, detail, members)
    return None


def is_over(booking: BookingState, *, now: datetime) -> bool:
    """Whether the hold has expired, be it that the sweep has not come by yet."""
    return booking.status == "expired" or (booking.status == "held" and now >= booking.hold_expires_at)


def _not_bookable(reason: str, detail: str) -> Refusal:
    return Refusal(problems.EVENT_NOT_BOOKABLE, detail, {"reason": reason})


def _wrong_state(reason: str, detail: str) -> Refusal:
    return Refusal(problems.BOOKING_STATE, detail, {"reason": reason})

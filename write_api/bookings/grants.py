"""Who of those who came gets seats: pure, in the order in which they came.

Who comes again with an idempotency key gets what they got, be it before or earlier in the same batch.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from contracts import problems
from write_api.bookings.rules import (
    BookableEvent,
    BookableTicketType,
    Refusal,
    chosen_ticket_type,
    refusal_to_book,
)
from write_api.ordered_bookings import AttendeeBody


class Wish(msgspec.Struct, frozen=True, gc=False):
    """Somebody who wants seats of an event; of its only ticket type where none is named.

    `order_id` is that of the order that it is a part of; `hold_seconds` how long it is held where that is not
    the event's matter. Who `has_waited` comes from the waitlist, the others are new and pass nobody there.
    `attendees` come, the first on the first seat, at most one a seat.
    """

    person_id: int
    quantity: int
    ticket_type_id: int | None = None
    idempotency_key: str | None = None
    order_id: int | None = None
    hold_seconds: int | None = None
    has_waited: bool = False
    attendees: tuple[AttendeeBody, ...] = ()

    @property
    def name(self) -> tuple[int, str] | None:
        """What makes a repetition of it known: whose key it is, and the key."""
        return None if self.idempotency_key is None else (self.person_id, self.idempotency_key)

    @property
    def weight(self) -> int:
        """How many rows it takes beside its seats: those who come have one each."""
        return 1 + len(self.attendees)

    @property
    def attendees_sha256(self) -> bytes | None:
        """Tells whether others come; None where nobody is named."""
        if not self.attendees:
            return None
        named = [(attendee.name, attendee.email) for attendee in self.attendees]
        return hashlib.sha256(json.dumps(named).encode()).digest()


@dataclass(frozen=True, slots=True)
class MadeBefore:
    """A booking that was made with an idempotency key."""

    booking_id: int
    ticket_type_id: int
    quantity: int
    attendees_sha256: bytes | None = None
    """Of those who came when it was made, whoever comes now."""


@dataclass(frozen=True, slots=True)
class Sale:
    """An event whose sale nobody else can change now: `remaining` seats by ticket type, at `now`.

    `made_before` are bookings of those who ask, by the names of their wishes; `seats_before` how many seats
    they have already, by ticket type and person, of ticket types with a limit; `awaited` by
    ticket type the smallest number of seats that somebody on the waitlist wants.
    """

    event: BookableEvent
    ticket_types: Sequence[BookableTicketType]
    remaining: Mapping[int, int]
    now: datetime
    made_before: Mapping[tuple[int, str], MadeBefore] = field(default_factory=dict)
    seats_before: Mapping[tuple[int, int], int] = field(default_factory=dict)
    awaited: Mapping[int, int] = field(default_factory=dict)
    policy: Mapping[str, Any] | None = None
    """What new bookings keep, as in read_side; None is the platform's."""
    versions: Sequence[str] = ()
    """Of the event and of each ticket type: another one is another row."""
    seats: Mapping[int, int] = field(default_factory=dict)
    """How many can be sold in all, by ticket type."""

    def remaining_after(self, grants: Iterable["Grant"]) -> dict[int, int]:
        """Seats left by ticket type; a grant that is there twice counts twice."""
        remaining = dict(self.remaining)
        for grant in grants:
            remaining[grant.ticket_type.id] -= grant.wish.quantity
        return remaining


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A wish that gets its seats."""

    wish: Wish
    ticket_type: BookableTicketType

    @property
    def ticket_type_id(self) -> int:
        """As MadeBefore."""
        return self.ticket_type.id

    @property
    def quantity(self) -> int:
        """As MadeBefore."""
        return self.wish.quantity

    @property
    def attendees_sha256(self) -> bytes | None:
        """As MadeBefore."""
        return self.wish.attendees_sha256


Outcome = Grant | MadeBefore | Refusal
"""A wish that is repeated within a batch has the very Grant of the first."""


def grant_in_order(sale: Sale, wishes: Sequence[Wish]) -> list[Outcome]:
    """What becomes of each wish, as if they were served one after the other.

    Whoever wants more than is left is refused, and whoever comes later and fits is served. Who is new gets
    nothing while what is left would suffice for somebody on the waitlist.
    """
    remaining = dict(sale.remaining)
    seats = dict(sale.seats_before)
    made: dict[tuple[int, str], Grant | MadeBefore] = dict(sale.made_before)
    outcomes: list[Outcome] = []
    for wish in wishes:
        name = wish.name
        before = None if name is None else made.get(name)
        if before is not None:
            outcomes.append(before if _is_the_same(wish, before) else _key_reused())
            continue
        outcome = _outcome(sale, remaining, seats, wish)
        if isinstance(outcome, Grant):
            remaining[outcome.ticket_type.id] -= wish.quantity
            whose = (outcome.ticket_type.id, wish.person_id)
            seats[whose] = seats.get(whose, 0) + wish.quantity
            if name is not None:
                made[name] = outcome
        outcomes.append(outcome)
    return outcomes


def _outcome(
    sale: Sale, remaining: Mapping[int, int], seats: Mapping[tuple[int, int], int], wish: Wish
) -> Grant | Refusal:
    ticket_type = chosen_ticket_type(sale.ticket_types, wish.ticket_type_id)
    if isinstance(ticket_type, Refusal):
        return ticket_type
    refusal = refusal_to_book(
        sale.event,
        ticket_type,
        remaining=remaining[ticket_type.id],
        quantity=wish.quantity,
        now=sale.now,
        seats_before=seats.get((ticket_type.id, wish.person_id), 0),
        awaited=None if wish.has_waited else sale.awaited.get(ticket_type.id),
    )
    return refusal or Grant(wish, ticket_type)


def _is_the_same(wish: Wish, before: Grant | MadeBefore) -> bool:
    return (
        wish.quantity == before.quantity
        and wish.ticket_type_id in {None, before.ticket_type_id}
        and wish.attendees_sha256 == before.attendees_sha256
    )


def _key_reused() -> Refusal:
    detail = "With this key you booked something else of this event, or for others; send a new key."
    return Refusal(problems.IDEMPOTENCY_KEY_REUSED, detail)

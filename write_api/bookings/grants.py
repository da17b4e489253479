"""Who of those who came gets seats: pure, in the order in which they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from write_api.bookings.rules import (
    BookableEvent,
    BookableTicketType,
    Refusal,
    chosen_ticket_type,
    refusal_to_book,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody who wants seats of an event; of its only ticket type where none is named."""

    person_id: int
    quantity: int
    ticket_type_id: int | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """An event whose sale nobody else can change now: `remaining` seats by ticket type, at `now`."""

    event: BookableEvent
    ticket_types: Sequence[BookableTicketType]
    remaining: Mapping[int, int]
    now: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """A wish that gets its seats."""

    wish: Wish
    ticket_type: BookableTicketType


def grant_in_order(sale: Sale, wishes: Sequence[Wish]) -> list[Grant | Refusal]:
    """What becomes of each wish, as if they were served one after the other.

    Whoever wants more than is left is refused, and whoever comes later and fits is served.
    """
    remaining = dict(sale.remaining)
    outcomes: list[Grant | Refusal] = []
    for wish in wishes:
        ticket_type = chosen_ticket_type(sale.ticket_types, wish.ticket_type_id)
        if isinstance(ticket_type, Refusal):
            outcomes.append(ticket_type)
            continue
        refusal = refusal_to_book(
            sale.event, ticket_type, remaining=remaining[ticket_type.id], quantity=wish.quantity, now=sale.now
        )
        if refusal is None:
            remaining[ticket_type.id] -= wish.quantity
        outcomes.append(refusal or Grant(wish, ticket_type))
    return outcomes

"""What the waitlist asks of the bookings: may somebody wait, and seats for those who are first in line.

The features never import each other; `features.py` and `app.py` hand what implements this to the waitlist.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service_kit.database import Connection
from service_kit.problem_responses import Problem


class SeatsNotOfferedError(Exception):
    """The seats of an event can't be offered: its rows contradict each other. Roll the transaction back."""


@dataclass(frozen=True, slots=True)
class InLine:
    """Somebody who waits for seats of an event."""

    entry_id: int
    person_id: int
    ticket_type_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Offered:
    """A booking that was made for somebody in line, held until they decide."""

    in_line: InLine
    booking_id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Offers:
    """What became of those who were first in line: who is offered seats, and who may not have them.

    Whoever is in neither waits on.
    """

    offered: Sequence[Offered] = ()
    passed: Sequence[InLine] = ()


FirstInLine = Callable[[Connection, int, Mapping[int, int]], Awaitable[Sequence[InLine]]]
"""Who of an event's line is served next, in their order, for so many free seats by ticket type.

It is called once nobody else can change the sale, and locks those whom it answers.
"""


class WaitingRules(Protocol):
    """For which seats of an event who may wait, by its sale as it was read."""

    def ticket_type_of(self, wanted_id: int | None) -> int | Problem:
        """The ticket type that is wanted, or the only one. INVALID_REQUEST where there is none."""
        ...

    def refusal_to_wait(self, ticket_type_id: int, *, person_id: int, quantity: int) -> Problem | None:
        """SEATS_ARE_FREE where they can be booked now, and what a booking is refused for that waiting doesn't
        help: EVENT_NOT_BOOKABLE, PER_PERSON_LIMIT, INVALID_REQUEST.
        """
        ...


class OfferSeats(Protocol):
    """The part of the sale that serves the waitlist, each within the caller's transaction."""

    async def waiting_rules(
        self, connection: Connection, event_id: int, person_ids: Collection[int]
    ) -> WaitingRules:
        """The rules for these people, of an event that can't change until the transaction ends.

        Raises Problem NOT_FOUND.
        """
        ...

    async def offer(self, connection: Connection, event_id: int, first_in_line: FirstInLine) -> Offers:
        """Makes a booking for each who is served. Raises SeatsNotOfferedError."""
        ...


Decline = Callable[[int, int], Awaitable[object]]
"""Cancels a person's own booking (the ids, in this order), in a transaction of its own.

Raises Problem BOOKING_STATE where it is over.
"""

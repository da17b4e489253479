"""The sale to those who waited: the same locks, rules and rows as any booking, with a longer hold."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import psycopg

from contracts import problems
from service_kit.database import Connection
from service_kit.problem_responses import Problem
from write_api.bookings.grants import Grant, Outcome, Sale, Wish, grant_in_order
from write_api.bookings.refusals import no_event, problem_of
from write_api.bookings.rules import Refusal, chosen_ticket_type, refusal_to_book, refusal_to_sell
from write_api.bookings.seat_accounting import SeatAccountingError
from write_api.bookings.store import BookingStore
from write_api.offered_seats import FirstInLine, InLine, Offered, Offers, SeatsNotOfferedError

_WAITS_ON = frozenset({problems.NOT_ENOUGH_SEATS, problems.EVENT_NOT_BOOKABLE})
"""Refusals that may be over tomorrow; any other is about the one who asked, and nobody waits behind it."""


class WaitlistSale:
    """See write_api.offered_seats.OfferSeats. Offers are held for `offer_seconds`."""

    def __init__(self, store: BookingStore, *, offer_seconds: int) -> None:
        self._store = store
        self._offer_seconds = offer_seconds

    async def waiting_rules(
        self, connection: Connection, event_id: int, person_ids: Collection[int]
    ) -> "SharedSale":
        """See WaitingRules. Raises Problem NOT_FOUND.

        The stock is read and not locked: seats that come free meanwhile are offered within a moment.
        """
        sale = await self._store.share_sale(connection, event_id, person_ids)
        if sale is None:
            raise no_event(event_id)
        return SharedSale(sale)

    async def offer(self, connection: Connection, event_id: int, first_in_line: FirstInLine) -> Offers:
        """Makes a booking for each who is first in line and may have the seats.

        Raises SeatsNotOfferedError, psycopg.Error.
        """
        sale = await self._store.lock_sale(connection, event_id)
        if sale is None:
            return Offers()
        line = await first_in_line(connection, event_id, _on_sale(sale))
        people = {one.person_id for one in line}
        seats_before = await self._store.seats_before(connection, event_id, sale.ticket_types, people)
        outcomes = grant_in_order(replace(sale, seats_before=seats_before), [self._wish(one) for one in line])
        grants = [one for one in outcomes if isinstance(one, Grant)]
        try:
            made = await self._store.insert_bookings(
                connection, event_id, sale, grants, hold_seconds=self._offer_seconds
            )
        except (SeatAccountingError, psycopg.IntegrityError, psycopg.DataError) as error:
            raise SeatsNotOfferedError(f"{type(error).__name__}: {error}") from error
        expires_at = sale.now + timedelta(seconds=self._offer_seconds)
        served = [one for one, outcome in zip(line, outcomes, strict=True) if isinstance(outcome, Grant)]
        return Offers(
            offered=[
                Offered(one, booking_id, expires_at) for one, booking_id in zip(served, made, strict=True)
            ],
            passed=_passed(line, outcomes),
        )

    def _wish(self, in_line: InLine) -> Wish:
        return Wish(
            in_line.person_id,
            in_line.quantity,
            in_line.ticket_type_id,
            hold_seconds=self._offer_seconds,
            has_waited=True,
        )


class SharedSale:
    """See write_api.offered_seats.WaitingRules. The rules of a sale, for those who wait for its seats."""

    def __init__(self, sale: Sale) -> None:
        self._sale = sale
        self._ticket_types = {one.id: one for one in sale.ticket_types}

    def ticket_type_of(self, wanted_id: int | None) -> int | Problem:
        """The ticket type that is wanted, or the only one. INVALID_REQUEST where there is none."""
        ticket_type = chosen_ticket_type(self._sale.ticket_types, wanted_id)
        return problem_of(ticket_type) if isinstance(ticket_type, Refusal) else ticket_type.id

    def refusal_to_wait(self, ticket_type_id: int, *, person_id: int, quantity: int) -> Problem | None:
        """SEATS_ARE_FREE, EVENT_NOT_BOOKABLE, PER_PERSON_LIMIT.

        INVALID_REQUEST where there are fewer seats in all: who waits for those waits in vain.
        """
        sale = self._sale
        seats, remaining = sale.seats[ticket_type_id], sale.remaining[ticket_type_id]
        if quantity > seats:
            return Problem(problems.INVALID_REQUEST, f"There are {seats} of these seats in all.")
        refusal = refusal_to_book(
            sale.event,
            self._ticket_types[ticket_type_id],
            remaining=remaining,
            quantity=quantity,
            now=sale.now,
            seats_before=sale.seats_before.get((ticket_type_id, person_id), 0),
            awaited=sale.awaited.get(ticket_type_id),
        )
        if refusal is None:
            detail = f"{remaining} seats are left, and nobody waits for them: book them now."
            return Problem(problems.SEATS_ARE_FREE, detail, seats_remaining=remaining)
        return None if refusal.kind is problems.NOT_ENOUGH_SEATS else problem_of(refusal)


def _on_sale(sale: Sale) -> dict[int, int]:
    """Free seats by ticket type, of those that are on sale."""
    return {
        one.id: sale.remaining[one.id]
        for one in sale.ticket_types
        if sale.remaining[one.id] and refusal_to_sell(sale.event, one, now=sale.now) is None
    }


def _passed(line: Sequence[InLine], outcomes: Sequence[Outcome]) -> list[InLine]:
    return [
        one
        for one, outcome in zip(line, outcomes, strict=True)
        if isinstance(outcome, Refusal) and outcome.kind not in _WAITS_ON
    ]

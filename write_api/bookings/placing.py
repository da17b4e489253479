"""The bookings of an order: made, confirmed and cancelled together, in the transaction of whoever asks.

Over the same locks, rules and statements as a batch (`batches.py`), so that orders and batches may meet on
any event. Locks of several events are taken event by event, in the order of their ids: then all who wait for
each other wait in one direction, whatever the order of the items.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

import msgspec

from contracts import problems
from service_kit.database import Connection
from service_kit.problem_responses import Problem, problem_body
from write_api.bookings.grants import Grant, Outcome, Sale, Wish, grant_in_order
from write_api.bookings.locked import EndedBooking
from write_api.bookings.rules import (
    ALREADY,
    BookableEvent,
    Refusal,
    is_over,
    refusal_to_cancel,
    refusal_to_confirm,
)
from write_api.bookings.store import BookingStore
from write_api.ordered_bookings import BookingKey, SeatsBody

EventOrder = Callable[[Iterable[int]], Sequence[int]]


class BookingPlacing:
    """As OrderedBookings. Tests give another `in_lock_order`, to see what it protects from."""

    def __init__(
        self,
        store: BookingStore,
        *,
        hold_seconds: int,
        in_lock_order: EventOrder = sorted,
    ) -> None:
        self._store = store
        self._hold_seconds = hold_seconds
        self._in_lock_order = in_lock_order

    async def place(
        self, connection: Connection, *, order_id: int, person_id: int, items: Sequence[SeatsBody]
    ) -> list[BookingKey]:
        """As OrderedBookings. Items of the same ticket type are served in turn, a booking each.

        All holds begin at one time and last as long as the shortest would: so they expire together.
        """
        wishes = [
            Wish(
                person_id,
                item.quantity,
                item.ticket_type_id,
                order_id=order_id,
                attendees=tuple(item.attendees),
            )
            for item in items
        ]
        places: dict[int, list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault(item.event_id, []).append(place)
        found = {
            event_id: await self._store.lock_sale(
                connection, event_id, [wishes[one] for one in places[event_id]]
            )
            for event_id in self._in_lock_order(places)
        }
        sales = _at_one_time({event_id: sale for event_id, sale in found.items() if sale is not None})
        shortest = min(
            (sale.event.hold_seconds or self._hold_seconds for sale in sales.values()), default=None
        )
        wishes = [msgspec.structs.replace(wish, hold_seconds=shortest) for wish in wishes]
        outcomes: dict[int, Outcome] = {}
        for event_id, its_places in places.items():
            granted = _granted(event_id, sales.get(event_id), [wishes[place] for place in its_places])
            outcomes.update(zip(its_places, granted, strict=True))
        _refuse_if_any(outcomes)
        keys: dict[int, BookingKey] = {}
        for event_id in found:
            grants = {
                place: grant for place in places[event_id] if isinstance(grant := outcomes[place], Grant)
            }
            keys.update(await self._insert(connection, event_id, sales[event_id], grants))
        return [keys[place] for place in range(len(items))]

    async def confirm(self, connection: Connection, bookings: Sequence[BookingKey]) -> None:
        """As OrderedBookings; harmless to repeat."""
        is_left = False
        for event_id, booking_ids in self._by_event(bookings).items():
            event = await self._locked_event(connection, event_id)
            for booking_id in booking_ids:
                booking = await self._store.lock_booking(connection, event_id, booking_id)
                if booking.state.status == "cancelled":
                    continue
                is_left = True
                refusal = refusal_to_confirm(booking.state, event, now=booking.now)
                if isinstance(refusal, Refusal):
                    _refuse(refusal, booking_id)
                if refusal != ALREADY:
                    await self._store.confirm(connection, booking)
        if not is_left:
            raise _state("cancelled", "The order was cancelled.")

    async def cancel(self, connection: Connection, bookings: Sequence[BookingKey]) -> Sequence[int]:
        """As OrderedBookings; harmless to repeat."""
        freed: list[int] = []
        is_cancelled = False
        for event_id, booking_ids in self._by_event(bookings).items():
            event = await self._locked_event(connection, event_id)
            ended: list[EndedBooking] = []
            for booking_id in booking_ids:
                booking = await self._store.lock_booking(connection, event_id, booking_id)
                is_cancelled |= booking.state.status == "cancelled"
                if booking.state.status == "cancelled" or is_over(booking.state, now=booking.now):
                    continue
                refusal = refusal_to_cancel(booking.state, event, now=booking.now)
                if isinstance(refusal, Refusal):
                    _refuse(refusal, booking_id)
                ended.append(booking.ended(event))
            if ended:
                await self._store.end_bookings(connection, ended, status="cancelled")
                freed.append(event_id)
        if not freed and not is_cancelled:
            raise _state("expired", "The holds have expired and the seats are free again.")
        return freed

    async def _insert(
        self, connection: Connection, event_id: int, sale: Sale, grants: Mapping[int, Grant]
    ) -> dict[int, BookingKey]:
        """The bookings of one event, by the places of their items."""
        ids = await self._store.insert_bookings(
            connection, event_id, sale, list(grants.values()), hold_seconds=self._hold_seconds
        )
        return {
            place: BookingKey(event_id, booking_id) for place, booking_id in zip(grants, ids, strict=True)
        }

    async def _locked_event(self, connection: Connection, event_id: int) -> BookableEvent:
        event = await self._store.lock_event(connection, event_id)
        assert event is not None  # noqa: S101 - events with bookings are never deleted
        return event

    def _by_event(self, bookings: Sequence[BookingKey]) -> dict[int, list[int]]:
        """The ids by event, both in the order in which they are locked."""
        by_event = {
            event_id: list[int]() for event_id in self._in_lock_order(one.event_id for one in bookings)
        }
        for booking in sorted(bookings, key=lambda one: one.booking_id):
            by_event[booking.event_id].append(booking.booking_id)
        return by_event


def _at_one_time(sales: Mapping[int, Sale]) -> dict[int, Sale]:
    """The sales as of when the last of their locks was granted."""
    now = max((sale.now for sale in sales.values()), default=None)
    return {event_id: replace(sale, now=now or sale.now) for event_id, sale in sales.items()}


def _granted(event_id: int, sale: Sale | None, wishes: Sequence[Wish]) -> list[Outcome]:
    if sale is None:
        return [Refusal(problems.NOT_FOUND, f"There is no event {event_id}.") for _ in wishes]
    return grant_in_order(sale, wishes)


def _refuse_if_any(outcomes: Mapping[int, Outcome]) -> None:
    """Raises the Problem of the first item that was refused, which tells of the others too."""
    refused = {place: one for place, one in sorted(outcomes.items()) if isinstance(one, Refusal)}
    for place, first in refused.items():
        told = [
            {"item": item, **problem_body(one.kind, one.detail, **one.members)}
            for item, one in refused.items()
        ]
        raise Problem(
            first.kind, f"Item {place}: {first.detail}", item=place, refused_items=told, **first.members
        )


def _refuse(refusal: Refusal, booking_id: int) -> NoReturn:
    detail = f"Booking {booking_id}: {refusal.detail}"
    raise Problem(refusal.kind, detail, booking_id=booking_id, **refusal.members)


def _state(reason: str, detail: str) -> Problem:
    return Problem(problems.BOOKING_STATE, detail, reason=reason)

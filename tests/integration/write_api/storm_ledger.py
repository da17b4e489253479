"""What was acknowledged in a storm, against what the database holds; and who was served before whom."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

from contracts.booking import Booking
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Database
from write_api.bookings.batches import BookingQueues, Served, wish_of
from write_api.bookings.grants import Wish
from write_api.bookings.made import MadeBooking
from write_api.bookings.schemas import BookingCreate

_CONTRADICTIONS = 5


@dataclass
class Ledger:
    """What was acknowledged in a storm: bookings as first answered, and what became of them since."""

    bookings: dict[int, dict[str, Any]] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    heard: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, booking: Mapping[str, Any], owner: int) -> None:
        """A booking as it was answered to its owner."""
        self.bookings.setdefault(booking["id"], dict(booking))
        self.owners[booking["id"]] = owner
        if booking["status"] in {"confirmed", "cancelled"}:
            {"confirmed": self.confirmed, "cancelled": self.cancelled}[booking["status"]].add(booking["id"])

    def contradictions(self, database: Database, event_ids: Sequence[int]) -> list[str]:
        """Where the bookings of these events are not exactly those that were acknowledged; some of them.

        To be asked when every request was answered. Not all offers to those who wait are heard of.
        """
        found = _found(database, event_ids)
        unknown = [
            f"booking {one} was never acknowledged"
            for one in found.keys() - self.bookings.keys()
            if not found[one]["is_offered"]
        ]
        changed = [
            f"booking {one} is {found[one]}, acknowledged as {acknowledged} of {self.owners[one]}"
            for one, acknowledged in self.bookings.items()
            if one in found and not self._agrees(found[one], acknowledged)
        ]
        kinds = (self.wrong, self.lost(database, event_ids), unknown, changed)
        return [one for kind in kinds for one in kind[:_CONTRADICTIONS]]

    def lost(self, database: Database, event_ids: Sequence[int]) -> list[str]:
        """Which acknowledgements are not true. What was not answered may have been done or not."""
        found = _found(database, event_ids)
        done = {"confirmed": self.confirmed - self.cancelled, "cancelled": self.cancelled}
        undone = [
            f"booking {one} was acknowledged as {status} and is {found[one]['status']}"
            for status, bookings in done.items()
            for one in bookings & found.keys()
            if found[one]["status"] not in {status, "cancelled"}
        ]
        missing = self.bookings.keys() - found.keys()
        return [*(f"booking {one} was acknowledged and is lost" for one in missing), *undone]

    def _agrees(self, row: Mapping[str, Any], acknowledged: Mapping[str, Any]) -> bool:
        if row["id"] in self.cancelled:
            stati = {"cancelled"}
        elif row["id"] in self.confirmed:
            stati = {"confirmed"}
        else:
            stati = {"held", "expired"}
        return (
            row["status"] in stati
            and row["person_id"] == self.owners[row["id"]]
            and all(row[name] == acknowledged[name] for name in ("quantity", "ticket_type_id"))
            and row["seat_positions"] == [seat["position"] for seat in acknowledged["seats"]]
        )


def _found(database: Database, event_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    rows = database.rows(
        "SELECT id, person_id, quantity, ticket_type_id, seat_positions, status, EXISTS (SELECT FROM "
        "waitlist_entries w WHERE w.event_id = b.event_id AND w.booking_id = b.id) AS is_offered "
        "FROM bookings b WHERE event_id = ANY(%s)",
        list(event_ids),
    )
    return {row["id"]: row for row in rows}


@dataclass
class Made:
    """What those who note arrivals at several writers share: who repeats a request may make nothing there."""

    makers: dict[int, "Arrivals"] = field(default_factory=dict)
    unsure: set[tuple[int, str] | None] = field(default_factory=set)


class Arrivals:
    """Takes the place of an application's queues and passes everything on; notes who came when and got what.

    Of who repeats what was not answered it is not known when the booking was made, nor where.
    """

    def __init__(self, made: Made, *queues: BookingQueues) -> None:
        self._made = made
        self._queues = queues
        self._places: Iterator[int] = count()
        self._first_places: dict[int, dict[int, int]] = {}
        self.heard: list[tuple[int, Wish, MadeBooking | Problem]] = []

    async def ask(self, event_id: int, wish: Wish) -> Served:
        """As BookingQueues; of several queues each in turn."""
        place = next(self._places)
        queues = self._queues[place % len(self._queues)]
        try:
            served = await queues.ask(event_id, wish)
        except BaseException:
            self._made.unsure.add(wish.name)
            raise
        booking = served.outcome
        self.heard.append((place, wish, booking))
        if isinstance(booking, Problem):
            return served
        is_maker = self._made.makers.setdefault(booking.id, self) is self
        if is_maker and wish.name not in self._made.unsure:
            of_event = self._first_places.setdefault(event_id, {})
            of_event[booking.id] = min(place, of_event.get(booking.id, place))
        return served

    async def create(self, person_id: int, body: BookingCreate, *, idempotency_key: str | None) -> Booking:
        """As BookingQueues."""
        return (await self.ask(body.event_id, wish_of(person_id, body, idempotency_key))).booking()

    def overtaken(self) -> dict[int, int]:
        """By event, how many bookings were made before another whose request had arrived earlier."""
        overtaken = {}
        for event_id, places in self._first_places.items():
            arrived = [places[booking_id] for booking_id in sorted(places)]
            if inversions := sum(one > following for one, following in pairwise(arrived)):
                overtaken[event_id] = inversions
        return overtaken


def overtaken_in_line(database: Database, event_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Who was offered seats after somebody who joined the same line later and wants as many."""
    return database.rows(
        "SELECT earlier.id AS earlier, later.id AS later FROM waitlist_entries earlier "
        "JOIN waitlist_entries later USING (event_id, ticket_type_id, quantity) "
        "WHERE event_id = ANY(%s) AND earlier.id < later.id AND earlier.booking_id > later.booking_id",
        list(event_ids),
    )

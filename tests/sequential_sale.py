"""The sale of one event as if everybody came one after the other: lists, and nothing of what is tested.

Which free seats somebody gets is not its matter; that they were free, and of the right ticket type, is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

NOT_FOUND_TYPE = 2**40
Status = Literal["held", "confirmed", "cancelled", "expired"]
LIVE = ("held", "confirmed")


@dataclass(frozen=True)
class Ask:
    """What somebody wants; `ticket_type_id` may be of no ticket type of the event, or left out."""

    person_id: int
    quantity: int
    ticket_type_id: int | None = None
    key: str | None = None
    attendees: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What somebody heard: `held` with a booking, the name of a problem, or `failed`, and nothing is done."""

    what: str
    booking_id: int = 0
    positions: tuple[int, ...] = ()
    attendees: tuple[str, ...] = ()


@dataclass
class Bought:
    """A booking as the model has it."""

    booking_id: int
    ask: Ask
    ticket_type_id: int
    positions: tuple[int, ...]
    status: Status = "held"


@dataclass
class SequentialSale:
    """`ticket_types`: the positions of each one's seats by its id. `limits`: how many one person may have."""

    ticket_types: Mapping[int, Sequence[int]]
    limits: Mapping[int, int] = field(default_factory=dict)
    people_without_account: frozenset[int] = frozenset()
    event_status: str = "active"
    bookings: dict[int, Bought] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.free = {one: set(positions) for one, positions in self.ticket_types.items()}
        self._by_key: dict[tuple[int, str], Bought] = {}

    def judge(self, ask: Ask, told: Told) -> None:
        """What the next one heard; fails where a sequential sale would have told them something else."""
        before = None if ask.key is None else self._by_key.get((ask.person_id, ask.key))
        if before is not None:
            same = (
                ask.quantity == before.ask.quantity
                and ask.ticket_type_id in {None, before.ticket_type_id}
                and ask.attendees == before.ask.attendees
            )
            first = Told("held", before.booking_id, before.positions, before.ask.attendees)
            expected = first if same else Told("idempotency-key-reused")
            assert told == expected, (ask, told, expected)
            return
        what, ticket_type_id = self._expected(ask)
        assert told.what == what, (ask, told, what)
        if what != "held":
            return
        seats = set(told.positions)
        assert len(told.positions) == len(seats) == ask.quantity, (ask, told)
        assert told.attendees == ask.attendees, (ask, told)
        assert seats <= self.free[ticket_type_id], (ask, told, self.free)
        assert told.booking_id not in self.bookings, (ask, told)
        self.free[ticket_type_id] -= seats
        bought = Bought(told.booking_id, ask, ticket_type_id, told.positions)
        self.bookings[told.booking_id] = bought
        if ask.key is not None:
            self._by_key[ask.person_id, ask.key] = bought

    def judge_all(self, heard: Iterable[tuple[Ask, Told]]) -> None:
        """What several heard, in the order in which they came."""
        for ask, told in heard:
            self.judge(ask, told)

    def confirm(self, booking_id: int) -> int:
        """The HTTP status that its owner hears."""
        bought = self.bookings[booking_id]
        if bought.status == "confirmed":
            return 200
        if bought.status != "held" or self.event_status == "cancelled":
            return 409
        bought.status = "confirmed"
        return 200

    def cancel(self, booking_id: int) -> int:
        """The HTTP status that its owner hears; the seats are free again."""
        bought = self.bookings[booking_id]
        if bought.status == "cancelled":
            return 200
        if bought.status not in LIVE:
            return 409
        self._end(bought, "cancelled")
        return 200

    def expire(self, booking_id: int) -> None:
        """The deadline of a hold has passed; no other booking minds."""
        bought = self.bookings[booking_id]
        if bought.status == "held":
            self._end(bought, "expired")

    def live(self) -> list[Bought]:
        """The bookings that have their seats."""
        return [one for one in self.bookings.values() if one.status in LIVE]

    def _end(self, bought: Bought, status: Status) -> None:
        bought.status = status
        self.free[bought.ticket_type_id] |= set(bought.positions)

    def _expected(self, ask: Ask) -> tuple[str, int]:
        """What somebody hears who asks for the first time, and the ticket type that is meant."""
        meant = ask.ticket_type_id
        if meant is None and len(self.ticket_types) == 1:
            [meant] = self.ticket_types
        if meant is None or meant not in self.ticket_types:
            return "invalid-request", 0
        if self.event_status != "active":
            return "event-not-bookable", meant
        has = sum(
            one.ask.quantity
            for one in self.live()
            if one.ask.person_id == ask.person_id and one.ticket_type_id == meant
        )
        if meant in self.limits and has + ask.quantity > self.limits[meant]:
            return "per-person-limit", meant
        if ask.quantity > len(self.free[meant]):
            return "not-enough-seats", meant
        return "failed" if ask.person_id in self.people_without_account else "held", meant

"""What the catalogue asks of the bookings: seats, in blocks of one ticket type, later more of them or fewer.

The features never import each other; `features.py` hands these functions to the catalogue.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from service_kit.database import Connection

MAX_SEATS_PER_EVENT = 100_000


@dataclass(frozen=True, slots=True)
class SeatBlock:
    """All seats of one ticket type: positions `first_position` on, labels `<label_prefix>1` on."""

    event_id: int
    ticket_type_id: int
    first_position: int
    seat_count: int
    label_prefix: str


class SeatsTakenError(Exception):
    """Of the seats that were to be removed only so many are free; the others are held or sold."""

    def __init__(self, free_seats: int) -> None:
        super().__init__(f"{free_seats} seats are free")
        self.free_seats = free_seats


MakeSeats = Callable[[Connection, Sequence[SeatBlock]], Awaitable[None]]
"""Makes the seats and the stock of new ticket types, within the transaction of the connection."""

ChangeSupply = Callable[[Connection, int, int, int], Awaitable[None]]
"""Decides that a ticket type (event and id) has so many seats more, or fewer if negative.

Within the transaction of the connection, which has locked the event for a change. Raises SeatsTakenError.
"""

SettleSeats = Callable[[int, int], Awaitable[None]]
"""After that transaction: lets the seats follow. Where the database fails meanwhile, it is done later."""


@dataclass(frozen=True, slots=True)
class SeatSupply:
    """What the bookings do for the catalogue."""

    make_seats: MakeSeats
    change: ChangeSupply
    settle: SettleSeats

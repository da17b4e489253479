"""What the catalogue asks of the bookings when it makes an event: seats, in blocks of one ticket type.

The features never import each other; `features.py` hands the function that makes seats to the catalogue.
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


MakeSeats = Callable[[Connection, Sequence[SeatBlock]], Awaitable[None]]
"""Makes the seats and the stock of new ticket types, within the transaction of the connection."""

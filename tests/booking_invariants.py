"""What holds of seats, stock and bookings at every moment, whoever does what: in one place, for all tests.

All is asked in one statement, which sees one moment of the database; so it may be asked during a storm.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

INVARIANTS: Mapping[str, str] = {
    # The counter that sales go by is the number of free seats, without those that are still to be withdrawn.
    "counters_off": """
        SELECT 1 FROM ticket_stock t WHERE {event_id_of_t} AND t.remaining + greatest(-t.unsettled, 0) <> (
            SELECT count(*) FROM seats s
            WHERE s.event_id = t.event_id AND s.ticket_type_id = t.ticket_type_id AND s.booking_id IS NULL
        )
    """,
    # A ticket type has one seat a place and beyond as its host says, of which some may still have to follow.
    "seats_off_capacity": """
        SELECT 1 FROM ticket_types t
        LEFT JOIN ticket_stock k ON k.event_id = t.event_id AND k.ticket_type_id = t.id
        WHERE {event_id_of_t} AND t.capacity + t.oversell_seats - k.unsettled IS DISTINCT FROM (
            SELECT count(*) FROM seats s
            WHERE s.event_id = t.event_id AND s.ticket_type_id = t.id AND s.booking_id IS DISTINCT FROM 0
        )
    """,
    # Live bookings have no more seats than there are, as their own rows say, whatever the seats say.
    "sold_above_capacity": """
        SELECT 1 FROM ticket_types t WHERE {event_id_of_t} AND t.capacity + t.oversell_seats < (
            SELECT coalesce(sum(b.quantity), 0) FROM bookings b
            WHERE b.event_id = t.event_id AND b.ticket_type_id = t.id AND b.status IN ('held', 'confirmed')
        )
    """,
    # Two live bookings never say that they have the same seat.
    "seats_sold_twice": """
        SELECT 1 FROM bookings t, unnest(t.seat_positions) AS position
        WHERE {event_id_of_t} AND t.status IN ('held', 'confirmed')
        GROUP BY t.event_id, position HAVING count(*) > 1
    """,
    # Who has a seat is a live booking; 0 is nobody, a seat that is withdrawn.
    "seats_of_nobody": """
        SELECT 1 FROM seats t LEFT JOIN bookings b ON b.event_id = t.event_id AND b.id = t.booking_id
        WHERE {event_id_of_t} AND t.booking_id <> 0
            AND (b.id IS NULL OR b.status NOT IN ('held', 'confirmed'))
    """,
    # A live booking has the seats that it says, all of them of its ticket type.
    "bookings_without_their_seats": """
        SELECT 1 FROM bookings t
        WHERE {event_id_of_t} AND t.status IN ('held', 'confirmed') AND t.quantity <> (
            SELECT count(*) FROM seats s
            WHERE s.event_id = t.event_id AND s.booking_id = t.id AND s.position = ANY(t.seat_positions)
                AND s.ticket_type_id = t.ticket_type_id
        )
    """,
    # No seat says that it is a booking's which does not say so too.
    "seats_beyond_a_booking": """
        SELECT 1 FROM seats t JOIN bookings b ON b.event_id = t.event_id AND b.id = t.booking_id
        WHERE {event_id_of_t} AND b.status IN ('held', 'confirmed') AND t.position <> ALL(b.seat_positions)
    """,
}


def invariants_statement(*event_ids: int) -> str:
    """One SELECT that answers one row: how often each invariant is broken, of some events or of all."""
    condition = "true"
    if event_ids:
        condition = f"t.event_id IN ({', '.join(str(int(one)) for one in event_ids)})"
    counts = ", ".join(
        f"(SELECT count(*) FROM ({broken.format(event_id_of_t=condition)}) broken) AS {name}"
        for name, broken in INVARIANTS.items()
    )
    return f"SELECT {counts}"


def faults(rows: Callable[[str], Sequence[Mapping[str, Any]]], *event_ids: int) -> dict[str, int]:
    """Which invariants are broken, and how often: empty when all is well.

    `rows` answers the rows of a statement, as somebody who may read all of these tables.
    """
    [counts] = rows(invariants_statement(*event_ids))
    return {name: count for name, count in counts.items() if count}

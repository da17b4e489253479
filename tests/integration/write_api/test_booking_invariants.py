"""Each invariant of tests/booking_invariants.py is seen to be broken by a statement that is wrong."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import LiteralString

import pytest

from contracts.booking import Booking
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.booking_invariants import INVARIANTS
from tests.integration.write_api.application import Application, Database, running_application
from tests.scratch_postgresql import ScratchPostgresql
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.seat_accounting import SeatAccountingError
from write_api.bookings.service import BookingService

QUERIES = load_queries("write_api.bookings")
UNCHANGED_STOCK: LiteralString = """
    UPDATE ticket_stock SET remaining = remaining - 0 * %(quantity)s
    WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s
"""
SEATS_THAT_ARE_TAKEN_TOO: LiteralString = """
    SELECT position FROM seats WHERE event_id = %(event_id)s AND ticket_type_id = %(ticket_type_id)s
    ORDER BY position LIMIT %(quantity)s
"""
SEATS_OF_ANY_TICKET_TYPE: LiteralString = """
    SELECT position FROM seats
    WHERE event_id = %(event_id)s AND (booking_id IS NULL OR ticket_type_id = %(ticket_type_id)s)
    ORDER BY position LIMIT %(quantity)s
"""
TAKE_WHOEVER_HAS_THEM: LiteralString = """
    UPDATE seats SET booking_id = %(booking_id)s
    WHERE event_id = %(event_id)s AND position = ANY(%(seat_positions)s)
"""
TAKE_THE_SEATS_BESIDE: LiteralString = """
    UPDATE seats SET booking_id = %(booking_id)s
    WHERE event_id = %(event_id)s AND position - 1 = ANY(%(seat_positions)s)
"""
FREE_ON_PAPER: LiteralString = """
    UPDATE ticket_stock t SET remaining = t.remaining + b.quantity FROM bookings b
    WHERE b.event_id = %(event_id)s AND b.id = ANY(%(booking_ids)s::bigint[])
        AND t.event_id = b.event_id AND t.ticket_type_id = b.ticket_type_id
    RETURNING b.quantity AS seats
"""
WRONG: Mapping[str, Mapping[str, LiteralString]] = {
    "counters_off": {"lower_stock": UNCHANGED_STOCK},
    "seats_off_capacity": {"make_seats": QUERIES["make_seats"].replace("b.seat_count)", "b.seat_count - 1)")},
    "sold_above_capacity": {
        "lower_stock": UNCHANGED_STOCK,
        "free_seats": SEATS_THAT_ARE_TAKEN_TOO,
        "take_seats": TAKE_WHOEVER_HAS_THEM,
    },
    "seats_sold_twice": {"free_seats": SEATS_THAT_ARE_TAKEN_TOO, "take_seats": TAKE_WHOEVER_HAS_THEM},
    "seats_of_nobody": {"free_booked_seats": FREE_ON_PAPER},
    "bookings_without_their_seats": {"free_seats": SEATS_OF_ANY_TICKET_TYPE},
    "seats_beyond_a_booking": {"take_seats": TAKE_THE_SEATS_BESIDE},
}
"""By invariant: the statements that are replaced so that it is broken."""


@pytest.fixture(scope="module")
def broken(postgresql: ScratchPostgresql) -> Database:
    """A database whose rows need not agree."""
    return Database(postgresql)


async def sell(application: Application) -> int:
    """Books each of two ticket types of a new event twice and gives one booking back; answers the event."""
    host, customer = await application.sign_up("host"), await application.sign_up()
    kinds = [{"name": name, "price": 1, "capacity": 3} for name in ("stalls", "gallery")]
    event = await host.created(ticket_types=kinds, available_seats=..., price=...)
    service: BookingService = application.app.state.bookings
    made: list[Booking] = []
    for kind in reversed(event["ticket_types"]):
        for quantity in (2, 1, 1):
            wish = BookingCreate(event_id=event["id"], quantity=quantity, ticket_type_id=kind["id"])
            with suppress(Problem, SeatAccountingError):  # the fourth seat of three is refused
                made.append(await service.create(customer.id, wish))
    with suppress(SeatAccountingError):  # where the seats are another's by now
        await service.cancel(customer.id, made[0].id)
    return int(event["id"])


@pytest.mark.parametrize("invariant", list(INVARIANTS))
async def test_an_invariant_is_seen_to_be_broken(broken: Database, state: Path, invariant: str) -> None:
    assert all(QUERIES[name] != statement for name, statement in WRONG[invariant].items())
    async with running_application(
        broken, state, booking_queries={**QUERIES, **WRONG[invariant]}
    ) as application:
        event_id = await sell(application)
    assert broken.faults(event_id)[invariant] > 0


async def test_with_the_true_statements_none_is(broken: Database, state: Path) -> None:
    async with running_application(broken, state) as application:
        event_id = await sell(application)
    assert broken.faults(event_id) == {}

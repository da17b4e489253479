"""The designs that write_api is measured beside do what they are measured for, on the schema of today."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from benchmarks.booking_baselines.one_transaction import DESIGNS, Design
from tests.integration.write_api.application import Database, running_application

SEATS = 12
CLIENTS = 20


@pytest.mark.parametrize("name", DESIGNS)
async def test_a_design_sells_each_seat_once_and_then_no_more(
    database: Database, state: Path, name: str
) -> None:
    """In a database of its own: some of them leave the counter of the seats alone, which others rely on."""
    async with running_application(database, state) as application:
        host = await application.sign_up("host", "customer")
        event = await host.created(available_seats=SEATS)

    made = await asyncio.gather(
        *(booked(database, DESIGNS[name], event["id"], host.id, key=f"key-{n}") for n in range(CLIENTS))
    )

    sold = [one["seat_positions"] for one in made if one is not None]
    # Who skips what others have locked may find none, though some come free a moment later.
    assert len(sold) == SEATS if name != "skip_locked" else 0 < len(sold) <= SEATS
    assert len({position for [position] in sold}) == len(sold)
    taken = "SELECT count(*) AS seats FROM seats WHERE event_id = %s AND booking_id IS NOT NULL"
    assert database.rows(taken, event["id"]) == [{"seats": len(sold)}]
    named = "SELECT count(*) AS keys FROM idempotent_bookings WHERE event_id = %s"
    assert database.rows(named, event["id"]) == [{"keys": len(sold)}]


async def booked(
    database: Database, design: Design, event_id: int, person_id: int, *, key: str
) -> dict[str, Any] | None:
    wish = {"event_id": event_id, "quantity": 1, "person_id": person_id, "key": key, "hold_seconds": 300}
    connection = await AsyncConnection.connect(
        database.url("frontrow_write"), autocommit=True, row_factory=dict_row
    )
    async with connection:
        return await design.book(connection, wish)

"""How long an event holds seats is its host's matter."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.write_api.application import Application


def held_for(booking: dict[str, Any]) -> timedelta:
    created_at, hold_expires_at = (
        datetime.fromisoformat(booking[name]) for name in ("created_at", "hold_expires_at")
    )
    return hold_expires_at - created_at


async def test_two_events_hold_their_seats_each_as_long_as_it_says(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    short, long = await host.created(hold_seconds=10), await host.created(hold_seconds=86400)
    silent = await host.created()
    assert [event["hold_seconds"] for event in (short, long, silent)] == [10, 86400, None]
    bookings = [await customer.booked(event["id"]) for event in (short, long, silent)]
    assert [held_for(booking).total_seconds() for booking in bookings] == [10, 86400, 300]


async def test_another_setting_counts_for_new_holds_only(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(hold_seconds=600)
    before = await customer.booked(event["id"])
    changed = await host.update(event["id"], hold_seconds=30)
    assert changed.json()["hold_seconds"] == 30
    assert held_for(await customer.booked(event["id"])).total_seconds() == 30
    assert await customer.booking(before["id"]) == before
    silent = await host.update(event["id"], hold_seconds=None)
    assert silent.json()["hold_seconds"] is None
    assert held_for(await customer.booked(event["id"])).total_seconds() == 300


@pytest.mark.parametrize("value", [9, 86401, 0, -1, 12.5, "60", True])
async def test_what_is_out_of_bounds_changes_nothing(application: Application, value: object) -> None:
    host = await application.sign_up("host")
    assert (await host.create(hold_seconds=value)).status_code == 422
    event = await host.created(hold_seconds=60)
    assert (await host.update(event["id"], hold_seconds=value)).status_code == 422
    unchanged = await host.client.get(f"/api/v1/events/{event['id']}")
    assert unchanged.json() == event

"""Bookings, one at a time."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contracts import problems
from tests.integration.write_api.application import Application, Database, eventually, running_application


def problem(answer: Any) -> tuple[int, str, object]:
    body = answer.json()
    return answer.status_code, body["type"].rpartition("/")[2], body.get("reason")


async def test_a_booking_holds_the_first_seats_for_five_minutes(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    booking = await customer.booked(event["id"], 2)
    assert isinstance(booking["id"], int)
    expected = {"event_id": event["id"], "quantity": 2, "status": "held", "price_minor": 2100, "price": 21.0}
    assert {name: booking[name] for name in expected} == expected
    assert booking["seats"] == [{"position": 1, "label": "1"}, {"position": 2, "label": "2"}]
    created_at, hold_expires_at = (
        datetime.fromisoformat(booking[name]) for name in ("created_at", "hold_expires_at")
    )
    assert hold_expires_at - created_at == timedelta(minutes=5)
    assert abs(created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert await customer.booking(booking["id"]) == booking
    assert application.database.faults() == {}


async def test_eleven_seats_of_ten_are_refused_and_ten_are_sold(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    refused = await customer.book(event["id"], 11)
    assert problem(refused) == (409, problems.NOT_ENOUGH_SEATS.name, None)
    assert refused.json()["seats_remaining"] == 10
    await customer.booked(event["id"], 10)
    assert (await customer.book(event["id"])).json()["seats_remaining"] == 0


async def test_only_an_active_event_that_has_not_started_is_booked(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    for status in ("inactive", "cancelled"):
        await host.update(event["id"], status=status)
        answer = await customer.book(event["id"])
        assert problem(answer) == (409, problems.EVENT_NOT_BOOKABLE.name, f"event-{status}")
    started = await host.created(start_at="2020-01-01T00:00:00Z")
    assert problem(await customer.book(started["id"]))[2] == "event-started"


async def test_a_ticket_type_is_booked_within_its_sales_window(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    kinds = [
        {"name": "Open", "price": 1, "capacity": 2},
        {"name": "Later", "price": 1, "capacity": 2, "sales_start_at": "2030-01-01T00:00:00Z"},
        {"name": "Earlier", "price": 1, "capacity": 2, "sales_end_at": "2020-01-01T00:00:00Z"},
    ]
    event = await host.created(available_seats=..., price=..., ticket_types=kinds)
    open_, later, earlier = (kind["id"] for kind in event["ticket_types"])
    unnamed = await customer.book(event["id"])
    assert unnamed.status_code == 422
    assert [kind["name"] for kind in unnamed.json()["ticket_types"]] == ["Open", "Later", "Earlier"]
    assert (await customer.booked(event["id"], ticket_type_id=open_))["seats"][0]["label"] == "Open 1"
    answers = [await customer.book(event["id"], ticket_type_id=kind) for kind in (later, earlier)]
    assert [problem(answer)[2] for answer in answers] == ["sales-not-started", "sales-ended"]
    other = await host.created()
    foreign = await customer.book(other["id"], ticket_type_id=open_)
    assert foreign.status_code == 422
    assert application.database.faults() == {}


async def test_a_ticket_type_sells_no_seats_of_another(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    kinds = [{"name": name, "price": 1, "capacity": 2} for name in ("Stalls", "Balcony")]
    event = await host.created(available_seats=..., price=..., ticket_types=kinds)
    balcony = event["ticket_types"][1]["id"]
    booking = await customer.booked(event["id"], 2, ticket_type_id=balcony)
    assert [seat["label"] for seat in booking["seats"]] == ["Balcony 1", "Balcony 2"]
    assert (await customer.book(event["id"], ticket_type_id=balcony)).status_code == 409


async def test_to_confirm_and_to_cancel_can_be_repeated(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    booking = await customer.booked(event["id"], 3)
    confirmed = [await customer.confirm(booking["id"]) for _ in range(2)]
    assert [answer.status_code for answer in confirmed] == [200, 200]
    assert confirmed[0].json() == confirmed[1].json()
    assert confirmed[0].json()["status"] == "confirmed"
    assert confirmed[0].json()["confirmed_at"] is not None
    cancelled = [await customer.cancel(booking["id"]) for _ in range(2)]
    assert [answer.status_code for answer in cancelled] == [200, 200]
    assert cancelled[0].json() == cancelled[1].json()
    assert problem(await customer.confirm(booking["id"]))[1:] == (problems.BOOKING_STATE.name, "cancelled")
    assert application.database.faults() == {}


async def test_cancelled_seats_are_sold_again(application: Application) -> None:
    host, customer, other = [await application.sign_up("host", "customer") for _ in range(3)]
    event = await host.created()
    first = await customer.booked(event["id"], 4)
    await customer.booked(event["id"], 6)
    await customer.cancel(first["id"])
    again = await other.booked(event["id"], 4)
    assert again["seats"] == first["seats"]
    assert (await customer.booking(first["id"]))["seats"] == first["seats"]
    assert application.database.faults() == {}


async def test_after_the_start_nothing_is_cancelled(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    booking = await customer.booked(event["id"])
    application.begin(event["id"])
    assert problem(await customer.cancel(booking["id"])) == (
        409,
        problems.BOOKING_STATE.name,
        "event-started",
    )


async def test_a_hold_outlives_that_the_event_is_taken_off_sale_but_not_that_it_is_cancelled(
    application: Application,
) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    first, second = await customer.booked(event["id"]), await customer.booked(event["id"])
    await host.update(event["id"], status="inactive")
    assert (await customer.confirm(first["id"])).status_code == 200
    await host.update(event["id"], status="cancelled")
    assert problem(await customer.confirm(second["id"]))[2] == "event-cancelled"
    assert (await customer.cancel(second["id"])).status_code == 200


async def test_my_bookings_come_in_pages_newest_first_and_only_mine(application: Application) -> None:
    host, customer, other = [await application.sign_up("host", "customer") for _ in range(3)]
    event = await host.created()
    mine = [(await customer.booked(event["id"]))["id"] for _ in range(5)]
    await other.booked(event["id"])
    seen: list[int] = []
    query: dict[str, int] = {"page_size": 2}
    for _ in range(3):
        page = (await customer.client.get("/api/v1/bookings", params=query)).json()
        assert len(page["bookings"]) <= 2
        seen += [booking["id"] for booking in page["bookings"]]
        query["before"] = page["next_before"]
    assert seen == mine[::-1]
    assert page["next_before"] is None


@pytest.mark.parametrize("query", ["page_size=0", "page_size=101", "before=0", "before=9223372036854775808"])
async def test_a_page_has_bounds(application: Application, query: str) -> None:
    customer = await application.sign_up()
    assert (await customer.client.get(f"/api/v1/bookings?{query}")).status_code == 422


async def test_an_expired_hold_can_be_neither_confirmed_nor_cancelled_and_its_seats_are_free(
    database: Database, state: Path
) -> None:
    async with running_application(database, state, changes={"hold_seconds": 1}) as application:
        host, customer = await application.sign_up("host"), await application.sign_up()
        event = await host.created()
        booking = await customer.booked(event["id"], 10)
        database.rows("UPDATE bookings SET hold_expires_at = clock_timestamp() WHERE id = %s", booking["id"])
        for answer in (await customer.confirm(booking["id"]), await customer.cancel(booking["id"])):
            assert problem(answer) == (409, problems.BOOKING_STATE.name, "expired")


@pytest.mark.parametrize("table", ["events", "ticket_types", "ticket_stock"])
async def test_what_is_booked_can_not_be_deleted_nor_what_is_being_booked(
    application: Application, table: str
) -> None:
    """No booking names its event by a constraint: it is asked for when somebody deletes."""
    host, customer = await application.sign_up("host"), await application.sign_up()
    event, unwanted = await host.created(), await host.created()
    url = application.database.url("postgres")
    column = "id" if table == "events" else "event_id"
    deletion = f"DELETE FROM {table} WHERE {column} = %s"
    with psycopg.connect(url) as booking, psycopg.connect(url, autocommit=True) as deleting:
        booking.execute("SELECT FROM ticket_stock WHERE event_id = %s FOR UPDATE", [event["id"]])
        deletes = asyncio.create_task(asyncio.to_thread(deleting.execute, deletion.encode(), [event["id"]]))
        waits = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"
        await eventually("it waits", lambda: _is_there(application, waits, deleting.info.backend_pid))
        booking.execute(
            "INSERT INTO bookings (event_id, ticket_type_id, person_id, quantity, price_minor, currency,"
            " seat_positions, hold_expires_at) VALUES (%s, %s, %s, 1, 0, 'EUR', '{1}', now())",
            [event["id"], event["ticket_types"][0]["id"], customer.id],
        )
        booking.commit()
        with pytest.raises(psycopg.errors.ForeignKeyViolation, match="is booked"):
            await deletes
        booking.execute("DELETE FROM bookings WHERE event_id = %s", [event["id"]])
        booking.commit()
        assert booking.execute(deletion.encode(), [unwanted["id"]]).rowcount == 1
        booking.rollback()


async def _is_there(application: Application, statement: str, *values: object) -> bool:
    return application.database.has(statement, *values)

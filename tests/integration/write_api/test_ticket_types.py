"""Hosts change ticket types of events that are on sale: prices, windows, limits, numbers of seats."""

import asyncio
from typing import Any

import pytest

from contracts import problems
from tests.integration.write_api.application import Application, Customer, event_body

MISSING = 2**40


def kind(**fields: Any) -> dict[str, Any]:
    return {"name": "Balcony", "price": 20, "capacity": 3, **fields}


async def change(host: Customer, event: dict[str, Any], number: int = 0, **changes: Any) -> Any:
    """A change of the event's ticket type of this number."""
    ticket_type_id = event["ticket_types"][number]["id"]
    return await host.client.put(f"/api/v1/events/{event['id']}/ticket-types/{ticket_type_id}", json=changes)


async def changed(host: Customer, event: dict[str, Any], number: int = 0, **changes: Any) -> dict[str, Any]:
    answer = await change(host, event, number, **changes)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def add(host: Customer, event: dict[str, Any], **fields: Any) -> Any:
    return await host.client.post(f"/api/v1/events/{event['id']}/ticket-types", json=kind(**fields))


async def shown(host: Customer, event: dict[str, Any]) -> dict[str, Any]:
    return dict((await host.client.get(f"/api/v1/events/{event['id']}")).json())


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


async def test_more_seats_are_on_sale_at_once_and_numbered_on(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=3)
    first = await customer.booked(event["id"], 3)
    assert (await customer.book(event["id"])).status_code == 409
    answer = await changed(host, event, capacity=5)
    assert (answer["capacity"], answer["seats_remaining"]) == (5, 2)
    second = await customer.booked(event["id"], 2)
    assert [seat["label"] for seat in first["seats"] + second["seats"]] == ["1", "2", "3", "4", "5"]
    event = await shown(host, event)
    assert (event["capacity"], event["available_seats"]) == (5, 0)
    assert application.database.faults() == {}


async def test_free_seats_go_and_what_is_held_or_sold_stays(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=10)
    held, sold = await customer.booked(event["id"], 2), await customer.booked(event["id"], 2)
    await customer.confirm(sold["id"])
    refused = await change(host, event, capacity=3, name="another", price=1)
    assert problem(refused) == (409, problems.CONFLICT.name)
    assert refused.json()["seats_taken"] == 4
    assert await shown(host, event) == {**event, "available_seats": 6} | {
        "ticket_types": [{**event["ticket_types"][0], "seats_remaining": 6}]
    }, "nothing is half done"
    assert (await changed(host, event, capacity=4))["seats_remaining"] == 0
    assert (await customer.book(event["id"])).json()["seats_remaining"] == 0
    await customer.cancel(held["id"])
    assert (await customer.booked(event["id"], 2))["seats"] == held["seats"]
    assert application.database.faults() == {}


async def test_an_ended_booking_still_says_which_seats_it_had(application: Application) -> None:
    """Seats that are withdrawn keep their places and labels, and come back first."""
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=4)
    booking = await customer.booked(event["id"], 4)
    await customer.cancel(booking["id"])
    await changed(host, event, capacity=1)
    assert (await customer.booking(booking["id"]))["seats"] == booking["seats"]
    other = (await add(host, event, capacity=2)).json()
    await changed(host, event, capacity=6)
    labels = {
        row["position"]: row["label"]
        for row in application.database.rows(
            "SELECT position, label FROM seats WHERE event_id = %s ORDER BY position", event["id"]
        )
    }
    assert labels == {1: "1", 2: "2", 3: "3", 4: "4", 5: "Balcony 1", 6: "Balcony 2", 7: "5", 8: "6"}
    again = await customer.booked(event["id"], 6, ticket_type_id=event["ticket_types"][0]["id"])
    assert [seat["label"] for seat in again["seats"]] == ["1", "2", "3", "4", "5", "6"]
    assert (await customer.booked(event["id"], 2, ticket_type_id=other["id"]))["quantity"] == 2
    assert application.database.faults() == {}


async def test_a_new_ticket_type_is_the_last_and_on_sale(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=2)
    answer = await add(host, event, per_person_limit=2, oversell_seats=1)
    assert answer.status_code == 201, answer.text
    added = answer.json()
    assert (await shown(host, event))["ticket_types"][1] == added
    assert (added["price_minor"], added["capacity"], added["seats_remaining"]) == (2000, 3, 4)
    booking = await customer.booked(event["id"], 2, ticket_type_id=added["id"])
    assert [seat["label"] for seat in booking["seats"]] == ["Balcony 1", "Balcony 2"]
    assert problem(await add(host, event)) == (409, problems.CONFLICT.name), "the name is taken"
    assert len((await shown(host, event))["ticket_types"]) == 2
    assert application.database.faults() == {}


async def test_who_repeats_with_a_key_has_made_one_ticket_type(application: Application) -> None:
    host = await application.sign_up("host")
    event, other = await host.created(), await host.created()
    key = {"Idempotency-Key": "twice"}

    async def send(to: dict[str, Any], **fields: Any) -> Any:
        path = f"/api/v1/events/{to['id']}/ticket-types"
        return await host.client.post(path, json=kind(**fields), headers=key)

    first, again = await send(event), await send(event)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json() == (await shown(host, event))["ticket_types"][1]
    assert problem(await send(event, capacity=4)) == (422, problems.IDEMPOTENCY_KEY_REUSED.name)
    assert problem(await send(other)) == (422, problems.IDEMPOTENCY_KEY_REUSED.name)


async def test_bookings_keep_the_price_that_they_were_made_at(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(price=10)
    before = await customer.booked(event["id"], 2)
    answer = await changed(host, event, name="Late", price=12.5)
    assert (answer["name"], answer["price_minor"]) == ("Late", 1250)
    assert (await customer.booked(event["id"], 2))["price_minor"] == 2500
    confirmed = (await customer.confirm(before["id"])).json()
    assert confirmed["price_minor"] == 2000


async def test_the_sales_window_and_the_limit_are_those_of_now(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    await changed(host, event, sales_start_at="2030-01-01T00:00:00Z")
    assert (await customer.book(event["id"])).json()["reason"] == "sales-not-started"
    await changed(host, event, sales_start_at=None, sales_end_at="2020-01-01T00:00:00Z")
    assert (await customer.book(event["id"])).json()["reason"] == "sales-ended"
    turned = await change(host, event, sales_start_at="2030-01-01T00:00:00Z")
    assert problem(turned) == (422, problems.INVALID_REQUEST.name)
    assert turned.json()["errors"][0]["location"] == "body.sales_end_at"
    await changed(host, event, sales_end_at=None, per_person_limit=1)
    await customer.booked(event["id"])
    assert problem(await customer.book(event["id"])) == (409, problems.PER_PERSON_LIMIT.name)
    await changed(host, event, per_person_limit=None)
    await customer.booked(event["id"], 5)


async def test_seats_beyond_the_capacity_are_sold_as_others_are(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=2)
    assert event["ticket_types"][0]["oversell_seats"] == 0
    answer = await changed(host, event, oversell_seats=3)
    assert (answer["capacity"], answer["oversell_seats"], answer["seats_remaining"]) == (2, 3, 5)
    event = await shown(host, event)
    assert (event["capacity"], event["available_seats"]) == (2, 5)
    await customer.booked(event["id"], 4)
    assert problem(await change(host, event, oversell_seats=1)) == (409, problems.CONFLICT.name)
    assert (await changed(host, event, oversell_seats=2))["seats_remaining"] == 0
    assert (await changed(host, event, capacity=4, oversell_seats=0))["seats_remaining"] == 0
    several = await host.created(
        ticket_types=[kind(oversell_seats=2), kind(name="Stalls")], available_seats=..., price=...
    )
    assert (several["capacity"], several["available_seats"]) == (6, 8)
    assert application.database.faults() == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity": 0},
        {"capacity": 100_001},
        {"capacity": None},
        {"capacity": "5"},
        {"capacity": 2.5},
        {"oversell_seats": -1},
        {"oversell_seats": 100_001},
        {"oversell_seats": None},
        {"price": -1},
        {"price": 10.001},
        {"price": None},
        {"name": ""},
        {"name": None},
        {"per_person_limit": 0},
        {"sales_start_at": "tomorrow"},
        {"seats_remaining": 5},
        {"id": 1},
    ],
)
async def test_what_is_wrong_changes_nothing(application: Application, wrong: dict[str, Any]) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    for answer in (await change(host, event, **wrong), await add(host, event, **wrong)):
        assert problem(answer) == (422, problems.INVALID_REQUEST.name)
    assert await shown(host, event) == event


async def test_only_hosts_change_and_what_is_not_there_is_not_found(application: Application) -> None:
    host, other = await application.sign_up("host"), await application.sign_up("host")
    event, others = await host.created(), await other.created()
    assert problem(await change(other, event, capacity=5)) == (403, problems.FORBIDDEN.name)
    assert problem(await add(other, event)) == (403, problems.FORBIDDEN.name)
    not_here = {**event, "ticket_types": others["ticket_types"]}
    assert problem(await change(host, not_here, capacity=5)) == (404, problems.NOT_FOUND.name)
    assert problem(await add(host, {"id": MISSING})) == (404, problems.NOT_FOUND.name)
    assert (await shown(host, event), await shown(other, others)) == (event, others)


async def test_it_is_told_in_the_audit_log_once_a_change(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    await changed(host, event, capacity=20, price=1)
    await changed(host, event, capacity=20, price=1)
    added = (await add(host, event)).json()
    entries = application.database.rows(
        "SELECT action, actor_id, details FROM audit_log WHERE subject = %s ORDER BY id",
        f"event:{event['id']}",
    )
    ticket_type_id = event["ticket_types"][0]["id"]
    details = {"ticket_type": ticket_type_id, "changed": ["capacity", "price_minor"], "seats": [10, 20]}
    assert entries[1:] == [
        {"action": "ticket-type-changed", "actor_id": host.id, "details": details},
        {
            "action": "ticket-type-created",
            "actor_id": host.id,
            "details": {"ticket_type": added["id"], "seats": 3},
        },
    ]


async def test_an_event_has_at_most_fifty_ticket_types(application: Application) -> None:
    host = await application.sign_up("host")
    kinds = [kind(name=f"kind {number}", capacity=1) for number in range(49)]
    event = await host.created(ticket_types=kinds, available_seats=..., price=...)
    answers = await asyncio.gather(*(add(host, event, name=f"more {number}") for number in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert len((await shown(host, event))["ticket_types"]) == 50


async def test_events_in_bulk_have_their_seats_beyond_the_capacity(application: Application) -> None:
    host = await application.sign_up("host")
    body = event_body(ticket_types=[kind(oversell_seats=2)], available_seats=..., price=...)
    [result] = (await host.client.post("/api/v1/events/bulk", json={"events": [body]})).json()["results"]
    assert (await shown(host, result))["available_seats"] == 5
    too_many = event_body(
        ticket_types=[kind(capacity=100_000, oversell_seats=1)], available_seats=..., price=...
    )
    assert (await host.client.post("/api/v1/events", json=too_many)).status_code == 422

"""Who comes: named with the booking or later, by whoever booked."""

import asyncio
from typing import Any

import httpx
import pytest

from contracts import problems
from tests.integration.write_api.application import Application, Customer, Database
from tests.integration.write_api.ordering import events_of, item, placed, remaining
from tests.people import PASSWORD, unique

ANN = {"name": "Ann", "email": "ann@example.com"}
BO = {"name": "Bo", "email": None}


async def name(customer: Customer, booking_id: int, *attendees: dict[str, Any]) -> httpx.Response:
    return await customer.client.put(
        f"/api/v1/bookings/{booking_id}/attendees", json={"attendees": list(attendees)}
    )


def kind(answer: httpx.Response) -> tuple[int, str, object]:
    body = answer.json()
    return answer.status_code, body["type"].rpartition("/")[2], body.get("reason")


async def test_attendees_are_named_later_and_again_in_their_order(application: Application) -> None:
    customer = await application.sign_up()
    [event] = await events_of(application, [10])
    booking = await customer.booked(event["id"], 2)
    assert booking["attendees"] == []
    for attendees in ([BO, ANN], [ANN, BO], [BO], []):
        for _ in range(2):
            answer = await name(customer, booking["id"], *attendees)
            assert (answer.status_code, answer.json()) == (200, {**booking, "attendees": attendees})
    await name(customer, booking["id"], ANN)
    assert (await customer.confirm(booking["id"])).json()["attendees"] == [ANN]
    assert (await name(customer, booking["id"], BO)).status_code == 200
    assert (await customer.booking(booking["id"]))["attendees"] == [BO]


async def test_attendees_are_named_with_the_booking_once_for_a_key(application: Application) -> None:
    customer = await application.sign_up()
    [event] = await events_of(application, [10])
    body = {"event_id": event["id"], "quantity": 2, "attendees": [ANN, BO]}
    key = {"Idempotency-Key": unique("key")}
    answers = [await customer.client.post("/api/v1/bookings", json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    booking = answers[0].json()
    assert (booking["attendees"], booking["status"]) == ([ANN, BO], "held")
    assert answers[1].json() == booking == await customer.booking(booking["id"])
    await customer.confirm(booking["id"])
    assert (await customer.client.post("/api/v1/bookings", json=body, headers=key)).json() == booking
    other = await customer.client.post("/api/v1/bookings", json={**body, "quantity": 3}, headers=key)
    assert kind(other)[:2] == (422, problems.IDEMPOTENCY_KEY_REUSED.name)
    assert remaining(application, event) == [8]
    too_many = await customer.client.post("/api/v1/bookings", json={**body, "quantity": 9})
    assert kind(too_many)[:2] == (409, problems.NOT_ENOUGH_SEATS.name)
    nowhere = await customer.client.post("/api/v1/bookings", json={**body, "event_id": 2**60})
    assert nowhere.status_code == 404
    assert application.database.faults() == {}


async def test_who_repeats_hears_who_came_first_and_other_names_are_another_booking(
    application: Application,
) -> None:
    customer = await application.sign_up()
    [event] = await events_of(application, [10])
    wish = {"event_id": event["id"], "quantity": 2}
    named, unnamed = {"Idempotency-Key": unique("key")}, {"Idempotency-Key": unique("key")}

    async def post(key: dict[str, str], *attendees: dict[str, Any]) -> httpx.Response:
        body = {**wish, "attendees": list(attendees)} if attendees else wish
        return await customer.client.post("/api/v1/bookings", json=body, headers=key)

    first, without = (await post(named, ANN, BO)).json(), (await post(unnamed)).json()
    for attendees in ([BO], []):
        for booking in (first, without):
            assert (await name(customer, booking["id"], *attendees)).status_code == 200
        again = await asyncio.gather(*(post(named, ANN, BO) for _ in range(5)))
        assert [(answer.status_code, answer.json()) for answer in again] == [(201, first)] * 5
        assert (await post(unnamed)).json() == without
        assert (await customer.booking(first["id"]))["attendees"] == attendees, "the control"
    answers = [
        *[await post(named, *attendees) for attendees in ([], [BO], [ANN], [BO, ANN], [ANN, {"name": "B"}])],
        await post(named, {**ANN, "email": None}, BO),
        *[await post(unnamed, *attendees) for attendees in ([ANN], [BO])],
    ]
    for answer in answers:
        assert kind(answer)[:2] == (422, problems.IDEMPOTENCY_KEY_REUSED.name)
    spelt_otherwise = await post(named, {**ANN, "name": " Ann "}, {"name": "Bo"})
    assert spelt_otherwise.json() == first
    assert remaining(application, event) == [6]


@pytest.mark.parametrize(
    "attendees",
    [
        [ANN] * 3, [{"name": ""}], [{"name": "a", "email": "nobody"}], [{"email": "a@example.com"}],
        [{"name": "a\x00b"}], [{"name": "a" * 201}], [{"name": "a", "person_id": 7}], [ANN] * 101, "Ann",
    ],
)  # fmt: skip
async def test_what_is_malformed_changes_nothing(application: Application, attendees: Any) -> None:
    customer = await application.sign_up()
    [event] = await events_of(application, [10])
    booking = await customer.booked(event["id"], 2)
    await name(customer, booking["id"], ANN)
    path = f"/api/v1/bookings/{booking['id']}/attendees"
    later = await customer.client.put(path, json={"attendees": attendees})
    at_once = await customer.book(event["id"], 2, attendees=attendees)
    for answer in (later, at_once):
        assert kind(answer)[:2] == (422, problems.INVALID_REQUEST.name)
    assert (await customer.booking(booking["id"]))["attendees"] == [ANN]
    assert remaining(application, event) == [8]


async def test_the_policy_of_the_purchase_decides(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    free = await host.created()
    strict = await host.created(policy={"edit_allowed": False})
    allowed, refused = await customer.booked(free["id"]), await customer.booked(strict["id"])
    for one in (allowed, refused):
        await customer.confirm(one["id"])
    await host.update(free["id"], policy={"edit_allowed": False})
    assert (await name(customer, allowed["id"], ANN)).status_code == 200
    answer = await name(customer, refused["id"], ANN)
    assert kind(answer) == (409, problems.REFUSED_BY_POLICY.name, "edit-not-allowed")
    named = await customer.book(strict["id"], 1, attendees=[ANN])
    assert named.json()["attendees"] == [ANN], "at the purchase everybody may"


async def test_what_is_over_is_not_changed(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created()
    gone, started = await customer.booked(event["id"]), await customer.booked(event["id"])
    await customer.cancel(gone["id"])
    assert kind(await name(customer, gone["id"], ANN)) == (409, problems.BOOKING_STATE.name, "cancelled")
    application.begin(event["id"])
    assert kind(await name(customer, started["id"], ANN))[2] == "event-started"


async def test_another_persons_booking_is_not_there(application: Application) -> None:
    host, customer, other = [await application.sign_up("host", "customer") for _ in range(3)]
    event = await host.created()
    booking = await customer.booked(event["id"], 1, attendees=[ANN])
    for stranger in (host, other):
        assert (await name(stranger, booking["id"], BO)).status_code == 404
    assert (await customer.booking(booking["id"]))["attendees"] == [ANN]


async def test_names_are_exported_and_erased_with_whoever_gave_them(application: Application) -> None:
    database, customer = application.database, await application.sign_up()
    [event] = await events_of(application, [10])
    guest = unique("guest")
    order = await placed(
        customer, item(event, 2, attendees=[{"name": guest, "email": f"{guest}@example.com"}])
    )
    key = {"Idempotency-Key": unique("key")}
    wanted = {"items": [item(event, 1, attendees=[{"name": guest}])]}
    again = (await customer.client.post("/api/v1/orders", json=wanted, headers=key)).raise_for_status().json()
    export = (await customer.client.get("/api/v1/me/export")).raise_for_status().json()
    assert [one["id"] for one in export["orders"]] == [again["id"], order["id"]]
    assert [one["attendees"][0]["name"] for one in export["bookings"]] == [guest, guest]
    assert [one["key"] for one in export["idempotent_requests"]] == list(key.values())
    assert tables_with(database, guest) == {"attendees", "idempotent_requests"}, "the control"
    booked = {"event_id": event["id"], "quantity": 1, "attendees": [{"name": guest}]}
    (await customer.client.post("/api/v1/bookings", json=booked, headers=key)).raise_for_status()
    hashes = "SELECT FROM idempotent_bookings WHERE person_id = %s AND attendees_sha256 IS NOT NULL"
    assert database.has(hashes, customer.id), "the control"
    database.rows("UPDATE events SET starts_at = now() - interval '1 day' WHERE id = %s", event["id"])
    erased = await customer.client.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
    assert erased.status_code == 204, erased.text
    assert tables_with(database, guest) == set()
    assert not database.has(hashes, customer.id), "a name can be guessed from its hash"
    assert database.has("SELECT FROM orders WHERE id = %s", order["id"]), "the books stay"


def tables_with(database: Database, word: str) -> set[str]:
    tables = ("orders", "attendees", "idempotent_requests", "bookings", "audit_log")
    return {
        table
        for table in tables
        if database.has(f"SELECT FROM {table} r WHERE strpos(lower(r::text), lower(%s)) > 0", word)
    }

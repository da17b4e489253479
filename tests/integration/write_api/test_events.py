"""Events are made with their seats, and changed by their hosts."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts import problems
from tests.integration.write_api.application import Application, event_body
from tests.people import unique

FULL = {
    "description": "Two evenings of string quartets.\nWith an interval.",
    "topics": ["chamber music", "strings"],
    "languages": ["DE", "pt-BR"],
    "artists": ["Quatuor Ébène", "Belcea Quartet"],
    "website": "https://example.com/quartets?evening=1",
    "end_at": "2030-11-01T22:00:00+01:00",
    "start_at": "2030-11-01T19:30:00+01:00",
    "location": ...,
    "venue": {
        "name": "Philharmonie",
        "city": "Berlin",
        "country": "Germany",
        "latitude": 52.51,
        "longitude": 13.3699,
        "time_zone": "Europe/Berlin",
    },
    "currency": "EUR",
    "available_seats": ...,
    "price": ...,
    "ticket_types": [
        {"name": "Stalls", "price": 89.9, "capacity": 3, "sales_end_at": "2030-11-01T19:00:00+01:00"},
        {"name": "Balcony", "price": 20, "capacity": 2, "sales_start_at": "2020-01-01T00:00:00Z"},
    ],
    "status": "inactive",
}


async def test_the_guides_form_makes_an_inactive_event_with_its_seats(application: Application) -> None:
    host = await application.sign_up("host")
    body = {
        "name": "event13",
        "available_seats": 10,
        "start_at": "2027-11-01T10:00:00Z",
        "location": "HCM",
        "category": "MUSIC",
        "price": 10.5,
    }
    answer = await host.client.post("/api/v1/events", json=body)
    assert answer.status_code == 201
    event = answer.json()
    assert isinstance(event["id"], int)
    assert {name: event[name] for name in body} == body
    assert (event["status"], event["price_minor"], event["currency"]) == ("inactive", 1050, "USD")
    assert event["venue"]["city"] == "HCM"
    seats = application.database.rows(
        "SELECT position, label, booking_id FROM seats WHERE event_id = %s ORDER BY position", event["id"]
    )
    assert [seat["label"] for seat in seats] == [str(number) for number in range(1, 11)]


async def test_the_full_form_keeps_all_that_it_is_given(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created(**FULL)
    given = {
        name: FULL[name] for name in ("description", "topics", "artists", "website", "currency", "status")
    }
    assert {name: event[name] for name in given} == given
    assert event["languages"] == ["de", "pt-br"]
    assert event["start_at"] == "2030-11-01T18:30:00Z"
    assert event["start_at_local"] == "2030-11-01T19:30:00+01:00"
    assert event["time_zone"] == "Europe/Berlin"
    assert event["venue"] == {
        name: value
        for name, value in dict(FULL["venue"]).items()  # type: ignore[call-overload]
        if name != "time_zone"
    }
    assert (event["price_minor"], event["price_minor_max"], event["capacity"]) == (2000, 8990, 5)
    assert [kind["sales_end_at"] for kind in event["ticket_types"]] == ["2030-11-01T18:00:00Z", None]
    seats = application.database.rows(
        "SELECT label FROM seats WHERE event_id = %s ORDER BY position", event["id"]
    )
    assert [seat["label"] for seat in seats] == ["Stalls 1", "Stalls 2", "Stalls 3", "Balcony 1", "Balcony 2"]


async def test_an_online_event_needs_no_place(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created(location=..., is_online=True)
    assert (event["location"], event["venue"], event["is_online"]) == ("Online", None, True)


async def test_a_currency_without_fractions_keeps_its_amounts(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created(currency="JPY", price=4500)
    assert (event["price_minor"], event["price"]) == (4500, 4500)


async def test_a_price_is_read_as_it_is_written(application: Application) -> None:
    host = await application.sign_up("host")
    body = b'{"name": "x", "available_seats": 1, "start_at": "2030-01-01T00:00:00Z", "location": "HCM", '
    body += b'"category": "MUSIC", "price": %s}'
    headers = {"content-type": "application/json"}
    exact = await host.client.post("/api/v1/events", content=body % b"9999999999.99", headers=headers)
    assert exact.json()["price_minor"] == 999_999_999_999
    # As a binary fraction it would be the same as 10.5, and the mistake would pass unseen.
    wrong = await host.client.post(
        "/api/v1/events", content=body % b"10.50000000000000000001", headers=headers
    )
    assert wrong.status_code == 422


async def test_places_and_artists_are_one_row_each_also_when_many_name_them_at_once(
    application: Application,
) -> None:
    host = await application.sign_up("host")
    names = [unique("artist") for _ in range(6)]
    place = unique("place")
    answers = await asyncio.gather(
        *(host.create(artists=names[number:] + names[:number], location=place) for number in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    rows = application.database.rows
    assert rows("SELECT count(*) AS n FROM artists WHERE name = ANY(%s)", names) == [{"n": 6}]
    assert rows("SELECT count(*) AS n FROM venues WHERE name = %s", place) == [{"n": 1}]


async def test_a_request_that_is_repeated_with_its_key_makes_one_event(application: Application) -> None:
    host = await application.sign_up("host")
    key, body = {"Idempotency-Key": unique("key")}, event_body(**FULL)
    answers = await asyncio.gather(
        *(host.client.post("/api/v1/events", json=body, headers=key) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    await host.update(answers[0].json()["id"], name="another name")
    again = await host.client.post("/api/v1/events", json=body, headers=key)
    assert (again.status_code, again.text) == (201, answers[0].text), "as it was made"
    other = await host.client.post("/api/v1/events", json=event_body(), headers=key)
    assert (other.status_code, other.json()["type"]) == (422, problems.IDEMPOTENCY_KEY_REUSED.uri)
    made = "SELECT count(*) AS events FROM events WHERE host_id = %s"
    assert application.database.rows(made, host.id) == [{"events": 1}]


async def test_the_same_import_reference_is_the_same_event_also_when_two_send_it_at_once(
    application: Application,
) -> None:
    host, other = await application.sign_up("host"), await application.sign_up("host")
    body = event_body(import_reference=unique("reference"))
    answers = await asyncio.gather(*(host.client.post("/api/v1/events", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    elsewhere = await other.client.post("/api/v1/events", json=body)
    assert elsewhere.status_code == 201


async def test_an_update_changes_what_it_names_and_nothing_else(application: Application) -> None:
    host = await application.sign_up("host")
    before = await host.created(**FULL)
    changes = {"name": "Quartets", "artists": ["Belcea Quartet"], "website": None, "end_at": None}
    answer = await host.update(before["id"], **changes)
    assert answer.status_code == 200
    after = answer.json()
    assert after["updated_at"] > before["updated_at"]
    assert after == {**before, **changes, "updated_at": after["updated_at"]}


async def test_an_update_that_changes_nothing_writes_nothing(application: Application) -> None:
    host = await application.sign_up("host")
    before = await host.created(**FULL)
    same = {
        "status": "inactive",
        "name": before["name"],
        "artists": before["artists"],
        "venue": FULL["venue"],
    }
    for changes in ({}, same):
        assert (await host.update(before["id"], **changes)).json() == before


async def test_an_event_to_come_is_not_moved_into_the_past(application: Application) -> None:
    """Nobody could cancel any more, whatever was promised."""
    host = await application.sign_up("host")
    event = await host.created()
    answer = await host.update(event["id"], start_at="2020-01-01T00:00:00Z")
    assert (answer.status_code, answer.json()["type"]) == (422, problems.INVALID_REQUEST.uri)
    assert (await host.update(event["id"], start_at="2040-01-01T00:00:00Z")).status_code == 200
    began_long_ago = await host.created(start_at="2020-01-01T00:00:00Z")
    assert (await host.update(began_long_ago["id"], start_at="2020-02-01T00:00:00Z")).status_code == 200


async def test_an_event_moves_to_another_place(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    moved = (await host.update(event["id"], location="Hanoi")).json()
    assert (moved["location"], moved["venue"]["city"]) == ("Hanoi", "Hanoi")
    online = (await host.update(event["id"], is_online=True)).json()
    assert online["is_online"]


@pytest.mark.parametrize("unchanged", [{"price": 3}, {"available_seats": 20}, {"currency": "EUR"}])
async def test_seats_and_prices_can_not_be_changed_and_the_answer_says_so(
    application: Application, unchanged: dict[str, Any]
) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    answer = await host.update(event["id"], **unchanged)
    assert answer.status_code == 422
    assert "can't be changed after the event was made" in answer.json()["errors"][0]["message"]


async def test_an_update_can_not_leave_an_event_without_sense(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    online = await host.created(location=..., is_online=True)
    answers = [
        await host.update(event["id"], end_at="2030-11-01T09:00:00Z"),
        await host.update(online["id"], is_online=False),
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert [answer.json()["errors"][0]["location"] for answer in answers] == ["body.end_at", "body.is_online"]


async def test_a_cancelled_event_stays_cancelled(application: Application) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    for status, code in (("inactive", 200), ("active", 200), ("cancelled", 200), ("cancelled", 200)):
        assert (await host.update(event["id"], status=status)).status_code == code
    for status in ("active", "inactive"):
        answer = await host.update(event["id"], status=status)
        assert (answer.status_code, answer.json()["type"]) == (409, problems.CONFLICT.uri)
    assert (await host.update(event["id"], description="Sorry.")).json()["status"] == "cancelled"


async def test_an_event_of_100000_seats_is_made_and_one_seat_more_is_refused(
    application: Application,
) -> None:
    host = await application.sign_up("host")
    began = datetime.now(UTC)
    event = await host.created(available_seats=100_000)
    assert event["capacity"] == event["available_seats"] == 100_000
    assert (datetime.now(UTC) - began).total_seconds() < 20
    refused = await host.create(available_seats=100_001)
    assert refused.status_code == 422

"""Who waits is served first come, first served, as seats come free."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts import problems
from contracts.api_keys import API_KEY_HEADER
from mini_auth.guest_links import GUEST_LINK_HEADER
from service_kit.named_sql import load_queries
from tests.inbox import InboxProcess
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.people import PASSWORD, unique

QUERIES = load_queries("write_api.bookings")
FORGETFUL = {
    **QUERIES,
    "select_time_and_line": """
        SELECT clock_timestamp() AS now, NULL::jsonb AS awaited WHERE %(event_id)s::bigint IS NOT NULL
    """,
}
"""Sales that know nothing of who waits."""
JOIN = "/api/v1/waitlist"


async def join(customer: Customer, event_id: int, quantity: int = 1, **more: Any) -> httpx.Response:
    return await customer.client.post(JOIN, json={"event_id": event_id, "quantity": quantity, **more})


async def joined(customer: Customer, event_id: int, quantity: int = 1, **more: Any) -> dict[str, Any]:
    """A new entry."""
    answer = await join(customer, event_id, quantity, **more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def entry_of(customer: Customer, entry_id: int) -> dict[str, Any]:
    answer = await customer.client.get(f"{JOIN}/{entry_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def in_state(customer: Customer, entry: dict[str, Any], status: str) -> dict[str, Any]:
    """The entry once it has this status."""

    async def ask() -> dict[str, Any] | None:
        found = await entry_of(customer, entry["id"])
        return found if found["status"] == status else None

    found = await eventually(f"the entry is {status}", ask)
    assert found is not None
    return found


async def sold_out(
    application: Application, seats: int = 1, **fields: Any
) -> tuple[Customer, dict[str, Any], list[dict[str, Any]]]:
    """The host of an event, the event, and a booking of the host's for each of its seats."""
    host = await application.sign_up("host")
    event = await host.created(available_seats=seats, **fields)
    return host, event, [await host.booked(event["id"]) for _ in range(seats)]


def refused(answer: httpx.Response, kind: problems.ProblemType) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["type"]) == (kind.status, kind.uri), answer.text
    return dict(answer.json())


async def test_seats_that_come_free_are_held_for_the_first_in_line(application: Application) -> None:
    host, event, [booking] = await sold_out(application)
    first, second = [await application.sign_up() for _ in range(2)]
    entries = [await joined(one, event["id"]) for one in (first, second)]
    assert [(one["status"], one["place"], one["booking_id"]) for one in entries] == [
        ("waiting", 1, None),
        ("waiting", 2, None),
    ]
    assert (await host.cancel(booking["id"])).status_code == 200
    offer = await in_state(first, entries[0], "offered")
    held = await first.booking(offer["booking_id"])
    assert (held["status"], held["seats"]) == ("held", booking["seats"])
    assert held["hold_expires_at"] == offer["offer_expires_at"]
    left = datetime.fromisoformat(offer["offer_expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    waiting = await entry_of(second, entries[1]["id"])
    assert (waiting["status"], waiting["place"]) == ("waiting", 1)
    assert (await first.confirm(offer["booking_id"])).status_code == 200
    assert (await entry_of(first, entries[0]["id"]))["status"] == "accepted"
    [mail] = application.database.rows(
        "SELECT template, parameters FROM notifications WHERE person_id = %s AND template = 'waitlist_offer'",
        first.id,
    )
    assert mail["parameters"]["booking_id"] == offer["booking_id"]
    told = datetime.fromisoformat(mail["parameters"]["expires_at"])
    assert told == datetime.fromisoformat(offer["offer_expires_at"])


async def test_the_mail_names_the_booking_and_its_deadline(
    database: Database, state: Path, inbox: InboxProcess
) -> None:
    changes = {"smtp_url": inbox.smtp_url, "waitlist_offer_seconds": 3600}
    async with running_application(database, state, changes=changes) as application:
        host, event, [booking] = await sold_out(application)
        customer = await application.sign_up()
        entry = await joined(customer, event["id"])
        await host.cancel(booking["id"])
        offer = await in_state(customer, entry, "offered")
        [person] = database.rows("SELECT email FROM people WHERE id = %s", customer.id)
        mail = await asyncio.to_thread(inbox.mail, person["email"], "Seats are held for you")
    assert f"booking {offer['booking_id']}" in mail["text"]
    deadline = datetime.fromisoformat(offer["offer_expires_at"])
    assert deadline - datetime.now(UTC) > timedelta(minutes=50)
    assert f"{deadline:%Y-%m-%d %H:%M:%S} UTC" in mail["text"]


async def test_asked_again_it_is_the_same_entry(application: Application) -> None:
    _, event, _ = await sold_out(application)
    customer = await application.sign_up()
    answers = await asyncio.gather(*(join(customer, event["id"]) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    problem = refused(await join(customer, event["id"], 2), problems.CONFLICT)
    assert problem["entry_id"] == answers[0].json()["id"]
    listed = (await customer.client.get(JOIN)).json()
    assert [one["id"] for one in listed["entries"]] == [problem["entry_id"]]


async def test_what_can_be_booked_is_not_waited_for(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    event = await host.created(available_seats=3)
    problem = refused(await join(customer, event["id"], 3), problems.SEATS_ARE_FREE)
    assert problem["seats_remaining"] == 3
    in_vain = refused(await join(customer, event["id"], 4), problems.INVALID_REQUEST)
    assert in_vain["detail"] == "There are 3 of these seats in all."
    await customer.booked(event["id"])
    assert (await joined(customer, event["id"], 3))["status"] == "waiting"
    off_sale = await host.created(available_seats=1, status="inactive")
    refused(await join(customer, off_sale["id"]), problems.EVENT_NOT_BOOKABLE)
    refused(await join(customer, 2**40), problems.NOT_FOUND)
    kinds = [{"name": name, "price": 1, "capacity": 1} for name in ("a", "b")]
    several = await host.created(ticket_types=kinds, available_seats=..., price=...)
    refused(await join(customer, several["id"]), problems.INVALID_REQUEST)
    refused(await join(customer, several["id"], ticket_type_id=2**40), problems.INVALID_REQUEST)
    for wrong in (0, 101, "1", 1.5):
        refused(await join(customer, event["id"], wrong), problems.INVALID_REQUEST)  # type: ignore[arg-type]


async def test_who_is_new_gets_what_nobody_in_line_can_use(application: Application) -> None:
    host, event, bookings = await sold_out(application, 3)
    waiting, new = [await application.sign_up() for _ in range(2)]
    entry = await joined(waiting, event["id"], 2)
    await host.cancel(bookings[0]["id"])
    booked = await new.booked(event["id"])
    for booking in bookings[1:]:
        await host.cancel(booking["id"])
    offer = await in_state(waiting, entry, "offered")
    seats = {seat["position"] for seat in (await waiting.booking(offer["booking_id"]))["seats"]}
    assert len(seats) == 2
    assert not seats & {seat["position"] for seat in booked["seats"]}


async def test_who_wants_more_than_is_free_keeps_the_place(application: Application) -> None:
    host, event, bookings = await sold_out(application, 4)
    large, small, also_small = [await application.sign_up() for _ in range(3)]
    first = await joined(large, event["id"], 3)
    second = await joined(small, event["id"])
    third = await joined(also_small, event["id"])
    await host.cancel(bookings[0]["id"])
    await in_state(small, second, "offered")
    assert (await entry_of(large, first["id"]))["place"] == 1
    kept = await small.booking((await entry_of(small, second["id"]))["booking_id"])
    await small.confirm(kept["id"])
    database = application.database
    database.rows(  # all at once, as a sweep of holds does
        "UPDATE bookings SET hold_expires_at = clock_timestamp() - interval '1 s' WHERE id = ANY(%s)",
        [booking["id"] for booking in bookings[1:]],
    )
    await in_state(large, first, "offered")
    assert (await entry_of(also_small, third["id"]))["place"] == 1


async def test_what_was_declined_left_or_lapsed_goes_to_the_next(application: Application) -> None:
    host, event, [booking] = await sold_out(application)
    people = [await application.sign_up() for _ in range(5)]
    entries = [await joined(one, event["id"]) for one in people]
    decliner, leaver, sleeper, canceller, last = zip(people, entries, strict=True)

    async def leave(one: tuple[Customer, dict[str, Any]]) -> dict[str, Any]:
        answer = await one[0].client.delete(f"{JOIN}/{one[1]['id']}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    left = await leave(leaver)
    assert (left["status"], left["place"]) == ("left", None)
    assert await leave(leaver) == left
    await host.cancel(booking["id"])
    await in_state(*decliner, "offered")
    assert (await leave(decliner))["status"] == "left"
    offer = await in_state(*sleeper, "offered")
    application.database.rows(
        "UPDATE bookings SET hold_expires_at = clock_timestamp() WHERE id = %s", offer["booking_id"]
    )
    offer = await in_state(*canceller, "offered")
    await canceller[0].cancel(offer["booking_id"])
    await in_state(*last, "offered")
    statuses = [
        (await entry_of(*one))["status"]
        for one in ((p, e["id"]) for p, e in (decliner, leaver, sleeper, canceller))
    ]
    assert statuses == ["left", "left", "passed", "left"]
    again = await joined(sleeper[0], event["id"])
    assert again["place"] == 1
    assert again["id"] > sleeper[1]["id"]


async def test_other_peoples_entries_are_not_there(application: Application) -> None:
    _, event, _ = await sold_out(application)
    owner, stranger = [await application.sign_up() for _ in range(2)]
    entry = await joined(owner, event["id"])
    for method in ("GET", "DELETE"):
        refused(await stranger.client.request(method, f"{JOIN}/{entry['id']}"), problems.NOT_FOUND)
    assert (await stranger.client.get(JOIN)).json() == {"entries": [], "next_before": None}
    assert (await entry_of(owner, entry["id"])) == entry


async def test_pages_go_back_in_time(application: Application) -> None:
    customer = await application.sign_up()
    made = []
    for _ in range(3):
        _, event, _ = await sold_out(application)
        made.append((await joined(customer, event["id"]))["id"])
    page = (await customer.client.get(JOIN, params={"page_size": 2})).json()
    assert [one["id"] for one in page["entries"]] == made[:0:-1]
    rest = (await customer.client.get(JOIN, params={"before": page["next_before"]})).json()
    assert ([one["id"] for one in rest["entries"]], rest["next_before"]) == (made[:1], None)


async def test_guests_and_keys_wait_as_people_do(application: Application) -> None:
    host, event, bookings = await sold_out(application, 2)
    guest = {"name": "Ann", "email": f"{unique('guest')}@example.com", "phone": "+84 24 3825 3536"}
    link = (await application.anonymous.post("/api/v1/guests", json=guest)).json()
    visitor = Customer(link["id"], application.client(**{GUEST_LINK_HEADER: link["link"]}))
    owner = await application.sign_up()
    body = {"name": "a key", "scopes": ["bookings:read", "bookings:write"]}
    key = (await owner.client.post("/api/v1/api-keys", json=body)).json()["key"]
    program = Customer(owner.id, application.client(**{API_KEY_HEADER: key}))
    for one, booking in zip((visitor, program), bookings, strict=True):
        entry = await joined(one, event["id"])
        await host.cancel(booking["id"])
        offer = await in_state(one, entry, "offered")
        assert (await one.confirm(offer["booking_id"])).status_code == 200


async def test_no_offers_while_it_is_off_sale_and_none_once_it_is_cancelled(application: Application) -> None:
    host, event, bookings = await sold_out(application, 2)
    customer, other = [await application.sign_up() for _ in range(2)]
    entries = [await joined(one, event["id"]) for one in (customer, other)]
    await host.update(event["id"], status="inactive")
    await host.cancel(bookings[0]["id"])
    offers = application.app.state.waitlist_joins._offers
    assert await offers.sweep() == 0
    assert (await entry_of(customer, entries[0]["id"]))["status"] == "waiting"
    await host.update(event["id"], status="active")
    await in_state(customer, entries[0], "offered")
    await host.update(event["id"], status="cancelled")
    await host.cancel(bookings[1]["id"])
    assert await offers.sweep() == 0
    assert (await entry_of(other, entries[1]["id"]))["status"] == "closed"
    refused(await join(await application.sign_up(), event["id"]), problems.EVENT_NOT_BOOKABLE)


async def test_seats_that_the_host_adds_go_to_those_who_wait(application: Application) -> None:
    host, event, _ = await sold_out(application)
    people = [await application.sign_up() for _ in range(3)]
    entries = [await joined(one, event["id"]) for one in people]
    path = f"/api/v1/events/{event['id']}/ticket-types/{event['ticket_types'][0]['id']}"
    raised = await host.client.put(path, json={"capacity": 3})
    assert raised.status_code == 200, raised.text
    for one, entry in zip(people[:2], entries, strict=False):
        await in_state(one, entry, "offered")
    last = await entry_of(people[2], entries[2]["id"])
    assert (last["status"], last["place"]) == ("waiting", 1)


async def test_who_may_not_have_the_seats_any_more_holds_up_nobody(application: Application) -> None:
    host = await application.sign_up("host")
    kinds = [{"name": "one each", "price": 1, "capacity": 2, "per_person_limit": 1}]
    event = await host.created(ticket_types=kinds, available_seats=..., price=...)
    others = [await application.sign_up() for _ in range(2)]
    bookings = [await one.booked(event["id"]) for one in others]
    eager, patient = [await application.sign_up() for _ in range(2)]
    refused(await join(others[0], event["id"]), problems.PER_PERSON_LIMIT)
    entries = [await joined(one, event["id"]) for one in (eager, patient)]
    # The first in line has a seat by other means; nothing of the waitlist hears of it.
    application.database.rows("UPDATE bookings SET person_id = %s WHERE id = %s", eager.id, bookings[0]["id"])
    await others[1].cancel(bookings[1]["id"])
    await in_state(patient, entries[1], "offered")
    assert (await entry_of(eager, entries[0]["id"]))["status"] == "passed"


async def test_export_and_erasure_know_who_waits(application: Application) -> None:
    _, event, _ = await sold_out(application)
    customer, next_in_line = [await application.sign_up() for _ in range(2)]
    entry = await joined(customer, event["id"])
    behind = await joined(next_in_line, event["id"])
    [exported] = (await customer.client.get("/api/v1/me/export")).json()["waitlist_entries"]
    assert (exported["id"], exported["status"]) == (entry["id"], "waiting")
    erased = await customer.client.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
    assert erased.status_code == 204, erased.text
    assert not application.database.has("SELECT FROM waitlist_entries WHERE person_id = %s", customer.id)
    assert (await entry_of(next_in_line, behind["id"]))["place"] == 1


async def hammered(application: Application, rounds: int) -> int:
    """Each round one seat comes free for one who waits, while many others ask for it; how many overtook."""
    host, event, [booking] = await sold_out(application)
    crowd = [await application.sign_up() for _ in range(6)]
    waiting = await application.sign_up()
    overtaken = 0
    for _ in range(rounds):
        entry = await joined(waiting, event["id"])
        is_over = asyncio.Event()

        async def ask(one: Customer) -> list[dict[str, Any]]:
            got = []
            while not is_over.is_set():  # noqa: B023 - awaited within the round
                answer = await one.book(event["id"])
                if answer.status_code == 201:
                    got.append(answer.json())
                else:
                    refused(answer, problems.NOT_ENOUGH_SEATS)
            return got

        asking = [asyncio.create_task(ask(one)) for one in crowd]
        await asyncio.sleep(0)
        assert (await host.cancel(booking["id"])).status_code == 200

        async def is_sold_again() -> bool:
            return application.database.has(
                "SELECT FROM bookings WHERE event_id = %s AND status = 'held'", event["id"]
            )

        await eventually("the seat is sold again", is_sold_again)
        is_over.set()
        got = [
            (one, made)
            for one, all_made in zip(crowd, await asyncio.gather(*asking), strict=True)
            for made in all_made
        ]
        overtaken += len(got)
        for one, made in got:
            await one.cancel(made["id"])
        offer = await in_state(waiting, entry, "offered")
        await waiting.cancel(offer["booking_id"])
        booking = await host.booked(event["id"])
    return overtaken


@pytest.mark.parametrize(("queries", "is_guarded"), [(QUERIES, True), (FORGETFUL, False)])
async def test_nobody_overtakes_at_the_moment_when_a_seat_comes_free(
    database: Database, state: Path, queries: dict[str, Any], *, is_guarded: bool
) -> None:
    """Control: sales that know nothing of who waits sell the seat to somebody who came later."""
    async with running_application(database, state, booking_queries=queries) as application:
        assert (await hammered(application, 8) == 0) == is_guarded
    assert database.faults() == {}

"""Orders over several events, one at a time."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from contracts import problems
from mini_auth.guest_links import GUEST_LINK_HEADER
from service_kit.database import create_pool
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.integration.write_api.ordering import (
    change,
    events_of,
    item,
    order_of,
    place,
    placed,
    refusal,
    remaining,
)
from tests.people import unique
from write_api.idempotency import IdempotentRequests, KeyExpiry


async def test_an_order_holds_seats_of_all_its_items(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    kinds = [
        {"name": name, "price": price, "capacity": 5} for name, price in (("Stalls", 30), ("Balcony", 20))
    ]
    show = await host.created(available_seats=..., price=..., ticket_types=kinds)
    concert = await host.created(price=1500, currency="JPY")
    stalls, balcony = (kind["id"] for kind in show["ticket_types"])
    order = await placed(
        customer,
        item(concert, 2),
        item(
            show, 2, ticket_type_id=balcony, attendees=[{"name": "Ann"}, {"name": "Bo", "email": "bo@x.org"}]
        ),
        item(show, 1, ticket_type_id=stalls),
        item(concert, 1),
    )
    assert (order["status"], len(order["bookings"])) == ("held", 4)
    told = [
        (one["event_id"], one["ticket_type_id"], one["quantity"], [seat["label"] for seat in one["seats"]])
        for one in order["bookings"]
    ]
    only = concert["ticket_types"][0]["id"]
    assert told == [
        (concert["id"], only, 2, ["1", "2"]),
        (show["id"], balcony, 2, ["Balcony 1", "Balcony 2"]),
        (show["id"], stalls, 1, ["Stalls 1"]),
        (concert["id"], only, 1, ["3"]),
    ]
    assert order["totals"] == [
        {"currency": "JPY", "price_minor": 4500, "price": 4500.0},
        {"currency": show["currency"], "price_minor": 7000, "price": 70.0},
    ]
    assert [len(one["attendees"]) for one in order["bookings"]] == [0, 2, 0, 0]
    assert order["bookings"][1]["attendees"] == [
        {"name": "Ann", "email": None},
        {"name": "Bo", "email": "bo@x.org"},
    ]
    assert {one["order_id"] for one in order["bookings"]} == {order["id"]}
    assert {one["hold_expires_at"] for one in order["bookings"]} == {order["hold_expires_at"]}
    assert await order_of(customer, order["id"]) == order
    assert await customer.booking(order["bookings"][1]["id"]) == order["bookings"][1]
    assert (await customer.booked(concert["id"]))["order_id"] is None
    assert application.database.faults() == {}


async def test_the_shortest_hold_of_its_events_is_that_of_the_order(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    events = [await host.created(), await host.created(hold_seconds=90)]
    order = await placed(customer, *map(item, events))
    first, second = order["bookings"]
    assert first["created_at"] == second["created_at"]
    held = datetime.fromisoformat(order["hold_expires_at"]) - datetime.fromisoformat(first["created_at"])
    assert held == timedelta(seconds=90)


async def test_a_refusal_names_its_items_and_writes_nothing(application: Application) -> None:
    customer = await application.sign_up()
    plenty, few = await events_of(application, [10, 2])
    [inactive] = await events_of(application, [10], status="inactive")
    before = application.database.counts()
    answer = await place(
        customer,
        item(plenty, 3),
        item(few, 1),
        item(few, 2),
        {"event_id": 2**60, "quantity": 1},
        item(inactive),
    )
    assert refusal(answer) == (409, problems.NOT_ENOUGH_SEATS.name, 2)
    body = answer.json()
    assert body["seats_remaining"] == 1
    assert [(one["item"], one["type"].rpartition("/")[2]) for one in body["refused_items"]] == [
        (2, problems.NOT_ENOUGH_SEATS.name),
        (3, problems.NOT_FOUND.name),
        (4, problems.EVENT_NOT_BOOKABLE.name),
    ]
    assert refusal(await place(customer, {"event_id": 2**60, "quantity": 1})) == (404, "not-found", 0)
    assert application.database.counts() == before
    assert remaining(application, plenty, few) == [10, 2]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"items": [{"event_id": 1, "quantity": 1}] * 21},
        {"items": [{"event_id": 1, "quantity": 101}]},
        {"items": [{"event_id": 1, "quantity": 0}]},
        {"items": [{"event_id": 1, "quantity": 1, "attendees": [{"name": "a"}, {"name": "b"}]}]},
        {"items": [{"event_id": 1, "quantity": 1, "attendees": [{"name": ""}]}]},
        {"items": [{"event_id": 1, "quantity": 1, "attendees": [{"name": "a", "email": "nobody"}]}]},
        {"items": [{"event_id": 1, "quantity": 1}], "person_id": 7},
    ],
)
async def test_what_is_malformed_is_refused(application: Application, body: dict[str, Any]) -> None:
    customer = await application.sign_up()
    before = application.database.counts()
    answer = await customer.client.post("/api/v1/orders", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, problems.INVALID_REQUEST.uri)
    assert application.database.counts() == before


async def test_all_is_confirmed_and_cancelled_together_and_again(application: Application) -> None:
    customer = await application.sign_up()
    events = await events_of(application, [5, 5])
    order = await placed(customer, *(item(event, 2) for event in events))
    confirmed = [await change(customer, order["id"], "confirm") for _ in range(2)]
    assert [answer.status_code for answer in confirmed] == [200, 200]
    assert confirmed[0].json() == confirmed[1].json()
    assert confirmed[0].json()["status"] == "confirmed"
    assert confirmed[0].json()["hold_expires_at"] is None
    assert confirmed[0].json()["totals"] == order["totals"]
    assert {one["status"] for one in confirmed[0].json()["bookings"]} == {"confirmed"}
    cancelled = [await change(customer, order["id"], "cancel") for _ in range(2)]
    assert [answer.status_code for answer in cancelled] == [200, 200]
    assert cancelled[0].json() == cancelled[1].json()
    assert (cancelled[0].json()["status"], cancelled[0].json()["totals"]) == ("cancelled", [])
    assert refusal(await change(customer, order["id"], "confirm"))[:2] == (409, problems.BOOKING_STATE.name)
    assert remaining(application, *events) == [5, 5]
    assert application.database.faults() == {}


async def test_a_booking_of_an_order_can_be_cancelled_alone(application: Application) -> None:
    customer = await application.sign_up()
    events = await events_of(application, [5, 5])
    order = await placed(customer, *map(item, events))
    first, second = order["bookings"]
    assert (await customer.cancel(first["id"])).status_code == 200
    left = await order_of(customer, order["id"])
    assert left["status"] == "held"
    assert left["totals"][0]["price_minor"] == second["price_minor"]
    confirmed = (await change(customer, order["id"], "confirm")).json()
    assert [one["status"] for one in confirmed["bookings"]] == ["cancelled", "confirmed"]
    assert confirmed["status"] == "confirmed"
    assert (await customer.cancel(second["id"])).status_code == 200
    assert (await order_of(customer, order["id"]))["status"] == "cancelled"
    assert (await change(customer, order["id"], "cancel")).status_code == 200
    assert remaining(application, *events) == [5, 5]


async def test_with_one_hold_expired_nothing_is_confirmed_and_the_rest_can_be_given_back(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        customer = await application.sign_up()
        events = await events_of(application, [5, 5])
        order = await placed(customer, *map(item, events))
        late = order["bookings"][1]["id"]
        database.rows("UPDATE bookings SET hold_expires_at = clock_timestamp() WHERE id = %s", late)
        answer = await change(customer, order["id"], "confirm")
        assert refusal(answer)[:2] == (409, problems.BOOKING_STATE.name)
        assert (answer.json()["reason"], answer.json()["booking_id"]) == ("expired", late)
        assert (await customer.booking(order["bookings"][0]["id"]))["status"] == "held", "nothing changed"
        given_back = await change(customer, order["id"], "cancel")
        assert given_back.status_code == 200
        assert given_back.json()["bookings"][0]["status"] == "cancelled"
        assert database.faults() == {}


async def test_an_order_of_which_all_has_expired_is_over(database: Database, state: Path) -> None:
    async with running_application(database, state) as application:
        customer = await application.sign_up()
        order = await placed(customer, *map(item, await events_of(application, [5, 5])))
        database.rows(
            "UPDATE bookings SET hold_expires_at = clock_timestamp() WHERE order_id = %s", order["id"]
        )
        for what in ("confirm", "cancel"):
            answer = await change(customer, order["id"], what)
            assert (answer.status_code, answer.json()["reason"]) == (409, "expired")


async def test_where_one_may_not_be_cancelled_none_is(application: Application) -> None:
    host, customer = await application.sign_up("host"), await application.sign_up()
    events = [await host.created() for _ in range(2)]
    order = await placed(customer, *map(item, events))
    await change(customer, order["id"], "confirm")
    application.begin(events[1]["id"])
    answer = await change(customer, order["id"], "cancel")
    assert refusal(answer)[:2] == (409, problems.BOOKING_STATE.name)
    assert answer.json()["booking_id"] == order["bookings"][1]["id"]
    assert {one["status"] for one in (await order_of(customer, order["id"]))["bookings"]} == {"confirmed"}


async def test_another_persons_order_is_not_there(application: Application) -> None:
    customer, other = await application.sign_up(), await application.sign_up()
    order = await placed(customer, *map(item, await events_of(application, [5])))
    path = f"/api/v1/orders/{order['id']}"
    for answer in (
        await other.client.get(path),
        await change(other, order["id"], "confirm"),
        await change(other, order["id"], "cancel"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, problems.NOT_FOUND.uri)
    assert (await other.client.get("/api/v1/orders")).json() == {"orders": [], "next_before": None}
    assert await order_of(customer, order["id"]) == order


async def test_my_orders_come_in_pages_newest_first(application: Application) -> None:
    customer = await application.sign_up()
    [event] = await events_of(application, [10])
    mine = [(await placed(customer, item(event)))["id"] for _ in range(5)]
    seen: list[int] = []
    query: dict[str, int] = {"page_size": 2}
    for _ in range(3):
        page = (await customer.client.get("/api/v1/orders", params=query)).json()
        seen += [order["id"] for order in page["orders"]]
        query["before"] = page["next_before"]
    assert (seen, page["next_before"]) == (mine[::-1], None)
    for wrong in ("page_size=0", "page_size=21", "before=0"):
        assert (await customer.client.get(f"/api/v1/orders?{wrong}")).status_code == 422


async def test_a_guest_orders_and_reaches_the_order_by_the_link(application: Application) -> None:
    body = {"name": "Ann Guest", "email": f"{unique('guest')}@example.com", "phone": "+84 24 3825 3536"}
    registered = application.client(**{"x-envoy-external-address": "192.0.2.201"})
    guest = (await registered.post("/api/v1/guests", json=body)).raise_for_status().json()
    customer = Customer(guest["id"], application.client(**{GUEST_LINK_HEADER: guest["link"]}))
    order = await placed(customer, *map(item, await events_of(application, [5, 5])))
    assert await order_of(customer, order["id"]) == order
    assert (await change(customer, order["id"], "confirm")).json()["status"] == "confirmed"
    assert (await change(customer, order["id"], "cancel")).json()["status"] == "cancelled"


async def test_an_order_counts_as_a_try_of_each_of_its_items(database: Database, state: Path) -> None:
    async with running_application(database, state, changes={"request_limits_times": 1}) as application:
        customer = await application.sign_up()
        [event] = await events_of(application, [100])
        answers = [await place(customer, *[item(event)] * 20) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [201, 201, 201, 429]


async def test_one_key_is_one_order_and_its_first_answer(application: Application) -> None:
    customer, other = await application.sign_up(), await application.sign_up()
    [event] = await events_of(application, [100])
    key = unique("key")
    wanted = item(event, 2, attendees=[{"name": "Ann"}])
    answers = await asyncio.gather(*(place(customer, wanted, key=key) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    order = answers[0].json()
    assert remaining(application, event) == [98]
    await change(customer, order["id"], "confirm")
    spelt_out = {**wanted, "ticket_type_id": None, "attendees": [{"name": " Ann ", "email": None}]}
    assert (await place(customer, spelt_out, key=key)).text == answers[0].text, "as it was made"
    changed = await place(customer, item(event, 3), key=key)
    assert (changed.status_code, changed.json()["type"]) == (422, problems.IDEMPOTENCY_KEY_REUSED.uri)
    assert (await place(other, wanted, key=key)).json()["id"] != order["id"], "a key is its person's"
    assert application.database.faults() == {}


async def test_a_refused_order_leaves_its_key_free(application: Application) -> None:
    customer = await application.sign_up()
    [event] = await events_of(application, [1])
    key = unique("key")
    assert (await place(customer, item(event, 2), key=key)).status_code == 409
    assert (await place(customer, item(event, 1), key=key)).status_code == 201


async def is_waiting(database: Database, table: str) -> bool:
    """Whether somebody waits for a lock with a statement that names the table."""
    return database.has(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE %s",
        f"%{table}%",
    )


async def test_whoever_repeats_while_the_first_is_in_progress_waits_for_it(application: Application) -> None:
    customer, database = await application.sign_up(), application.database
    [event] = await events_of(application, [10])
    key = unique("key")
    async with await psycopg.AsyncConnection.connect(database.url("postgres")) as connection:
        await connection.execute("SELECT FROM ticket_stock WHERE event_id = %s FOR UPDATE", [event["id"]])
        first = asyncio.create_task(place(customer, item(event), key=key))
        await eventually("the first has its key", lambda: is_waiting(database, "ticket_stock"))
        second = asyncio.create_task(place(customer, item(event), key=key))
        await eventually("the second waits", lambda: is_waiting(database, "idempotent_requests"))
    answers = [await first, await second]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].text == answers[1].text


async def test_whoever_repeats_while_the_first_takes_long_is_told(application: Application) -> None:
    customer, database = await application.sign_up(), application.database
    [event] = await events_of(application, [10])
    key = unique("key")
    claim = (
        "INSERT INTO idempotent_requests (person_id, operation, key, body_sha256)"
        " VALUES (%s, 'place-order', %s, sha256(''))"
    )
    async with await psycopg.AsyncConnection.connect(database.url("postgres")) as connection:
        await connection.execute(claim, [customer.id, key])
        answer = await place(customer, item(event), key=key)
        assert (answer.status_code, answer.json()["reason"]) == (409, "in-progress")
        await connection.rollback()
    assert (await place(customer, item(event), key=key)).status_code == 201


async def test_a_key_is_forgotten_after_a_day(application: Application) -> None:
    customer, database = await application.sign_up(), application.database
    [event] = await events_of(application, [10])
    keys = [unique("key") for _ in range(2)]
    orders = [(await place(customer, item(event), key=key)).json()["id"] for key in keys]
    old = "UPDATE idempotent_requests SET created_at = now() - interval '25 hours' WHERE key = %s"
    database.rows(old, keys[0])
    async with create_pool(
        database.url("frontrow_write"), application_name="test", max_size=1, max_waiting=1
    ) as pool:
        assert await KeyExpiry(pool, [IdempotentRequests().forget_keys]).sweep() == 1
    again = [(await place(customer, item(event), key=key)).json()["id"] for key in keys]
    assert again[0] > orders[1] == again[1]

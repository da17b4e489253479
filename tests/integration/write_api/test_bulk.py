"""Many events in one request, each standing alone."""

import asyncio
from pathlib import Path
from typing import Any

from contracts import problems
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    event_body,
    running_application,
)
from tests.people import unique


async def send(host: Customer, *events: Any) -> list[dict[str, Any]]:
    answer = await host.client.post("/api/v1/events/bulk", json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(events)))
    return results


def stati(results: list[dict[str, Any]]) -> list[str]:
    return [result["status"] for result in results]


async def test_a_wrong_event_is_refused_alone_with_its_reason(application: Application) -> None:
    host = await application.sign_up("host")
    good, wrong = event_body(), event_body(price=10.555)
    results = await send(host, good, wrong, {"nonsense": 1}, event_body())
    assert stati(results) == ["created", "refused", "refused", "created"]
    assert results[0]["problem"] is None
    assert results[1]["id"] is None
    problem = results[1]["problem"]
    assert problem["type"] == problems.INVALID_REQUEST.uri
    assert problem["errors"] == [{"location": "body.events.1", "message": "USD has 2 decimal places"}]
    names = application.database.rows("SELECT name FROM events WHERE id = %s", results[0]["id"])
    assert names == [{"name": good["name"]}]
    assert application.database.faults() == {}


async def test_sent_again_it_makes_nothing_again(application: Application) -> None:
    host = await application.sign_up("host")
    events = [event_body(import_reference=unique("reference"), artists=["Ana"]) for _ in range(20)]
    first = await send(host, *events)
    before = application.database.counts()
    again = await send(host, *reversed(events), event_body(import_reference=events[0]["import_reference"]))
    assert stati(again) == ["existing"] * 21
    assert [result["id"] for result in again[:20]] == [result["id"] for result in reversed(first)]
    assert again[20]["id"] == first[0]["id"]
    assert application.database.counts() == before


async def test_the_same_reference_twice_in_a_request_is_one_event(application: Application) -> None:
    host = await application.sign_up("host")
    body = event_body(import_reference=unique("reference"))
    results = await send(host, body, body)
    assert sorted(stati(results)) == ["created", "existing"]
    assert results[0]["id"] == results[1]["id"]


async def test_two_that_send_the_same_at_once_in_other_orders_make_it_once(application: Application) -> None:
    host = await application.sign_up("host")
    events = [event_body(import_reference=unique("reference"), artists=[unique("artist")]) for _ in range(50)]
    both = await asyncio.gather(send(host, *events), send(host, *reversed(events)))
    assert sorted(stati(both[0]) + stati(both[1])) == ["created"] * 50 + ["existing"] * 50
    assert [result["id"] for result in both[0]] == [result["id"] for result in reversed(both[1])]


async def test_an_event_that_only_the_database_refuses_is_refused_alone(
    database: Database, state: Path
) -> None:
    database.rows("ALTER TABLE events ADD CHECK (name <> 'poison')")
    async with running_application(database, state) as application:
        host = await application.sign_up("host")
        results = await send(host, event_body(), event_body(name="poison"), event_body())
        assert stati(results) == ["created", "refused", "created"]
    assert database.counts()["events"] == 2
    assert database.counts()["seats"] == 20


async def test_what_is_too_much_at_once_is_refused_whole(application: Application) -> None:
    host = await application.sign_up("host")
    before = application.database.counts()
    too_many = [event_body(available_seats=1) for _ in range(201)]
    too_large = [event_body(available_seats=50_001) for _ in range(2)]
    for events in (too_many, too_large, []):
        answer = await host.client.post("/api/v1/events/bulk", json={"events": events})
        assert answer.status_code == 422
    assert application.database.counts() == before


async def test_a_body_of_two_megabytes_is_taken_here_and_nowhere_else(application: Application) -> None:
    host = await application.sign_up("host")
    large = event_body(description="x" * 9_990)
    results = await send(host, *[event_body(**large) for _ in range(199)])
    assert set(stati(results)) == {"created"}
    answer = await host.create(description="x" * 2_000_000)
    assert (answer.status_code, answer.json()["type"]) == (413, problems.BODY_TOO_LARGE.uri)

"""A read that brings its consistency token is never answered from before it; without, staleness is seen."""

import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from contracts import problems
from contracts.consistency_token import (
    CONSISTENCY_HEADER,
    NOT_CAUGHT_UP,
    PASSED_ON_HEADER,
    Position,
    TokenSigner,
)
from tests.conftest import Platform
from tests.integration.read_api.stale_reader import standing_still
from tests.people import People, Person, unique, wait_for


@pytest.fixture
def customer(platform: Platform) -> Iterator[Person]:
    people = People(platform.gateway_url, platform.link_key)
    yield people.sign_up("customer")
    people.close()


@pytest.fixture(scope="session")
def signer(platform: Platform) -> TokenSigner:
    secrets = json.loads((platform.home / "secrets.json").read_text(encoding="utf-8"))
    return TokenSigner(base64.b64decode(secrets["consistency_key"]))


def bringing(token: str | None) -> dict[str, str]:
    return {CONSISTENCY_HEADER: token} if token else {}


def ask(person: Person, path: str, token: str | None = None) -> httpx.Response:
    """A read of the person's with this token, or with none."""
    headers = {"Authorization": person.client.headers["Authorization"], **bringing(token)}
    return httpx.get(f"{person.gateway_url}{path}", headers=headers, timeout=20)


def token_of(answer: httpx.Response) -> str:
    assert answer.status_code < 300, answer.text
    return answer.headers[CONSISTENCY_HEADER]


@contextmanager
def frozen(platform: Platform, component: str) -> Iterator[None]:
    """The process is there and does nothing, as one that swaps or hangs."""
    pid = platform.component(component)["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def renamed(host: Person, event: dict[str, Any]) -> tuple[str, str]:
    """A new name for the event, and the token of that write."""
    name = unique("renamed")
    return name, token_of(host.client.put(f"/api/v1/events/{event['id']}", json={"name": name}))


def in_the_reader(host: Person, event: dict[str, Any]) -> str:
    """The event's page, once the region's reader has the event."""
    path = f"/api/v1/events/{event['id']}"
    wait_for("the event's page", lambda: ask(host, path).is_success)
    return path


def test_a_page_and_a_booking_are_as_new_as_the_token_though_the_reader_stands_still(
    platform: Platform, host: Person, customer: Person
) -> None:
    event = host.create_event()
    page = in_the_reader(host, event)
    with standing_still(platform):
        name, token = renamed(host, event)
        assert ask(host, page, token).json()["name"] == name
        assert ask(host, page).json()["name"] == event["name"], "without the token, what the reader has"
        booked = customer.book(event["id"])
        booking = f"/api/v1/bookings/{booked.json()['id']}"
        assert ask(customer, booking).status_code == 404
        assert ask(customer, booking, token_of(booked)).json() == booked.json()
        confirmed = token_of(customer.client.put(f"{booking}/confirm"))
        answer = ask(customer, booking, confirmed)
        assert answer.json()["status"] == "confirmed"
        assert answer.headers["X-Data-Age-Ms"] == "0"
        assert [one["status"] for one in ask(customer, "/api/v1/bookings", confirmed).json()["bookings"]] == [
            "confirmed"
        ]
        assert ask(customer, "/api/v1/bookings").json()["bookings"] == []
    began = time.monotonic()
    assert ask(customer, booking, confirmed).json()["status"] == "confirmed"
    assert time.monotonic() - began < 5


def test_the_users_own_client_needs_to_do_no_more_than_to_bring_what_it_got(
    platform: Platform, host: Person
) -> None:
    event = host.create_event()
    for _ in range(20):
        name, _token = renamed(host, event)
        assert host.client.get(f"/api/v1/events/{event['id']}").json()["name"] == name
    with standing_still(platform):
        name, _token = renamed(host, event)
        assert host.client.get(f"/api/v1/events/{event['id']}").json()["name"] == name


def test_a_token_gives_nobody_what_is_not_theirs(platform: Platform, host: Person, customer: Person) -> None:
    event = host.create_event(status="inactive")
    booked_event = host.create_event()
    booked = host.book(booked_event["id"])
    token = token_of(booked)
    with standing_still(platform):
        seen_later = token_of(host.client.put(f"/api/v1/events/{event['id']}", json={"name": "secret"}))
        for brought in (token, seen_later):
            assert ask(customer, f"/api/v1/bookings/{booked.json()['id']}", brought).status_code == 404
            assert ask(customer, "/api/v1/bookings", brought).json()["bookings"] == []
            assert ask(customer, f"/api/v1/events/{event['id']}", brought).status_code == 404
        anonymous = httpx.get(
            f"{platform.gateway_url}/api/v1/bookings/{booked.json()['id']}", headers=bringing(seen_later)
        )
        assert anonymous.status_code == 401
        direct = httpx.get(
            f"http://{platform.address('read_api')}/api/v1/bookings/{booked.json()['id']}",
            headers=bringing(seen_later),
        )
        assert direct.status_code == 401, "who asks is known before anything is waited for or passed on"


def test_nobody_asks_the_primary_from_outside(platform: Platform, host: Person) -> None:
    event = host.create_event()
    page = in_the_reader(host, event)
    with standing_still(platform):
        renamed(host, event)
        forged = httpx.get(f"{platform.gateway_url}{page}", headers={PASSED_ON_HEADER: "read_api"})
        assert forged.json()["name"] == event["name"]


def test_with_no_writer_in_reach_the_token_is_refused_and_what_is_there_is_answered(
    platform: Platform, host: Person
) -> None:
    event = host.create_event()
    page = in_the_reader(host, event)
    with standing_still(platform):
        _name, token = renamed(host, event)
        with frozen(platform, "write_api"):
            began = time.monotonic()
            refused = ask(host, page, token)
            assert time.monotonic() - began < 4
            assert (refused.status_code, refused.json()["type"]) == (
                503,
                problems.TEMPORARILY_UNAVAILABLE.uri,
            )
            assert refused.json()["detail"] == NOT_CAUGHT_UP
            assert refused.headers["Retry-After"]
            assert ask(host, page).json()["name"] == event["name"]
    wait_for("writes work again", lambda: host.client.put(page, json={}).status_code == 200)


def test_a_search_that_brings_its_token_waits_for_the_index(platform: Platform, host: Person) -> None:
    was_late = False
    with httpx.Client(base_url=platform.gateway_url, timeout=20) as visitor:
        for _ in range(5):
            event = host.create_event()
            query = {"name": event["name"]}
            was_late |= not visitor.post("/api/v1/search/events", json=query).json()["events"]
            began = time.monotonic()
            answer = visitor.post("/api/v1/search/events", json=query, headers=bringing(host.session.token))
            assert [hit["id"] for hit in answer.json()["events"]] == [event["id"]]
            assert time.monotonic() - began < 2.2
            listed = visitor.get(
                "/api/v1/events", params={"search": event["name"]}, headers=bringing(host.session.token)
            )
            assert listed.json()["total"] == 1
    assert was_late, "without a token, an event just made is not found yet"


def test_a_search_for_what_the_index_does_not_get_in_time_is_refused(
    platform: Platform, host: Person
) -> None:
    event = host.create_event()
    in_the_reader(host, event)
    with standing_still(platform), httpx.Client(base_url=platform.gateway_url, timeout=20) as visitor:
        _name, token = renamed(host, event)
        began = time.monotonic()
        refused = visitor.post("/api/v1/search/events", json={}, headers=bringing(token))
        assert 1.9 < time.monotonic() - began < 4
        assert (refused.status_code, refused.json()["detail"]) == (503, NOT_CAUGHT_UP)
        assert refused.headers["Retry-After"]
        assert visitor.post("/api/v1/search/events", json={}).status_code == 200


def test_each_answer_tells_a_position_that_never_goes_back(
    platform: Platform, host: Person, signer: TokenSigner
) -> None:
    event = host.create_event()
    page = in_the_reader(host, event)
    booking = host.book(event["id"]).json()["id"]
    last = Position(0, 0)
    with httpx.Client(base_url=platform.gateway_url, timeout=20, headers=host.client.headers) as reader:
        for number in range(30):
            if number % 5 == 0:
                renamed(host, event)
            for path in (page, f"/api/v1/bookings/{booking}", "/api/v1/bookings", "/api/v1/bookings/9000000"):
                answer = reader.get(path, headers=bringing(signer.sign(last)))
                told = signer.read(answer.headers[CONSISTENCY_HEADER])
                assert told >= last, path
                last = told
        found = reader.post("/api/v1/search/events", json={}, headers=bringing(signer.sign(last)))
        assert signer.read(found.headers[CONSISTENCY_HEADER]) >= last
        assert CONSISTENCY_HEADER in reader.get(page).headers


@pytest.mark.parametrize("path", ["/api/v1/events/1", "/api/v1/bookings", "/api/v1/events"])
def test_a_token_that_was_not_answered_here_is_refused(
    platform: Platform, host: Person, signer: TokenSigner, path: str
) -> None:
    good = signer.sign(Position(1, 1))
    others = TokenSigner(bytes(32)).sign(Position(1, 1))
    for tokens in (["nonsense"], [""], ["x" * 4000], [others], [good, good]):
        headers = [("Authorization", host.client.headers["Authorization"])]
        headers += [(CONSISTENCY_HEADER, token) for token in tokens]
        answer = httpx.get(f"{platform.gateway_url}{path}", headers=headers, timeout=20)
        assert (answer.status_code, answer.json()["type"]) == (400, problems.MALFORMED_REQUEST.uri)
        assert CONSISTENCY_HEADER in answer.json()["detail"]
    assert ask(host, path, good).status_code in {200, 404}


def test_a_token_of_a_generation_that_nobody_knows_is_not_believed_to_be_reached(
    platform: Platform, host: Person, signer: TokenSigner
) -> None:
    page = in_the_reader(host, host.create_event())
    refused = ask(host, page, signer.sign(Position(2, 1)))
    assert (refused.status_code, refused.json()["detail"]) == (503, NOT_CAUGHT_UP)
    assert ask(host, page, signer.sign(Position(0, 2**60))).status_code == 200


def test_both_documents_tell_of_the_token(platform: Platform) -> None:
    read = httpx.get(f"{platform.gateway_url}/openapi/read.json").json()["paths"]
    for path, method in (("/api/v1/bookings", "get"), ("/api/v1/search/events", "post")):
        operation = read[path][method]
        assert CONSISTENCY_HEADER in [parameter["name"] for parameter in operation["parameters"]]
        assert CONSISTENCY_HEADER in operation["responses"]["200"]["headers"]
    assert {} not in read["/api/v1/bookings"]["get"]["security"]
    assert {} in read["/api/v1/events/{event_id}"]["get"]["security"]

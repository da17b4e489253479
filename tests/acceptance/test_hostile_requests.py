"""Whatever is thrown at the front door: a clear 4xx problem, no stack trace, and nothing written."""

import base64
import json
from typing import Any

import httpx
import psycopg
import pytest

from contracts.names import OWNER_ROLE
from contracts.problems import PROBLEM_MEDIA_TYPE, PROBLEM_TYPE_PREFIX
from tests.conftest import Platform
from tests.people import PASSWORD, People, Person, unique

JSON = {"content-type": "application/json"}
EVENT = {
    "name": "Hostile",
    "available_seats": 10,
    "start_at": "2030-11-01T10:00:00Z",
    "location": "HCM",
    "category": "MUSIC",
    "price": 10.5,
}


def written(platform: Platform) -> dict[str, int]:
    """How many rows each table that a request could write to has."""
    tables = ("people", "venues", "artists", "events", "ticket_types", "ticket_stock", "seats", "bookings")
    with psycopg.connect(platform.database_url(OWNER_ROLE, "main")) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[index]
            for table in tables
        }


def assert_refused(answer: httpx.Response, *statuses: int) -> None:
    assert answer.status_code in (statuses or (400, 404, 413, 415, 422)), answer.text
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = answer.json()
    assert problem["type"].startswith(PROBLEM_TYPE_PREFIX)
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "changes",
    [
        {"available_seats": "10"},
        {"available_seats": True},
        {"available_seats": 0},
        {"available_seats": -1},
        {"available_seats": 1.5},
        {"available_seats": 100_001},
        {"available_seats": 2**70},
        {"price": "cheap"},
        {"price": -1},
        {"price": 10.505},
        {"price": 1e15},
        {"start_at": "tomorrow"},
        {"start_at": "2030-11-01T10:00:00"},
        {"start_at": "9999-12-31T23:59:59-12:00"},
        {"start_at": None},
        {"end_at": "2030-10-01T10:00:00Z"},
        {"name": ""},
        {"name": "nul\x00byte"},
        {"name": "x" * 10_000},
        {"name": None},
        {"name": ["a"]},
        {"location": {"city": "HCM"}},
        {"status": "sold"},
        {"currency": "XQZ"},
        {"time_zone": "Mars/Olympus"},
        {"host_id": 1},
        {"id": 7},
        {"surprise": 1},
    ],
    ids=lambda changes: f"{next(iter(changes))}={str(next(iter(changes.values())))[:24]!r}",
)
def test_a_wrong_event_is_refused_and_nothing_is_written(
    platform: Platform, host: Person, changes: dict[str, Any]
) -> None:
    before = written(platform)
    assert_refused(host.client.post("/api/v1/events", json=EVENT | changes), 422)
    assert written(platform) == before


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"name": ', JSON, 400),
        (b"", JSON, 422),
        (b"null", JSON, 422),
        (b"[]", JSON, 422),
        (b'"event"', JSON, 422),
        (b"[" * 100_000, JSON, 400),
        (b'{"price": 1e300}', JSON, 400),
        (b'{"name": "\\ud800", "available_seats": 1}', JSON, 422),
        (b"\xff\xfe\x00", JSON, 400),
        (json.dumps(EVENT).encode(), {"content-type": "text/plain"}, 415),
        (b"name=x", {"content-type": "application/x-www-form-urlencoded"}, 415),
        (b'{"name": "' + b"x" * 3_000_000 + b'"}', JSON, 413),
    ],
    ids=[
        "cut",
        "empty",
        "null",
        "list",
        "text",
        "deep",
        "number",
        "surrogate",
        "not utf-8",
        "text/plain",
        "form",
        "huge",
    ],
)
def test_a_body_that_is_none_is_refused(
    platform: Platform, host: Person, content: bytes, headers: dict[str, str], status: int
) -> None:
    before = written(platform)
    assert_refused(host.client.post("/api/v1/events", content=content, headers=headers), status)
    assert written(platform) == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/events/{id}", None),
        ("PUT", "/api/v1/events/{id}", {"status": "active"}),
        ("GET", "/api/v1/bookings/{id}", None),
        ("PUT", "/api/v1/bookings/{id}/confirm", None),
        ("PUT", "/api/v1/bookings/{id}/cancel", None),
    ],
)
@pytest.mark.parametrize(
    "identifier", ["9223372036854775807", "9223372036854775808", "0", "-1", "abc", "1e3", "%00"]
)
def test_an_id_that_is_missing_or_none_is_refused(
    host: Person, method: str, path: str, body: Any, identifier: str
) -> None:
    assert_refused(host.client.request(method, path.replace("{id}", identifier), json=body), 400, 404, 422)


@pytest.mark.parametrize(
    "body",
    [
        {"event_id": 9223372036854775807, "quantity": 1},
        {"event_id": "1", "quantity": 1},
        {"event_id": 1, "quantity": 0},
        {"event_id": 1, "quantity": -5},
        {"event_id": 1, "quantity": True},
        {"event_id": 1, "quantity": 2**63},
        {"event_id": 1},
        {"quantity": 1},
        {"event_id": 1, "quantity": 1, "person_id": 2},
        {"event_id": 1, "quantity": 1, "ticket_type_id": "x"},
    ],
)
def test_a_wrong_booking_is_refused_and_nothing_is_written(
    platform: Platform, customer: Person, body: dict[str, Any]
) -> None:
    before = written(platform)
    assert_refused(customer.client.post("/api/v1/bookings", json=body), 404, 422)
    assert written(platform) == before


@pytest.mark.parametrize(
    "criteria",
    [
        {"page_size": 0},
        {"page_size": 101},
        {"page": -1},
        {"page": 10**9},
        {"start_from": "soon"},
        {"near": {"latitude": 91, "longitude": 0, "radius_km": 5}},
        {"sort": "luck"},
        {"text": "x" * 5_000},
        {"name": 7},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_wrong_search_is_refused(customer: Person, criteria: dict[str, Any]) -> None:
    assert_refused(customer.client.post("/api/v1/search/events", json=criteria), 422)


@pytest.mark.parametrize(
    "account",
    [
        {"email": "nobody", "password": PASSWORD},
        {"email": "a@example.com", "password": "short"},
        {"email": "a@example.com", "password": "x" * 200},
        {"email": "a@example.com", "password": PASSWORD, "roles": ["admin"]},
        {"email": "a@example.com", "password": PASSWORD, "roles": []},
        {"email": "a\x00@example.com", "password": PASSWORD},
        {"email": "a@example.com"},
    ],
    ids=str,
)
def test_a_wrong_account_is_refused_without_repeating_its_password(
    platform: Platform, account: dict[str, Any]
) -> None:
    before = written(platform)
    answer = httpx.post(f"{platform.gateway_url}/api/v1/accounts", json=account, timeout=10)
    assert_refused(answer, 422)
    assert str(account.get("password", "no password")) not in answer.text
    assert written(platform) == before


def test_what_belongs_to_others_is_neither_shown_nor_changed(people: People, host: Person) -> None:
    event = host.create_event()
    owner, stranger = (people.sign_up("customer", "host") for _ in range(2))
    booking = owner.book(event["id"]).json()
    path = f"/api/v1/bookings/{booking['id']}"
    assert_refused(stranger.client.get(path), 404)
    assert_refused(stranger.client.put(f"{path}/confirm"), 404)
    assert_refused(stranger.client.put(f"{path}/cancel"), 404)
    assert_refused(host.client.get(path), 404)
    assert stranger.client.get("/api/v1/bookings").json()["bookings"] == []
    assert_refused(stranger.client.put(f"/api/v1/events/{event['id']}", json={"name": "Mine now"}), 403)
    assert owner.client.get(path).json() == booking


def test_a_customer_is_no_host(customer: Person) -> None:
    assert_refused(customer.client.post("/api/v1/events", json=EVENT), 403)
    assert_refused(customer.client.post("/api/v1/events/bulk", json={"events": [EVENT]}), 403)


def tampered(token: str) -> str:
    """The same token for somebody else: its subject raised by one, its signature kept."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["sub"] = str(int(claims["sub"]) + 1)
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{forged}.{signature}"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/events", EVENT),
        ("POST", "/api/v1/events/bulk", {"events": [EVENT]}),
        ("PUT", "/api/v1/events/1", {"status": "active"}),
        ("POST", "/api/v1/bookings", {"event_id": 1, "quantity": 1}),
        ("GET", "/api/v1/bookings", None),
        ("GET", "/api/v1/bookings/1", None),
        ("PUT", "/api/v1/bookings/1/confirm", None),
        ("PUT", "/api/v1/bookings/1/cancel", None),
        ("GET", "/api/v1/sessions", None),
        ("DELETE", "/api/v1/sessions/1", None),
        ("POST", "/api/v1/logout", None),
        ("POST", "/api/v1/logout/everywhere", None),
    ],
)
@pytest.mark.parametrize("process", ["gateway", "write_api"])
def test_no_token_or_a_forged_one_is_refused_at_the_edge_and_behind_it(
    platform: Platform, host: Person, process: str, method: str, path: str, body: Any
) -> None:
    token = host.client.headers["Authorization"].removeprefix("Bearer ")
    url = f"http://{platform.address(process)}{path}"
    before = written(platform)
    for authorization in (None, "Bearer", f"Bearer {unique('x')}", f"Bearer {tampered(token)}", "Basic YTpi"):
        headers = {"Authorization": authorization} if authorization else {}
        assert_refused(httpx.request(method, url, json=body, headers=headers, timeout=10), 401)
    assert written(platform) == before


def test_identity_headers_from_outside_mean_nothing(platform: Platform) -> None:
    headers = {
        "x-sub": "1",
        "x-person-id": "1",
        "x-envoy-original-path": "/api/v1/bookings",
        "x-roles": "admin",
    }
    answer = httpx.get(f"{platform.gateway_url}/api/v1/bookings", headers=headers, timeout=10)
    assert_refused(answer, 401)

"""Whatever is sent, the answer is a clear problem and nothing is written."""

from typing import Any

import pytest

from contracts.problems import PROBLEM_MEDIA_TYPE
from tests.integration.write_api.application import Application, event_body

LARGE = b'{"email": "' + b"x" * 1_100_000 + b'"}'
DEEP = b'{"events": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
ACCOUNT = b'{"email": "a@example.com", "password": "long enough", %s}'
EVENT = b'{"name": "x", "available_seats": 1, "start_at": "2030-01-01T00:00:00Z", "location": "HCM", %s}'
REST = b'"category": "MUSIC", "price": %s'

BODIES: list[tuple[str, str, bytes, int]] = [
    ("POST", "/api/v1/login", b"", 422),
    ("POST", "/api/v1/login", b"{", 400),
    ("POST", "/api/v1/login", b"\xff\xfe{}", 400),
    ("POST", "/api/v1/login", b"[]", 422),
    ("POST", "/api/v1/login", b"null", 422),
    ("POST", "/api/v1/login", b'"text"', 422),
    ("POST", "/api/v1/login", b'{"email": 1, "password": 2}', 422),
    ("POST", "/api/v1/login", b'{"email": "a\\u0000b@example.com", "password": "x"}', 422),
    ("POST", "/api/v1/login", b'{"email": "a\\ud800b@example.com", "password": "x"}', 422),
    ("POST", "/api/v1/login", b'{"email": "a@example.com", "password": "\\ud800"}', 422),
    ("POST", "/api/v1/login", b'{"\\ud800": 1}', 422),
    ("POST", "/api/v1/login", LARGE, 413),
    ("POST", "/api/v1/accounts", LARGE, 413),
    ("POST", "/api/v1/accounts", ACCOUNT % b'"id": 7', 422),
    ("POST", "/api/v1/accounts", ACCOUNT % b'"roles": ["admin"]', 422),
    ("POST", "/api/v1/accounts", ACCOUNT % b'"display_name": "\\u0000"', 422),
    ("POST", "/api/v1/events", EVENT % (REST % b"NaN"), 400),
    ("POST", "/api/v1/events", EVENT % (REST % b"Infinity"), 400),
    ("POST", "/api/v1/events", EVENT % (REST % b"1e999"), 400),
    ("POST", "/api/v1/events", EVENT % (REST % b"1e-999999"), 400),
    ("POST", "/api/v1/events", EVENT % (REST % (b"9" * 5000)), 400),
    ("POST", "/api/v1/events", EVENT % (REST % b"1e29"), 422),
    ("POST", "/api/v1/events", EVENT % (REST % b"10.505"), 422),
    ("POST", "/api/v1/events", EVENT % (REST % b'1, "topics": ["\\ud800"]'), 422),
    ("POST", "/api/v1/events", EVENT % (REST % b'1, "artists": ["a\\u0000"]'), 422),
    ("POST", "/api/v1/events", EVENT % (REST % b'1, "\\ud800": 1'), 422),
    ("POST", "/api/v1/events", EVENT % (REST % b'1, "venue": {"\\ud800": 1}'), 422),
    ("POST", "/api/v1/events", EVENT % (REST % b'1, "currency": "\\u0000\\u0000\\u0000"'), 422),
    ("POST", "/api/v1/events/bulk", b'{"events": [1]}', 422),
    ("POST", "/api/v1/events/bulk", b'{"events": {}}', 422),
    ("POST", "/api/v1/events/bulk", DEEP, 400),
    ("POST", "/api/v1/events/bulk", b" " * (4 * 1024 * 1024 + 1), 413),
    ("POST", "/api/v1/bookings", b'{"event_id": 9223372036854775808, "quantity": 1}', 422),
    ("POST", "/api/v1/bookings", b'{"event_id": 9223372036854775807, "quantity": 1}', 404),
    ("POST", "/api/v1/bookings", b'{"event_id": "1", "quantity": 1}', 422),
    ("POST", "/api/v1/bookings", b'{"event_id": 1.0, "quantity": 1}', 422),
    ("POST", "/api/v1/bookings", b'{"event_id": 1e400, "quantity": 1}', 400),
    ("POST", "/api/v1/bookings", b'{"event_id": 1, "quantity": true}', 422),
    ("POST", "/api/v1/bookings", b'{"event_id": 1, "quantity": 0}', 422),
    ("POST", "/api/v1/bookings", b'{"event_id": 1, "quantity": -1}', 422),
    ("POST", "/api/v1/bookings", b'{"event_id": 1, "quantity": 101}', 422),
    ("POST", "/api/v1/bookings", b'{"event_id": 1, "quantity": 1, "person_id": 1}', 422),
    ("POST", "/api/v1/bookings", b'{"quantity": 1}', 422),
    ("PUT", "/api/v1/events/1", b'{"status": "sold"}', 422),
    ("PUT", "/api/v1/events/0", b"{}", 422),
    ("PUT", "/api/v1/events/9223372036854775807", b"{}", 404),
    ("PUT", "/api/v1/events/9223372036854775808", b"{}", 422),
    ("PUT", "/api/v1/events/" + "9" * 5000, b"{}", 422),
    ("PUT", "/api/v1/events/%00", b"{}", 422),
    ("GET", "/api/v1/bookings/%ED%A0%80", b"", 422),
    ("GET", "/api/v1/bookings/1%00", b"", 422),
    ("GET", "/api/v1/bookings/9000000000", b"", 404),
    ("PUT", "/api/v1/bookings/9000000000/confirm", b"", 404),
    ("PUT", "/api/v1/bookings/-1/cancel", b"", 422),
    ("GET", "/api/v1/bookings?before=%00", b"", 422),
    ("GET", "/api/v1/events", b"", 405),
    ("DELETE", "/api/v1/bookings", b"", 405),
    ("POST", "/api/v1/events/", b"{}", 404),
    ("GET", "/", b"", 404),
    ("GET", "/docs", b"", 404),
]  # fmt: skip


def name_of(value: object) -> str | None:
    return repr(value[:40]) if isinstance(value, bytes) else None


@pytest.mark.parametrize(("method", "path", "body", "status"), BODIES, ids=name_of)
async def test_a_bad_request_is_answered_by_a_problem_and_writes_nothing(
    application: Application, method: str, path: str, body: bytes, status: int
) -> None:
    person = await application.sign_up("host", "customer")
    before = application.database.counts()
    answer = await person.client.request(
        method, path, content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("https://frontrow.dev/problems/")
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in answer.text
    assert application.database.counts() == before


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_body_that_does_not_say_it_is_json_is_not_read(
    application: Application, media_type: str
) -> None:
    person = await application.sign_up("host")
    before = application.database.counts()
    headers = {"content-type": media_type} if media_type else {}
    content = b'{"name": "x"}'
    answer = await person.client.post("/api/v1/events", content=content, headers=headers)
    assert answer.status_code == 415
    assert application.database.counts() == before


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
async def test_json_may_be_declared_in_all_its_forms(application: Application, media_type: str) -> None:
    host = await application.sign_up("host")
    event = await host.created()
    answer = await host.client.put(
        f"/api/v1/events/{event['id']}", content=b"{}", headers={"content-type": media_type}
    )
    assert answer.status_code == 200


async def test_nonsense_in_bulk_is_refused_item_by_item(application: Application) -> None:
    host = await application.sign_up("host")
    before = application.database.counts()
    answer = await host.client.post(
        "/api/v1/events/bulk",
        content=b'{"events": [{"\\ud800": 1}, {"name": "\\ud800"}, {"venue": {"\\u0000": 1e29}}, {}]}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 200
    assert [result["status"] for result in answer.json()["results"]] == ["refused"] * 4
    assert application.database.counts() == before


async def test_each_wrong_place_is_named_without_its_value(application: Application) -> None:
    host = await application.sign_up("host")
    body = event_body(price="hunter2", venue={"name": "x", "latitude": 100}, location=...)
    answer = await host.client.post("/api/v1/events", json=body)
    errors: list[dict[str, Any]] = answer.json()["errors"]
    assert {error["location"] for error in errors} == {"body.price", "body.venue.latitude"}
    assert "hunter2" not in answer.text

"""The real Envoy with the platform's configuration, in front of applications that tell what they received."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contracts.consistency_token import CONSISTENCY_HEADER, NOT_CAUGHT_UP, PASSED_ON_HEADER
from contracts.problems import PROBLEM_TYPE_PREFIX
from tests.conftest import is_free
from tests.integration.gateway.edge import (
    JWKS_PATH,
    Gateway,
    application,
    assert_problem,
    bearer,
    jwks,
    raw_answer,
    running_gateway,
    token,
)
from tests.people import wait_for


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), with_another_region=False) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/api/v1/login", "write_api"),
        ("POST", "/api/v1/accounts", "write_api"),
        ("POST", "/api/v1/events", "write_api"),
        ("POST", "/api/v1/events/bulk", "write_api"),
        ("PUT", "/api/v1/events/7", "write_api"),
        ("PATCH", "/api/v1/events/7", "write_api"),
        ("DELETE", "/api/v1/events/7", "write_api"),
        ("GET", "/api/v1/bookings", "read_api"),
        ("POST", "/api/v1/bookings", "write_api"),
        ("PUT", "/api/v1/bookings/7/confirm", "write_api"),
        ("GET", "/api/v1/bookings/7", "read_api"),
        ("PUT", "/api/v1/bookings/7/attendees", "write_api"),
        ("GET", "/api/v1/orders", "read_api"),
        ("POST", "/api/v1/orders", "write_api"),
        ("PUT", "/api/v1/orders/7/cancel", "write_api"),
        ("GET", "/api/v1/orders/7", "read_api"),
        ("GET", "/openapi/write.json", "write_api"),
        ("POST", "/api/v1/search/events", "read_api"),
        ("GET", "/api/v1/events?search=x", "read_api"),
        ("GET", "/api/v1/events/7", "read_api"),
        ("GET", "/api/v1/events/7/availability", "read_api"),
        ("GET", "/api/v1/search?artist=x", "read_api"),
        ("GET", "/openapi/read.json", "read_api"),
        ("GET", "/docs", "read_api"),
        ("GET", "/", "read_api"),
        ("GET", "/api/v1/eventsomething", "read_api"),
    ],
)
def test_each_request_reaches_its_application(gateway: Gateway, method: str, path: str, name: str) -> None:
    answer = gateway.ask(
        method, path, headers=bearer(), json={} if method in {"POST", "PUT", "PATCH"} else None
    )
    assert answer.json()["application"] == name
    assert answer.json()["path"] == path


def test_the_key_set_is_served(gateway: Gateway) -> None:
    assert gateway.ask("GET", JWKS_PATH).json() == jwks()


GUARDED = [
    ("GET", "/api/v1/bookings"),
    ("POST", "/api/v1/bookings"),
    ("GET", "/api/v1/orders"),
    ("POST", "/api/v1/orders"),
    ("POST", "/api/v1/events"),
    ("PUT", "/api/v1/events/7"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_a_token_is_required_and_must_be_good(gateway: Gateway, method: str, path: str) -> None:
    assert_problem(gateway.ask(method, path), 401, "token-missing")
    for headers in (
        {"authorization": "Bearer"},
        {"authorization": "Bearer nonsense"},
        {"authorization": "Basic dGVzdDp0ZXN0"},
        {"authorization": f"Bearer {token()[:-4]}AAAA"},
        bearer(exp=int(time.time()) - 60),
        bearer(iss="https://elsewhere"),
        bearer(aud="another-api"),
    ):
        assert_problem(gateway.ask(method, path, headers=headers), 401, "token-invalid")
    assert gateway.applications["write_api"].received == [], "an application was asked without a good token"
    assert gateway.ask(method, path, headers=bearer()).status_code == 200


def test_other_spellings_of_a_guarded_path_do_not_get_around_the_token(gateway: Gateway) -> None:
    for path in (
        "//api/v1/bookings",
        "/api//v1/bookings",
        "/api/v1/./bookings",
        "/x/../api/v1/bookings",
        "/api/v1/bookings/",
        "/api/v1/bookings/7/..",
        "/api/v1/%62ookings",
        "/api/v1%2Fbookings",
        "/api/v1/bookings%2F7",
        "/api/v1/bookings?x=/docs",
    ):
        answer = httpx.post(httpx.URL(gateway.url, raw_path=path.encode()), timeout=20)
        assert answer.status_code in {400, 401, 404} or answer.json()["application"] == "read_api", path
    assert gateway.applications["write_api"].received == []


def test_a_bad_token_is_refused_even_where_none_is_needed(gateway: Gateway) -> None:
    assert gateway.ask("GET", "/api/v1/events/7").status_code == 200
    assert_problem(
        gateway.ask("GET", "/api/v1/events/7", headers={"authorization": "Bearer x"}), 401, "token-invalid"
    )


def test_identity_headers_from_outside_are_dropped_and_the_token_goes_on(gateway: Gateway) -> None:
    forged = {
        "x-sub": "1",
        "x-frontrow-subject": "1",
        "x-user-id": "1",
        "x-roles": "admin",
        "x-envoy-original-path": "/x",
    }
    sent = {**bearer(), **forged, "x-frontrow-region": "nowhere"}
    headers = gateway.ask("GET", "/api/v1/bookings", headers=sent).json()["headers"]
    assert not set(forged) & set(headers)
    assert headers["x-frontrow-region"] == "eu"
    assert headers["authorization"].startswith("Bearer ")
    assert headers["x-request-id"]


READS_THAT_MAY_BE_PASSED_ON = [
    "/api/v1/bookings",
    "/api/v1/bookings/7?x=1",
    "/api/v1/orders/7",
    "/api/v1/events/7",
]


def reader_is_behind(gateway: Gateway, **headers: str) -> None:
    """read_api passes everything on to the primary."""
    read_api = gateway.applications["read_api"]
    read_api.status = 307
    read_api.answer_headers = {
        "location": "http://primary.internal{path}",
        PASSED_ON_HEADER: "read_api",
        **headers,
    }


@pytest.mark.parametrize("path", READS_THAT_MAY_BE_PASSED_ON)
def test_a_read_that_is_passed_on_is_answered_by_the_writer_and_nobody_sees_how(
    gateway: Gateway, path: str
) -> None:
    reader_is_behind(gateway)
    answer = gateway.ask("GET", path, headers={**bearer(), CONSISTENCY_HEADER: "a token"})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["application"], told["path"]) == ("write_api", path)
    assert told["headers"][CONSISTENCY_HEADER.lower()] == "a token"
    assert told["headers"]["authorization"].startswith("Bearer ")
    assert "location" not in answer.headers
    head = gateway.ask("HEAD", path, headers=bearer())
    assert head.status_code == 200
    assert gateway.applications["write_api"].received == [f"GET {path}", f"HEAD {path}"]


def test_nobody_can_pass_a_read_on_to_the_writer_from_outside(gateway: Gateway) -> None:
    for name in (PASSED_ON_HEADER, PASSED_ON_HEADER.upper()):
        for path in READS_THAT_MAY_BE_PASSED_ON:
            answer = gateway.ask("GET", path, headers={**bearer(), name: "read_api"})
            assert answer.json()["application"] == "read_api"
            assert PASSED_ON_HEADER.lower() not in answer.json()["headers"]
    assert gateway.applications["write_api"].received == []


def test_what_is_passed_on_is_checked_like_any_request(gateway: Gateway) -> None:
    reader_is_behind(gateway, location="http://primary.internal/api/v1/bookings")
    assert_problem(gateway.ask("GET", "/api/v1/events/7"), 401, "token-missing")
    assert gateway.applications["write_api"].received == []


def test_only_reads_of_pages_and_bookings_are_passed_on_and_only_once(gateway: Gateway) -> None:
    reader_is_behind(gateway)
    for path in ("/api/v1/events", "/api/v1/search", "/docs"):
        assert gateway.ask("GET", path, headers=bearer()).status_code == 307
    writer = gateway.applications["write_api"]
    writer.status, writer.answer_headers = 307, gateway.applications["read_api"].answer_headers
    assert gateway.ask("GET", "/api/v1/events/7").status_code == 307
    assert writer.received == ["GET /api/v1/events/7"]


def test_with_no_writer_that_answers_in_time_a_read_is_told_that_its_token_asks_too_much(
    gateway: Gateway,
) -> None:
    reader_is_behind(gateway)
    gateway.applications["write_api"].seconds = 2.5
    answer = gateway.ask("GET", "/api/v1/events/7")
    assert_problem(answer, 503, "temporarily-unavailable")
    assert answer.json()["detail"] == NOT_CAUGHT_UP
    assert answer.headers["retry-after"]


def test_a_read_is_passed_on_to_the_region_that_has_the_writer_and_refused_without_any(
    tmp_path: Path,
) -> None:
    with running_gateway(tmp_path, with_another_region=True) as gateway:
        here, there = gateway.applications["write_api"], gateway.applications["other_write_api"]
        reader_is_behind(gateway)
        here.status = 503  # stands by

        def answered_by() -> object:
            answer = gateway.ask("GET", "/api/v1/events/7")
            return answer.json().get("application", answer.status_code)

        wait_for("the other region's writer answers", lambda: answered_by() == "other_write_api")
        there.status = 503
        wait_for("no writer is known", lambda: answered_by() == 503)
        began = time.monotonic()
        refused = gateway.ask("GET", "/api/v1/events/7")
        assert time.monotonic() - began < 1, "known to be without a writer, it does not wait"
        assert_problem(refused, 503, "temporarily-unavailable")
        assert refused.json()["detail"] == NOT_CAUGHT_UP
        assert refused.headers["retry-after"]
        written = gateway.ask("POST", "/api/v1/bookings", headers=bearer(), json={})
        assert_problem(written, 503, "temporarily-unavailable")
        assert written.json()["detail"] != NOT_CAUGHT_UP


def test_a_search_that_has_waited_in_vain_is_not_sent_again(gateway: Gateway) -> None:
    gateway.applications["read_api"].status = 503
    assert gateway.ask("POST", "/api/v1/search/events", json={}).status_code == 503
    assert gateway.applications["read_api"].received == ["POST /api/v1/search/events"]


def test_a_body_over_the_limit_never_arrives(gateway: Gateway) -> None:
    content = b"x" * ((1 << 20) + 1)
    assert_problem(gateway.ask("POST", "/api/v1/login", content=content), 413, "body-too-large")
    assert gateway.ask("POST", "/api/v1/login", content=content[:-1]).json()["body_bytes"] == 1 << 20
    assert gateway.ask("POST", "/api/v1/events/bulk", content=content, headers=bearer()).status_code == 200
    huge = b"x" * ((4 << 20) + 1)
    assert_problem(
        gateway.ask("POST", "/api/v1/events/bulk", content=huge, headers=bearer()), 413, "body-too-large"
    )


def test_too_many_or_too_large_headers_are_a_problem_answer(gateway: Gateway) -> None:
    assert_problem(gateway.ask("GET", "/", headers={"x-large": "x" * 40_000}), 431, "headers-too-large")
    many = {f"x-h{number}": "1" for number in range(100)}
    assert gateway.ask("GET", "/", headers=many).status_code in {400, 431}


def test_a_read_is_asked_again_and_a_write_is_not(gateway: Gateway) -> None:
    for one in gateway.applications.values():
        one.status = 503
    assert gateway.ask("GET", "/api/v1/events/7").status_code == 503
    assert gateway.ask("POST", "/api/v1/bookings", headers=bearer(), json={}).status_code == 503
    assert gateway.applications["read_api"].received == ["GET /api/v1/events/7"] * 3
    assert gateway.applications["write_api"].received == ["POST /api/v1/bookings"]


def test_an_application_that_does_not_answer_in_time_is_a_504(gateway: Gateway) -> None:
    gateway.applications["read_api"].seconds = 6.0
    assert_problem(gateway.ask("GET", "/api/v1/events/7"), 504, "upstream-timeout")


def test_an_application_that_is_gone_is_a_503_that_says_when_to_come_back(gateway: Gateway) -> None:
    gone = gateway.applications["write_api"]
    address = gone.server.server_address
    gone.server.shutdown()
    gone.server.server_close()
    try:
        wait_for("nobody listens", lambda: is_free(int(address[1])))
        answer = gateway.ask("POST", "/api/v1/login", json={})
        assert_problem(answer, 503, "temporarily-unavailable")
        assert answer.headers["retry-after"]
    finally:
        gateway.applications["write_api"] = application("write_api", int(address[1]))


@pytest.mark.parametrize(
    ("request_bytes", "status", "name"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", 426, "upgrade-required"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 426, "upgrade-required"),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 403, "forbidden"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 403, "forbidden"),
        (b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not-implemented"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, "malformed-request"),
        (b"GET /a%2Fb HTTP/1.1\r\nHost: x\r\n\r\n", 400, "malformed-request"),
        (b"nonsense\r\n\r\n", 400, "malformed-request"),
    ],
)  # fmt: skip
def test_what_is_hardly_http_is_told_what_is_wrong(
    gateway: Gateway, request_bytes: bytes, status: int, name: str
) -> None:
    answered, problem = raw_answer(gateway, request_bytes)
    assert (answered, problem["type"]) == (status, PROBLEM_TYPE_PREFIX + name)
    assert problem["detail"] not in {"", "Bad Request", "Not Implemented"}
    assert not any(one.received for one in gateway.applications.values())

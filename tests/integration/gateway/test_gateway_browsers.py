"""What a browser is told: who may call from elsewhere, and what an answer must not be used for."""

from pathlib import Path

import httpx
import pytest

from contracts.consistency_token import CONSISTENCY_HEADER
from regions.catalogue import Edge
from tests.integration.gateway.edge import ORIGIN, Gateway, bearer, running_gateway

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}


def preflight(gateway: Gateway, path: str, origin: str) -> httpx.Response:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    return gateway.ask("OPTIONS", path, headers=headers)


@pytest.mark.parametrize("path", ["/api/v1/bookings", "/api/v1/admin/x", "/api/v1/login", "/api/v1/search"])
def test_an_allowed_origin_may_call_and_reads_what_it_needs(gateway: Gateway, path: str) -> None:
    asked = preflight(gateway, path, ORIGIN)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert {"authorization", "content-type", CONSISTENCY_HEADER.lower(), "x-api-key"} <= set(
        asked.headers["access-control-allow-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in asked.headers
    assert not any(one.received for one in gateway.applications.values()), "an application was asked"

    answer = gateway.ask("GET", "/docs", headers={"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert {CONSISTENCY_HEADER, "X-Data-Age-Ms", "RateLimit", "Retry-After"} <= set(
        answer.headers["access-control-expose-headers"].split(", ")
    )
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://elsewhere.example",
        f"{ORIGIN}.evil.example",
        f"{ORIGIN}:8443",
        "http://tickets.example",
        "null",
    ],
)
def test_no_other_origin_is_let_in(gateway: Gateway, origin: str) -> None:
    for answer in (
        preflight(gateway, "/api/v1/bookings", origin),
        gateway.ask("GET", "/docs", headers={"origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers
    assert gateway.applications["write_api"].received == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"),
        ("GET", "/api/v1/bookings"),
        ("POST", "/api/v1/events"),
        ("GET", "/a%2Fb"),
        ("GET", "/a%00"),
        ("OPTIONS", "/api/v1/bookings"),
    ],
)
@pytest.mark.parametrize("headers", [{}, bearer(roles=["customer"]), {"authorization": "Bearer x"}])
def test_each_answer_has_the_security_headers_once(
    gateway: Gateway, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = gateway.ask(method, path, headers=headers)
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get_list(name) == [value]
    assert "server" not in answer.headers
    assert "strict-transport-security" not in answer.headers, "browsers would refuse what has no TLS"


def test_an_application_may_say_more_exactly_what_its_page_needs(gateway: Gateway) -> None:
    told = {"Content-Security-Policy": "default-src 'self'", "Referrer-Policy": "same-origin"}
    gateway.applications["read_api"].answer_headers = {
        **told,
        "Server": "a program/1.0",
        "X-Powered-By": "it",
    }
    answer = gateway.ask("GET", "/docs")
    for name, value in told.items():
        assert answer.headers.get_list(name) == [value]
    assert not {"server", "x-powered-by"} & set(answer.headers)


@pytest.mark.parametrize("who", [bearer(), {"x-api-key": "frontrow_key_x"}, {"x-guest-link": "x"}])
def test_no_cache_keeps_an_answer_to_somebody(gateway: Gateway, who: dict[str, str]) -> None:
    gateway.applications["read_api"].answer_headers = {"Cache-Control": "public, max-age=60"}
    for headers, expected in ((who, "no-store"), ({}, "public, max-age=60")):
        answer = gateway.ask("GET", "/api/v1/events/7", headers=headers)
        assert answer.headers.get_list("cache-control") == [expected]


def test_with_tls_a_browser_is_told_to_come_by_nothing_else(tmp_path: Path) -> None:
    with running_gateway(tmp_path, edge=Edge(https=True)) as gateway:
        for path in ("/docs", "/a%2Fb", "/api/v1/bookings"):
            assert (
                gateway.ask("GET", path).headers["strict-transport-security"].startswith("max-age=31536000")
            )

"""Who asks too much is refused at the gateway, and nobody else; what is too slow to arrive as well."""

import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts import problems
from regions.catalogue import Edge
from regions.gateway.limits import OF_ADDRESS, OF_PERSON
from tests.integration.local_platform.edge import ORIGIN, Gateway, assert_problem, bearer, running_gateway

STRICT = Edge(allowed_origins=(ORIGIN,))
"""The limits that people meet."""
GUARDED = "/api/v1/bookings"
"""Without a token it is answered 401 by the gateway itself, after the limit of addresses."""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """With another region, so with a balancer before it, whose word about addresses is believed."""
    with running_gateway(tmp_path, with_another_region=True, edge=STRICT) as found:
        yield found


def flood(gateway: Gateway, count: int, headers: dict[str, str]) -> Counter[int]:
    """How often each status is answered to so many requests, one after the other and fast."""
    return Counter(answer.status_code for answer in answers(gateway, count, headers))


def answers(gateway: Gateway, count: int, headers: dict[str, str]) -> Iterator[httpx.Response]:
    with closing(HTTPConnection(gateway.url.removeprefix("http://"), timeout=20)) as connection:
        for _ in range(count):
            connection.request("GET", GUARDED, headers=headers)
            answer = connection.getresponse()
            yield httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def refused(gateway: Gateway, headers: dict[str, str]) -> httpx.Response:
    """The answer to somebody who has just used up what they may ask, as it fills up again meanwhile."""
    found = (answer for answer in answers(gateway, 1000, headers) if answer.status_code == 429)
    return next(found)


def test_a_noisy_address_is_limited_and_no_other_is(gateway: Gateway) -> None:
    noisy = {"X-Forwarded-For": "203.0.113.7", "Origin": ORIGIN}
    began = time.monotonic()
    told = flood(gateway, 2 * OF_ADDRESS.at_once, noisy)
    allowed = OF_ADDRESS.at_once + OF_ADDRESS.per_second * (time.monotonic() - began + 1)
    assert OF_ADDRESS.at_once <= told[401] <= allowed
    assert told[401] + told[429] == 2 * OF_ADDRESS.at_once
    assert flood(gateway, 300, {"X-Forwarded-For": "203.0.113.8"}) == {401: 300}
    answer = refused(gateway, noisy)
    assert_problem(answer, 429, problems.TOO_MANY_REQUESTS.name)
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["ratelimit"] == '"address";r=0;t=1'
    assert answer.headers["ratelimit-policy"] == f'"address";q={OF_ADDRESS.at_once};w=4'
    assert answer.headers["access-control-allow-origin"] == ORIGIN, "a page can't see that it is too fast"


def test_nobody_gets_another_address_by_naming_one(gateway: Gateway) -> None:
    """The balancer adds the last address; what stands before it is whatever people sent."""
    for number in range(2 * OF_ADDRESS.at_once // 100):
        flood(gateway, 100, {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"})
    assert refused(gateway, {"X-Forwarded-For": "192.0.2.99, 203.0.113.7"})


def test_the_addresses_of_a_household_are_one(gateway: Gateway) -> None:
    for number in range(2 * OF_ADDRESS.at_once // 100):
        flood(gateway, 100, {"X-Forwarded-For": f"2001:db8:7:7::{number:x}"})
    assert refused(gateway, {"X-Forwarded-For": "2001:db8:7:7:ffff::1"})
    assert flood(gateway, 100, {"X-Forwarded-For": "2001:db8:7:8::1"}) == {401: 100}


def test_a_noisy_person_is_limited_wherever_they_are_and_no_other_is(gateway: Gateway) -> None:
    noisy, quiet = bearer(sub="7"), bearer(sub="8")
    told = flood(gateway, 2 * OF_PERSON.at_once, noisy)
    assert told[200] >= OF_PERSON.at_once
    assert told[429] > 0
    assert flood(gateway, 200, quiet) == {200: 200}
    answer = refused(gateway, {**bearer(sub="7", jti="another"), "X-Forwarded-For": "203.0.113.9"})
    assert_problem(answer, 429, problems.TOO_MANY_REQUESTS.name)
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["ratelimit"] == '"person";r=0;t=1'
    assert answer.headers["ratelimit-policy"] == f'"person";q={OF_PERSON.at_once};w=6'


def test_a_person_is_told_what_is_left(gateway: Gateway) -> None:
    told = [gateway.ask("GET", GUARDED, headers=bearer(sub="9")).headers for _ in range(2)]
    assert {one["x-ratelimit-limit"] for one in told} == {str(OF_PERSON.at_once)}
    assert all(0 < int(one["x-ratelimit-remaining"]) < OF_PERSON.at_once for one in told)


def test_a_bad_token_uses_up_nothing_of_the_person_whom_it_names(gateway: Gateway) -> None:
    forged = {"authorization": bearer(sub="10")["authorization"][:-4] + "AAAA"}
    assert flood(gateway, 2 * OF_PERSON.at_once, forged) == {401: 2 * OF_PERSON.at_once}
    assert flood(gateway, 200, bearer(sub="10")) == {200: 200}


def test_one_machine_with_everybody_on_it_is_not_limited(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        assert flood(gateway, 2 * OF_ADDRESS.at_once, {}) == {401: 2 * OF_ADDRESS.at_once}
        assert flood(gateway, 2 * OF_PERSON.at_once, bearer()) == {200: 2 * OF_PERSON.at_once}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("request_headers_timeout", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        ("request_timeout", b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"),
    ],
)
def test_a_request_that_never_arrives_whole_is_ended(tmp_path: Path, name: str, sent: bytes) -> None:
    def sooner(configuration: Any) -> None:
        listener = configuration["static_resources"]["listeners"][0]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        assert manager[name]
        manager[name] = "0.3s"

    with running_gateway(tmp_path, change=sooner) as gateway:
        host, _, port = gateway.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert problems.REQUEST_TOO_SLOW.uri.encode() in answer
        assert not any(one.received for one in gateway.applications.values())

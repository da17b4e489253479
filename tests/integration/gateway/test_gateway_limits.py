"""Who asks too much is refused at the gateway, and nobody else; what is too slow to arrive as well."""

import socket
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
from regions.gateway.tokens import PERSON_HEADER
from tests.integration.gateway.edge import ORIGIN, Gateway, assert_problem, bearer, running_gateway

STRICT = Edge(allowed_origins=(ORIGIN,))
"""The limits that people meet."""
GUARDED = "/api/v1/bookings"
"""Without a token it is answered 401 by the gateway itself, after the limit of addresses."""


OF_ADDRESS_HERE, OF_PERSON_HERE = OF_ADDRESS.at_once // 10, OF_PERSON.at_once // 10


def manager_of(configuration: Any) -> Any:
    listener = configuration["static_resources"]["listeners"][0]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def a_tenth(configuration: Any) -> None:
    """Buckets of a tenth that hardly fill, so that a test is fast, and needs no fast machine."""
    for limit in manager_of(configuration)["http_filters"]:
        for descriptor in limit["typed_config"].get("descriptors", []):
            descriptor["token_bucket"]["max_tokens"] //= 10
            descriptor["token_bucket"] |= {"tokens_per_fill": 1, "fill_interval": "3600s"}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """With another region, so with a balancer before it, whose word about addresses is believed."""
    with running_gateway(tmp_path, with_another_region=True, edge=STRICT, change=a_tenth) as found:
        yield found


def flood(gateway: Gateway, count: int, headers: dict[str, str], path: str = GUARDED) -> Counter[int]:
    """How often each status is answered to so many requests, one after the other and fast."""
    return Counter(answer.status_code for answer in answers(gateway, count, headers, path))


def answers(
    gateway: Gateway, count: int, headers: dict[str, str], path: str = GUARDED
) -> Iterator[httpx.Response]:
    with closing(HTTPConnection(gateway.url.removeprefix("http://"), timeout=20)) as connection:
        for _ in range(count):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            yield httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())


def test_a_noisy_address_is_limited_and_no_other_is(gateway: Gateway) -> None:
    noisy = {"X-Forwarded-For": "203.0.113.7", "Origin": ORIGIN}
    told = flood(gateway, 2 * OF_ADDRESS_HERE, noisy)
    assert told == {401: OF_ADDRESS_HERE, 429: OF_ADDRESS_HERE}
    assert flood(gateway, OF_ADDRESS_HERE, {"X-Forwarded-For": "203.0.113.8"}) == {401: OF_ADDRESS_HERE}
    answer = gateway.ask("GET", GUARDED, headers=noisy)
    assert_problem(answer, 429, problems.TOO_MANY_REQUESTS.name)
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["ratelimit"] == '"address";r=0;t=1'
    assert answer.headers["ratelimit-policy"] == f'"address";q={OF_ADDRESS.at_once};w=4'
    assert answer.headers["access-control-allow-origin"] == ORIGIN, "a page can't see that it is too fast"


def test_nobody_gets_another_address_by_naming_one(gateway: Gateway) -> None:
    """The balancer adds the last address; what stands before it is whatever people sent."""
    for number in range(OF_ADDRESS_HERE):
        flood(gateway, 1, {"X-Forwarded-For": f"198.51.100.{number}, 203.0.113.7"})
    assert flood(gateway, 1, {"X-Forwarded-For": "192.0.2.99, 203.0.113.7"}) == {429: 1}
    assert flood(gateway, 1, {"X-Forwarded-For": "203.0.113.7, 192.0.2.99"}) == {401: 1}


def test_the_addresses_of_a_household_are_one(gateway: Gateway) -> None:
    for number in range(OF_ADDRESS_HERE):
        flood(gateway, 1, {"X-Forwarded-For": f"2001:db8:7:7::{number:x}"})
    assert flood(gateway, 1, {"X-Forwarded-For": "2001:db8:7:7:ffff::1"}) == {429: 1}
    assert flood(gateway, 1, {"X-Forwarded-For": "2001:db8:7:8::1"}) == {401: 1}


def test_a_noisy_person_is_limited_wherever_they_are_and_no_other_is(gateway: Gateway) -> None:
    told = flood(gateway, 2 * OF_PERSON_HERE, bearer(sub="7"))
    assert told == {200: OF_PERSON_HERE, 429: OF_PERSON_HERE}
    assert flood(gateway, OF_PERSON_HERE, bearer(sub="8")) == {200: OF_PERSON_HERE}
    elsewhere = {**bearer(sub="7", jti="another"), "X-Forwarded-For": "203.0.113.9"}
    answer = gateway.ask("GET", GUARDED, headers=elsewhere)
    assert_problem(answer, 429, problems.TOO_MANY_REQUESTS.name)
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["ratelimit"] == '"person";r=0;t=1'
    assert answer.headers["ratelimit-policy"] == f'"person";q={OF_PERSON.at_once};w=6'


def test_a_person_is_told_what_is_left(gateway: Gateway) -> None:
    told = [gateway.ask("GET", GUARDED, headers=bearer(sub="9")).headers for _ in range(2)]
    assert [one["x-ratelimit-limit"] for one in told] == [str(OF_PERSON_HERE)] * 2
    assert [int(one["x-ratelimit-remaining"]) for one in told] == [OF_PERSON_HERE - 1, OF_PERSON_HERE - 2]


def test_a_bad_token_uses_up_nothing_of_the_person_whom_it_names(gateway: Gateway) -> None:
    forged = {"authorization": bearer(sub="10")["authorization"][:-4] + "AAAA"}
    assert flood(gateway, 2 * OF_PERSON_HERE, forged) == {401: 2 * OF_PERSON_HERE}
    assert flood(gateway, OF_PERSON_HERE, bearer(sub="10")) == {200: OF_PERSON_HERE}


def test_a_person_is_named_by_a_token_alone(gateway: Gateway) -> None:
    """Where no token is asked for, naming somebody uses up nothing of theirs."""
    for path in ("/docs", "/api/v1/refresh", "/api/v1/events/7"):
        for form in (PERSON_HEADER, PERSON_HEADER.title()):
            assert flood(gateway, 10, {form: "11"}, path) == {200: 10}
    assert flood(gateway, OF_PERSON_HERE, bearer(sub="11")) == {200: OF_PERSON_HERE}


def test_one_machine_with_everybody_on_it_is_not_limited(tmp_path: Path) -> None:
    with running_gateway(tmp_path, change=a_tenth) as gateway:
        assert flood(gateway, 2 * OF_ADDRESS_HERE, {}) == {401: 2 * OF_ADDRESS_HERE}
        assert flood(gateway, 2 * OF_PERSON_HERE, bearer()) == {200: 2 * OF_PERSON_HERE}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("request_headers_timeout", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        ("request_timeout", b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"),
    ],
)
def test_a_request_that_never_arrives_whole_is_ended(tmp_path: Path, name: str, sent: bytes) -> None:
    def sooner(configuration: Any) -> None:
        manager = manager_of(configuration)
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

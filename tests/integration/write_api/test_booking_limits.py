"""Nobody asks for seats faster than people do, and nobody is limited by what others do elsewhere."""

import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from contracts import problems
from service_kit.problem_responses import Problem
from service_kit.reconciled_limits import ReconciledLimiter
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.scratch_redis import scratch_redis
from write_api.bookings.limits import BY_ADDRESS, BY_PERSON, BookingLimits

HERE, ELSEWHERE = "203.0.113.7", "203.0.113.8"


@pytest.fixture
async def strict(database: Database, state: Path) -> AsyncIterator[Application]:
    """With the limits that people meet; without Redis, so this process counts alone."""
    async with running_application(database, state, changes={"request_limits_times": 1}) as application:
        yield application


async def book(person: Customer, event_id: int, address: str = HERE) -> httpx.Response:
    return await person.client.post(
        "/api/v1/bookings",
        json={"event_id": event_id, "quantity": 1},
        headers={"x-envoy-external-address": address},
    )


async def test_a_person_is_limited_wherever_they_are_and_others_are_not(strict: Application) -> None:
    host, person, other = await strict.sign_up("host"), await strict.sign_up(), await strict.sign_up()
    event_id = (await host.created(available_seats=200))["id"]
    first = await book(person, event_id)
    assert first.status_code == 201
    assert first.headers["RateLimit-Policy"] == '"booking";q=60;w=60'
    assert first.headers["RateLimit"] == f'"booking";r={BY_PERSON.count - 1};t=1'

    before = strict.database.counts()["bookings"]
    tries = [await book(person, event_id, (HERE, ELSEWHERE)[n % 2]) for n in range(BY_PERSON.count + 60)]
    told = Counter(answer.status_code for answer in tries)
    assert told[201] >= BY_PERSON.count - 1
    assert told[429] > 0
    assert set(told) == {201, 429}
    assert strict.database.counts()["bookings"] == before + told[201]
    refused = next(answer for answer in tries if answer.status_code == 429)
    assert refused.json()["type"] == problems.TOO_MANY_REQUESTS.uri
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"] == '"booking";r=0;t=1'
    assert (await book(other, event_id)).status_code == 201


async def test_a_try_that_finds_nothing_counts_and_says_so(strict: Application) -> None:
    person = await strict.sign_up()
    answers = [await book(person, 9_000_000_000) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404] * 3
    left = [left_of(answer) for answer in answers]
    assert left == sorted(left, reverse=True)
    assert left[-1] < BY_PERSON.count - 1


async def test_an_address_is_limited_and_what_strangers_did_is_told_only_then(strict: Application) -> None:
    """Strangers' tries are counted past the database, which is slower than what is counted is paid back."""
    host, person = await strict.sign_up("host"), await strict.sign_up()
    event_id = (await host.created(available_seats=200))["id"]
    limits = strict.app.state.booking_limits
    strangers = iter(range(1_000_000, 2_000_000))
    answers = []
    for _ in range(40):
        with suppress(Problem):
            while True:
                limits.count_try(person_id=next(strangers), address=HERE)
        answers.append(await book(person, event_id))
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["RateLimit-Policy"] == '"booking";q=60;w=60, "booking-address";q=3000;w=60'
    assert refused.headers["RateLimit"].endswith('"booking-address";r=0;t=1')
    elsewhere = await book(person, event_id, ELSEWHERE)
    assert elsewhere.status_code == 201
    assert "booking-address" not in elsewhere.headers["RateLimit"]


async def test_the_addresses_of_a_household_are_one() -> None:
    limits = BookingLimits(ReconciledLimiter(None, clock=lambda: 0.0))
    for person_id in range(BY_ADDRESS.count):
        limits.count_try(person_id=person_id, address=f"2001:db8:7:7::{person_id:x}")
    with pytest.raises(Problem):
        limits.count_try(person_id=-1, address="2001:db8:7:7:ffff::1")
    limits.count_try(person_id=-1, address="2001:db8:7:8::1")


async def test_a_crowd_may_be_allowed_more_for_tests_and_for_one_machine() -> None:
    limits = BookingLimits(ReconciledLimiter(None, clock=lambda: 0.0), times=3)
    for _ in range(3 * BY_PERSON.count):
        limits.count_try(person_id=1, address=HERE)
    with pytest.raises(Problem):
        limits.count_try(person_id=1, address=HERE)


async def test_processes_share_what_is_left_and_each_tells_the_rest_when_it_ends(
    database: Database, state: Path, tmp_path: Path
) -> None:
    """A try by the hot route, an order by the plain one: both are counted as tries of the person."""
    with scratch_redis() as redis:
        changes = {"request_limits_times": 1, "redis": redis.url}
        async with running_application(database, state, changes=changes) as first:
            host, person = await first.sign_up("host"), await first.sign_up()
            event_id = (await host.created(available_seats=200))["id"]
            began = time.monotonic()
            assert left_of(await book(person, event_id)) == BY_PERSON.count - 1
            ordered = await person.client.post(
                "/api/v1/orders",
                json={"items": [{"event_id": event_id, "quantity": 1}] * 20},
                headers={"x-envoy-external-address": HERE},
            )
            assert ordered.status_code == 201
            assert BY_PERSON.count - 21 <= left_of(ordered) <= BY_PERSON.count - 21 + paid_back(began)
        async with running_application(database, tmp_path, changes=changes) as second:
            again = Customer(person.id, second.client(Authorization=person.client.headers["Authorization"]))

            left = [left_of(await book(again, event_id))]
            assert left == [BY_PERSON.count - 1], "nothing is known here yet"

            async def is_known() -> bool:
                left.append(left_of(await book(again, event_id)))
                assert left[-1] > 0, "it was refused before it heard of the others"
                return left[-1] <= BY_PERSON.count - 21 - len(left) + paid_back(began)

            await eventually("the second process knows what the first counted", is_known)
            assert len(left) < BY_PERSON.count - 21


def left_of(answer: httpx.Response) -> int:
    """How many tries the person has left, as the answer says."""
    return int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0])


def paid_back(began: float) -> int:
    """How many tries at most were paid back since then."""
    return math.ceil((time.monotonic() - began) * BY_PERSON.count / BY_PERSON.seconds)


async def test_a_login_says_what_is_left(strict: Application) -> None:
    body = {"email": "nobody@example.com", "password": "a wrong password"}
    headers = {"x-envoy-external-address": HERE}
    answers = [await strict.anonymous.post("/api/v1/login", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=19", "r=18"]
    assert answers[0].headers["RateLimit-Policy"] == '"login";q=20;w=900'

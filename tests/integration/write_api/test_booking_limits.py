"""Nobody asks for seats faster than people do, and nobody is limited by what others do elsewhere."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from contracts import problems
from service_kit.problem_responses import Problem
from service_kit.rate_limits import RateLimiter
from tests.integration.write_api.application import Application, Customer, Database, running_application
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
    left = [int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0]) for answer in answers]
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
                await limits.count_try(person_id=next(strangers), address=HERE)
        answers.append(await book(person, event_id))
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["RateLimit-Policy"] == '"booking";q=60;w=60, "booking-address";q=3000;w=60'
    assert refused.headers["RateLimit"].endswith('"booking-address";r=0;t=1')
    elsewhere = await book(person, event_id, ELSEWHERE)
    assert elsewhere.status_code == 201
    assert "booking-address" not in elsewhere.headers["RateLimit"]


async def test_the_addresses_of_a_household_are_one() -> None:
    limits = BookingLimits(RateLimiter(None, clock=lambda: 0.0))
    for person_id in range(BY_ADDRESS.count):
        await limits.count_try(person_id=person_id, address=f"2001:db8:7:7::{person_id:x}")
    with pytest.raises(Problem):
        await limits.count_try(person_id=-1, address="2001:db8:7:7:ffff::1")
    await limits.count_try(person_id=-1, address="2001:db8:7:8::1")


async def test_a_login_says_what_is_left(strict: Application) -> None:
    body = {"email": "nobody@example.com", "password": "a wrong password"}
    headers = {"x-envoy-external-address": HERE}
    answers = [await strict.anonymous.post("/api/v1/login", json=body, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=19", "r=18"]
    assert answers[0].headers["RateLimit-Policy"] == '"login";q=20;w=900'

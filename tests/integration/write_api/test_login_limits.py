"""Passwords can't be tried without end, and nobody locks somebody else out."""

import asyncio
from pathlib import Path

import httpx
import pytest

from contracts import problems
from tests.integration.write_api.application import Application, Database, running_application
from tests.integration.write_api.test_accounts import CountingHasher
from tests.people import PASSWORD, unique
from write_api.sessions.login_limits import BY_ADDRESS_AND_EMAIL

HERE, ELSEWHERE = "203.0.113.7", "203.0.113.8"


async def log_in(application: Application, email: str, password: str, address: str = HERE) -> httpx.Response:
    return await application.anonymous.post(
        "/api/v1/login",
        json={"email": email, "password": password},
        headers={"x-envoy-external-address": address},
    )


async def signed_up(application: Application) -> str:
    email = f"{unique('person')}@example.com"
    account = {"email": email, "password": PASSWORD}
    (await application.anonymous.post("/api/v1/accounts", json=account)).raise_for_status()
    return email


async def test_guesses_are_limited_by_who_guesses_and_the_person_can_still_log_in(
    application: Application,
) -> None:
    email = await signed_up(application)
    guesses = [await log_in(application, email, "a wrong one") for _ in range(BY_ADDRESS_AND_EMAIL.count)]
    assert {guess.status_code for guess in guesses} == {401}
    for password in ("a wrong one", PASSWORD):
        for form in (email, email.upper()):
            refused = await log_in(application, form, password)
            assert (refused.status_code, refused.json()["type"]) == (429, problems.TOO_MANY_REQUESTS.uri)
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.headers["RateLimit-Policy"] == '"login";q=20;w=900'
            assert refused.headers["RateLimit"].startswith('"login";r=0;t=')
    assert (await log_in(application, email, PASSWORD, ELSEWHERE)).status_code == 200
    assert (await log_in(application, await signed_up(application), PASSWORD)).status_code == 200


async def test_right_passwords_are_no_guesses(application: Application) -> None:
    email = await signed_up(application)
    answers = [await log_in(application, email, PASSWORD) for _ in range(BY_ADDRESS_AND_EMAIL.count + 5)]
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("is_known", [True, False])
async def test_guesses_at_once_are_counted_before_they_are_checked(
    database: Database, state: Path, is_known: bool
) -> None:
    hasher = CountingHasher()
    async with running_application(database, state, hasher=hasher) as application:
        email = await signed_up(application) if is_known else "nobody@example.com"
        hasher.calls.clear()
        answers = await asyncio.gather(*(log_in(application, email, "wrong") for _ in range(60)))
    assert hasher.calls["verify"] == BY_ADDRESS_AND_EMAIL.count
    assert sorted(answer.status_code for answer in answers) == [401] * 20 + [429] * 40

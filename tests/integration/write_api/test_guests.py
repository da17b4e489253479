"""People who book without an account."""

from typing import Any

import httpx
import pytest

from contracts import problems
from tests.integration.write_api.application import Application
from tests.people import PASSWORD, unique
from write_api.guests.service import BY_ADDRESS


def guest(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Ann Guest",
        "email": f"{unique('guest')}@example.com",
        "phone": "+84 24 3825 3536",
    } | changes


async def registered(application: Application, address: str, **changes: Any) -> httpx.Response:
    client = application.client(**{"x-envoy-external-address": address})
    return await client.post("/api/v1/guests", json=guest(**changes))


async def test_a_guest_is_a_person_whom_nobody_can_log_in_as(application: Application) -> None:
    email = f"{unique('guest')}@example.com"
    answer = await registered(application, "192.0.2.1", email=email)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    [person] = application.database.rows("SELECT * FROM people WHERE id = %s", answer.json()["id"])
    assert (person["email_folded"], person["password_hash"], person["roles"]) == (None, None, ["customer"])
    for password in (PASSWORD, ""):
        login = {"email": email, "password": password}
        refused = await application.anonymous.post("/api/v1/login", json=login)
        assert refused.json()["type"] == problems.CREDENTIALS_WRONG.uri


async def test_the_same_email_may_be_of_guests_and_of_one_account(application: Application) -> None:
    email = f"{unique('guest')}@example.com"
    answers = [await registered(application, "192.0.2.2", email=email) for _ in range(2)]
    account = {"email": email, "password": PASSWORD}
    assert (await application.anonymous.post("/api/v1/accounts", json=account)).status_code == 201
    answers.append(await registered(application, "192.0.2.2", email=email))
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert len({answer.json()["id"] for answer in answers}) == 3
    assert len({answer.json()["link"] for answer in answers}) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"phone": "call me"}, {"phone": "1234"}, {"phone": "+" + "1" * 16}, {"phone": 5},
        {"phone": "+12345\n6"}, {"email": "nobody"}, {"name": ""},
        {"name": "a\x00b"}, {"name": "a" * 201}, {"roles": ["host"]},
    ],
)  # fmt: skip
async def test_what_is_malformed_is_refused(application: Application, changes: dict[str, Any]) -> None:
    before = application.database.counts()
    answer = await registered(application, "192.0.2.3", **changes)
    assert (answer.status_code, answer.json()["type"]) == (422, problems.INVALID_REQUEST.uri)
    assert application.database.counts() == before


async def test_one_address_makes_only_so_many_guests(application: Application) -> None:
    statuses = [(await registered(application, "192.0.2.4")).status_code for _ in range(BY_ADDRESS.count)]
    assert statuses == [201] * BY_ADDRESS.count
    refused = await registered(application, "192.0.2.4")
    assert (refused.status_code, refused.json()["type"]) == (429, problems.TOO_MANY_REQUESTS.uri)
    assert int(refused.headers["Retry-After"]) > 0
    assert (await registered(application, "192.0.2.5")).status_code == 201

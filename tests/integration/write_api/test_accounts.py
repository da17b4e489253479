"""Sign-up and login."""

import asyncio
from collections import Counter
from pathlib import Path

from argon2 import PasswordHasher

from contracts import problems
from mini_auth.verifier import TokenVerifier
from tests.integration.write_api.application import Application, Database, running_application
from tests.people import PASSWORD, unique


class CountingHasher(PasswordHasher):
    """A cheap hasher that counts its work."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.calls: Counter[str] = Counter()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.calls["hash"] += 1
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the library's name
        self.calls["verify"] += 1
        return super().verify(hash, password)


async def test_who_signs_up_can_log_in_and_the_token_says_who_it_is(application: Application) -> None:
    email = f"{unique('Person')}@Example.com"
    body = {"email": email, "password": PASSWORD, "display_name": "Ana", "roles": ["host", "customer"]}
    answer = await application.anonymous.post("/api/v1/accounts", json=body)
    assert (answer.status_code, answer.json()) == (202, {"email": email})
    login = await application.anonymous.post(
        "/api/v1/login", json={"email": email.upper(), "password": PASSWORD}
    )
    assert login.status_code == 200
    assert (login.json()["token_type"], login.json()["expires_in"]) == ("Bearer", 300)
    verifier: TokenVerifier = application.app.state.callers.tokens
    identity = verifier.verify(login.json()["access_token"])
    [row] = application.database.rows("SELECT * FROM people WHERE id = %s", identity.person_id)
    assert (row["email"], row["display_name"], row["roles"]) == (email, "Ana", ["customer", "host"])
    assert identity.roles == {"customer"}, "until the e-mail is confirmed"


async def test_an_email_has_one_account_whatever_its_case_also_when_two_sign_up_at_once(
    application: Application,
) -> None:
    email = f"{unique('person')}@example.com"
    answers = await asyncio.gather(
        *(
            application.anonymous.post("/api/v1/accounts", json={"email": form, "password": PASSWORD})
            for form in (email, email.upper(), email.title())
        )
    )
    assert [answer.status_code for answer in answers] == [202] * 3
    counted = application.database.rows(
        "SELECT count(*) AS n FROM people WHERE email_folded = %s", email.lower()
    )
    assert counted == [{"n": 1}]
    mails = application.database.rows(
        "SELECT template, status FROM notifications WHERE email_folded = %s ORDER BY template, status",
        email.lower(),
    )
    assert [(mail["template"], mail["status"]) for mail in mails] == [
        ("account_exists", "merged"),
        ("account_exists", "queued"),
        ("confirm_email", "queued"),
    ]


async def test_an_unknown_person_costs_exactly_what_a_wrong_password_costs(
    database: Database, state: Path
) -> None:
    hasher = CountingHasher()
    async with running_application(database, state, hasher=hasher) as application:
        account = {"email": "ana@example.com", "password": PASSWORD}
        await application.anonymous.post("/api/v1/accounts", json=account)
        hasher.calls.clear()
        answers = []
        for email in ("ana@example.com", "nobody@example.com"):
            answer = await application.anonymous.post(
                "/api/v1/login", json={"email": email, "password": "a wrong password"}
            )
            answers.append((answer.status_code, answer.json(), dict(hasher.calls)))
            hasher.calls.clear()
    assert answers[0] == answers[1]
    assert answers[0][0] == 401
    assert answers[0][1]["type"] == problems.CREDENTIALS_WRONG.uri
    assert answers[0][2] == {"verify": 1}


async def test_a_token_of_a_person_that_the_database_does_not_know_is_refused(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        host = await application.sign_up("host", "customer")
        event = await host.created()
        stranger = await application.sign_up("host", "customer")
        database.rows("DELETE FROM sessions WHERE person_id = %s", stranger.id)
        database.rows("DELETE FROM people WHERE id = %s", stranger.id)
        answers = [await stranger.book(event["id"]), await stranger.create()]
    for answer in answers:
        assert (answer.status_code, answer.json()["type"]) == (401, problems.TOKEN_INVALID.uri)

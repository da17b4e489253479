"""What people do with the mails of their accounts: confirm an e-mail, set a new password."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts import problems
from tests.inbox import InboxProcess
from tests.integration.write_api.application import (
    LINK_KEY,
    Application,
    Database,
    event_body,
    eventually,
    running_application,
)
from tests.integration.write_api.test_accounts import CountingHasher
from tests.people import PASSWORD, unique
from write_api.account_links import AccountLinks
from write_api.accounts.limits import MAIL_BY_ADDRESS_AND_EMAIL, SIGN_UP_BY_ADDRESS_AND_EMAIL

NEW_PASSWORD = "another horse, another battery"
CONFIRM, RESET, EXISTS, CHANGED = "Confirm", "Set a new password", "You have an account", "was changed"


@pytest.fixture(scope="module")
async def mailing(
    postgresql: Any, inbox: InboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Application]:
    """An application that sends its mails to the inbox."""
    async with running_application(
        Database(postgresql), tmp_path_factory.mktemp("mailing"), changes={"smtp_url": inbox.smtp_url}
    ) as running:
        yield running


async def post(application: Application, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await application.anonymous.post(f"/api/v1/{path}", json=body, headers=headers)


async def sign_up(application: Application, *roles: str) -> str:
    email = f"{unique('person')}@example.com"
    body = {"email": email, "password": PASSWORD, "roles": list(roles or ("customer", "host"))}
    assert (await post(application, "accounts", body)).status_code == 202
    return email


async def code(inbox: InboxProcess, email: str, about: str) -> str:
    return await asyncio.to_thread(inbox.code, email, about)


async def log_in(application: Application, email: str, password: str = PASSWORD) -> httpx.Response:
    return await post(application, "login", {"email": email, "password": password})


def signed_in(application: Application, answer: httpx.Response) -> httpx.AsyncClient:
    token = answer.raise_for_status().json()["access_token"]
    return application.client(Authorization=f"Bearer {token}")


def assert_refused(answer: httpx.Response, kind: problems.ProblemType) -> None:
    assert (answer.status_code, answer.json()["type"]) == (kind.status, kind.uri)


async def test_hosting_waits_for_the_confirmation_and_booking_does_not(
    mailing: Application, inbox: InboxProcess
) -> None:
    host = await mailing.sign_up("host")
    event = await host.created()
    email = await sign_up(mailing)
    login = await log_in(mailing, email)
    newcomer = signed_in(mailing, login)
    assert_refused(await newcomer.post("/api/v1/events", json=event_body()), problems.FORBIDDEN)
    assert (await newcomer.post("/api/v1/bookings", json={"event_id": event["id"], "quantity": 1})).is_success
    token = {"token": await code(inbox, email, CONFIRM)}
    for _ in range(2):
        assert (await post(mailing, "accounts/confirm", token)).status_code == 204
    refreshed = await post(mailing, "refresh", {"refresh_token": login.json()["refresh_token"]})
    for client in (signed_in(mailing, refreshed), signed_in(mailing, await log_in(mailing, email))):
        assert (await client.post("/api/v1/events", json=event_body())).status_code == 201


async def test_an_api_key_gives_no_role_that_waits_for_the_confirmation(mailing: Application) -> None:
    email = await sign_up(mailing)
    client = signed_in(mailing, await log_in(mailing, email))
    body = {"name": "a key", "scopes": ["events:write"]}
    made = await client.post("/api/v1/api-keys", json=body)
    assert made.status_code == 201, made.text
    roles = "SELECT roles FROM read_side.api_keys WHERE id = %s"
    assert mailing.database.rows(roles, made.json()["id"]) == [{"roles": ["customer"]}]
    mailing.database.rows("UPDATE people SET email_confirmed_at = now() WHERE email = %s", email)
    assert mailing.database.rows(roles, made.json()["id"]) == [{"roles": ["customer", "host"]}]


async def test_the_owner_of_a_taken_email_is_told_and_nobody_else(
    mailing: Application, inbox: InboxProcess
) -> None:
    email = await sign_up(mailing)
    again = {"email": email.upper(), "password": NEW_PASSWORD, "roles": ["host"]}
    answer = await post(mailing, "accounts", again)
    assert (answer.status_code, answer.json()) == (
        202,
        {"email": email.upper().partition("@")[0] + "@EXAMPLE.COM"},
    )
    mail = await asyncio.to_thread(inbox.mail, email, EXISTS)
    assert mail["recipients"] == [email]
    assert (await log_in(mailing, email, NEW_PASSWORD)).status_code == 401
    assert (await log_in(mailing, email)).status_code == 200
    token = await code(inbox, email, EXISTS)
    assert (await post(mailing, "password/reset", {"token": token, "password": NEW_PASSWORD})).is_success


async def test_both_kinds_of_sign_up_do_the_same_work(database: Database, state: Path) -> None:
    """One hash and one row each; the rest of the time is PostgreSQL's for a row more or less."""
    hasher = CountingHasher()
    seen = []
    async with running_application(database, state, hasher=hasher) as application:
        hasher.calls.clear()
        for _ in range(2):
            answer = await post(application, "accounts", {"email": "ana@example.com", "password": PASSWORD})
            [row] = database.rows("SELECT count(*) AS n FROM notifications")
            seen.append((answer.status_code, answer.json(), dict(hasher.calls), row["n"]))
            hasher.calls.clear()
            database.rows("DELETE FROM notifications")
    assert seen == [(202, {"email": "ana@example.com"}, {"hash": 1}, 1)] * 2


@pytest.mark.parametrize("path", ["password/forgotten", "accounts/confirm/resend"])
async def test_asking_for_a_mail_does_the_same_whoever_has_an_account(
    database: Database, state: Path, path: str
) -> None:
    hasher = CountingHasher()
    seen = []
    async with running_application(database, state, hasher=hasher) as application:
        await post(application, "accounts", {"email": "ana@example.com", "password": PASSWORD})
        for email in ("ana@example.com", "nobody@example.com", "ana@example.com", "nobody@example.com"):
            database.rows("UPDATE notifications SET template = 'of before'")
            hasher.calls.clear()
            answer = await post(application, path, {"email": email})
            rows = database.rows("SELECT status, person_id FROM notifications WHERE template <> 'of before'")
            seen.append((answer.status_code, answer.text, dict(hasher.calls), rows))
    assert seen == [(202, "null", {}, [{"status": "queued", "person_id": None}])] * 4


async def test_a_confirmation_is_sent_again_on_request(mailing: Application, inbox: InboxProcess) -> None:
    email = await sign_up(mailing)
    await asyncio.to_thread(inbox.mail, email, CONFIRM)
    mailing.database.rows(
        "UPDATE notifications SET created_at = now() - interval '1 h' WHERE email_folded = %s", email
    )
    assert (await post(mailing, "accounts/confirm/resend", {"email": email})).status_code == 202

    async def are_two() -> bool:
        return len(await asyncio.to_thread(inbox.mails, email)) == 2

    await eventually("a second mail", are_two)
    token = {"token": await code(inbox, email, CONFIRM)}
    assert (await post(mailing, "accounts/confirm", token)).status_code == 204


async def test_a_password_is_reset_once_by_a_mail_and_logs_everybody_out(
    mailing: Application, inbox: InboxProcess
) -> None:
    email = await sign_up(mailing)
    before = await log_in(mailing, email)
    assert (await post(mailing, "password/forgotten", {"email": email.upper()})).status_code == 202
    body = {"token": await code(inbox, email, RESET), "password": NEW_PASSWORD}
    assert (await post(mailing, "password/reset", body)).status_code == 204
    assert (await log_in(mailing, email)).status_code == 401
    assert_refused(
        await post(mailing, "refresh", {"refresh_token": before.json()["refresh_token"]}),
        problems.SESSION_ENDED,
    )
    old = signed_in(mailing, before)

    async def is_dead() -> bool:
        return (await old.get("/api/v1/sessions")).status_code == 401

    await eventually("tokens of before are dead", is_dead)
    assert_refused(await post(mailing, "password/reset", body), problems.LINK_REFUSED)
    client = signed_in(mailing, await log_in(mailing, email, NEW_PASSWORD))
    created = await client.post("/api/v1/events", json=event_body())
    assert created.status_code == 201, "whoever reads the mail has confirmed the e-mail"
    await asyncio.to_thread(inbox.mail, email, CHANGED)
    actions = mailing.database.rows(
        "SELECT action FROM audit_log a JOIN people p ON a.subject = 'person:' || p.id WHERE p.email = %s",
        email,
    )
    assert "password-reset" in [row["action"] for row in actions]


async def test_of_two_resets_by_one_link_one_counts(mailing: Application) -> None:
    customer = await mailing.sign_up()
    token = AccountLinks(base64.b64decode(LINK_KEY)).reset(customer.id, 1, now=datetime.now(UTC))
    answers = await asyncio.gather(
        *(
            post(mailing, "password/reset", {"token": token, "password": f"{NEW_PASSWORD} {one}"})
            for one in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [204, 403, 403, 403]


@pytest.mark.parametrize("path", ["accounts/confirm", "password/reset"])
async def test_a_link_that_is_none_does_nothing(mailing: Application, path: str) -> None:
    customer = await mailing.sign_up()
    now, links = datetime.now(UTC), AccountLinks(base64.b64decode(LINK_KEY))
    others = AccountLinks(b"another key")
    long_ago = now - timedelta(days=30)
    bad = {
        "accounts/confirm": [
            others.confirmation(customer.id, now=now),
            links.confirmation(customer.id, now=long_ago),
            links.confirmation(2**40, now=now),
            links.reset(customer.id, 1, now=now),
        ],
        "password/reset": [
            others.reset(customer.id, 1, now=now),
            links.reset(customer.id, 1, now=long_ago),
            links.reset(customer.id, 2, now=now),
            links.reset(2**40, 1, now=now),
            links.confirmation(customer.id, now=now),
        ],
    }[path]
    for token in [*bad, "", "x", "\u00e9" * 20]:
        more = {"password": NEW_PASSWORD} if path == "password/reset" else {}
        assert_refused(await post(mailing, path, {"token": token, **more}), problems.LINK_REFUSED)
    [row] = mailing.database.rows("SELECT * FROM people WHERE id = %s", customer.id)
    assert (row["email_confirmed_at"], row["password_version"]) == (None, 1)


async def test_a_link_of_somebody_erased_or_without_a_password_is_refused(mailing: Application) -> None:
    customer = await mailing.sign_up()
    links = AccountLinks(base64.b64decode(LINK_KEY))
    tokens = (
        links.confirmation(customer.id, now=datetime.now(UTC)),
        links.reset(customer.id, 1, now=datetime.now(UTC)),
    )
    erased = await customer.client.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
    assert erased.status_code == 204
    assert_refused(await post(mailing, "accounts/confirm", {"token": tokens[0]}), problems.LINK_REFUSED)
    reset = {"token": tokens[1], "password": NEW_PASSWORD}
    assert_refused(await post(mailing, "password/reset", reset), problems.LINK_REFUSED)


async def test_a_changed_password_logs_out_everywhere_but_here(
    mailing: Application, inbox: InboxProcess
) -> None:
    email = await sign_up(mailing, "customer")
    here, there = await log_in(mailing, email), await log_in(mailing, email)
    client = signed_in(mailing, here)
    body = {"current": PASSWORD, "new": NEW_PASSWORD}
    wrong = await client.put("/api/v1/password", json=body | {"current": "not this one"})
    assert_refused(wrong, problems.CREDENTIALS_WRONG)
    assert (await client.put("/api/v1/password", json=body)).status_code == 204
    for answer, is_alive in ((here, True), (there, False)):
        refresh = await post(mailing, "refresh", {"refresh_token": answer.json()["refresh_token"]})
        assert refresh.is_success is is_alive
    other = signed_in(mailing, there)

    async def is_dead() -> bool:
        return (await other.get("/api/v1/sessions")).status_code == 401

    await eventually("the other token is dead", is_dead)
    assert (await client.get("/api/v1/sessions")).status_code == 200
    assert (await log_in(mailing, email)).status_code == 401
    assert (await log_in(mailing, email, NEW_PASSWORD)).status_code == 200
    await asyncio.to_thread(inbox.mail, email, CHANGED)
    [row] = mailing.database.rows("SELECT email_confirmed_at FROM people WHERE email = %s", email)
    assert row["email_confirmed_at"] is None, "whoever knows the password need not read the mail"


async def test_guesses_of_the_present_password_are_limited(mailing: Application) -> None:
    customer = await mailing.sign_up()
    client = mailing.client(
        Authorization=customer.client.headers["Authorization"], **{"x-envoy-external-address": "192.0.2.77"}
    )
    wrong = {"current": "not this one", "new": NEW_PASSWORD}
    answers = [(await client.put("/api/v1/password", json=wrong)).status_code for _ in range(21)]
    assert answers == [401] * 20 + [429]


async def test_a_login_under_way_does_not_outlive_the_password(mailing: Application) -> None:
    """The password was right when it was checked, and another one when the session was made."""
    links = AccountLinks(base64.b64decode(LINK_KEY))
    for _ in range(5):
        email = await sign_up(mailing)
        customer = await mailing.log_in(email)
        token = links.reset(customer.id, 1, now=datetime.now(UTC))
        reset, *logins = await asyncio.gather(
            post(mailing, "password/reset", {"token": token, "password": NEW_PASSWORD}),
            *(log_in(mailing, email) for _ in range(6)),
        )
        assert reset.status_code == 204
        assert {login.status_code for login in logins} <= {200, 401}
        live = "SELECT FROM sessions WHERE person_id = %s AND ended_at IS NULL"
        assert not mailing.database.has(live, customer.id)


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("accounts", SIGN_UP_BY_ADDRESS_AND_EMAIL.count),
        ("password/forgotten", MAIL_BY_ADDRESS_AND_EMAIL.count),
        ("accounts/confirm/resend", MAIL_BY_ADDRESS_AND_EMAIL.count),
    ],
)
async def test_whoever_asks_too_often_is_refused_and_stops_nobody_else(
    mailing: Application, inbox: InboxProcess, path: str, count: int
) -> None:
    email = await sign_up(mailing)
    body = {"email": email} | ({"password": PASSWORD} if path == "accounts" else {})
    stranger, owner = {"x-envoy-external-address": "192.0.2.66"}, {"x-envoy-external-address": "192.0.2.67"}
    answers = [await post(mailing, path, body, **stranger) for _ in range(count + 1)]
    assert [answer.status_code for answer in answers] == [202] * count + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert (await post(mailing, path, body | {"email": email.upper()}, **stranger)).status_code == 429
    assert (await post(mailing, path, body, **owner)).status_code == 202
    about = {"accounts": EXISTS, "password/forgotten": RESET, "accounts/confirm/resend": CONFIRM}[path]
    await code(inbox, email, about)
    assert len([mail for mail in inbox.mails(email) if about in mail["subject"]]) == 1, "merged"


async def test_a_mail_goes_to_the_accounts_own_address_and_not_to_one_that_folds_to_it(
    mailing: Application, inbox: InboxProcess
) -> None:
    """U+FB01 is compared as the two letters f and i; yet it is another mailbox."""
    email = f"{unique('fi')}@example.com"
    body = {"email": email, "password": PASSWORD}
    assert (await post(mailing, "accounts", body)).status_code == 202
    lookalike = email.replace("fi", "\ufb01", 1)
    assert (await post(mailing, "password/forgotten", {"email": lookalike})).status_code == 202
    mail = await asyncio.to_thread(inbox.mail, email, RESET)
    assert mail["recipients"] == [email]

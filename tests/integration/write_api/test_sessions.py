"""Login, refresh and log-out: tokens that live on, tokens that die, and who may end what."""

import asyncio
from typing import Any

import httpx
import pytest

from contracts import problems
from contracts.token_claims import ACCESS_TOKEN_SECONDS
from mini_auth.verifier import TokenVerifier
from tests.integration.write_api.application import Application, eventually
from tests.people import PASSWORD, unique
from write_api.sessions.refresh_tokens import RefreshToken, RefreshTokens
from write_api.sessions.store import GRACE_SECONDS, MAX_SESSIONS, SESSION_SECONDS


async def signed_up(application: Application) -> str:
    """The e-mail of a new person."""
    email = f"{unique('person')}@example.com"
    account = {"email": email, "password": PASSWORD, "roles": ["customer", "host"]}
    (await application.anonymous.post("/api/v1/accounts", json=account)).raise_for_status()
    return email


async def log_in(application: Application, email: str, **headers: str) -> dict[str, Any]:
    answer = await application.anonymous.post(
        "/api/v1/login", json={"email": email, "password": PASSWORD}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


async def refresh(application: Application, refresh_token: str) -> httpx.Response:
    return await application.anonymous.post("/api/v1/refresh", json={"refresh_token": refresh_token})


async def refreshed(application: Application, refresh_token: str) -> dict[str, Any]:
    answer = await refresh(application, refresh_token)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def person_with(application: Application, tokens: dict[str, Any]) -> httpx.AsyncClient:
    return application.client(Authorization=f"Bearer {tokens['access_token']}")


async def is_refused(application: Application, tokens: dict[str, Any]) -> bool:
    answer = await person_with(application, tokens).get("/api/v1/bookings")
    assert answer.status_code in {200, 401}, answer.text
    return answer.status_code == 401


def assert_ended(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (401, problems.SESSION_ENDED.uri)


def in_the_past(application: Application, tokens: dict[str, Any], seconds: int) -> None:
    """As if the session had been refreshed so many seconds earlier."""
    verifier: TokenVerifier = application.app.state.callers.tokens
    session_id = verifier.verify(tokens["access_token"]).session_id
    moved = "UPDATE sessions SET {0} = {0} - make_interval(secs => %s) WHERE id = %s"
    for column in ("refreshed_at", "expires_at"):
        application.database.rows(moved.format(column), seconds, session_id)


async def test_a_session_lives_on_by_its_refresh_tokens(application: Application) -> None:
    tokens = await log_in(application, await signed_up(application))
    assert tokens["expires_in"] == ACCESS_TOKEN_SECONDS
    seen = {tokens["refresh_token"]}
    for _ in range(5):
        tokens = await refreshed(application, tokens["refresh_token"])
        seen.add(tokens["refresh_token"])
        assert not await is_refused(application, tokens)
    assert len(seen) == 6


async def test_a_lost_answer_can_be_asked_for_again_and_says_the_same(application: Application) -> None:
    first = await log_in(application, await signed_up(application))
    answers = await asyncio.gather(*(refreshed(application, first["refresh_token"]) for _ in range(8)))
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert not await is_refused(application, await refreshed(application, answers[0]["refresh_token"]))


async def test_an_old_refresh_token_that_comes_back_ends_the_session_for_everybody(
    application: Application,
) -> None:
    first = await log_in(application, await signed_up(application))
    second = await refreshed(application, first["refresh_token"])
    third = await refreshed(application, second["refresh_token"])
    assert_ended(await refresh(application, first["refresh_token"]))
    assert_ended(await refresh(application, third["refresh_token"]))
    for tokens in (first, second, third):
        assert await eventually("it is revoked", lambda: is_refused(application, tokens))  # noqa: B023


async def test_after_the_grace_the_token_before_is_an_old_one(application: Application) -> None:
    first = await log_in(application, await signed_up(application))
    second = await refreshed(application, first["refresh_token"])
    in_the_past(application, second, GRACE_SECONDS + 1)
    assert_ended(await refresh(application, first["refresh_token"]))
    assert_ended(await refresh(application, second["refresh_token"]))


async def test_a_session_that_nobody_refreshes_expires(application: Application) -> None:
    tokens = await log_in(application, await signed_up(application))
    in_the_past(application, tokens, SESSION_SECONDS + 1)
    assert_ended(await refresh(application, tokens["refresh_token"]))


@pytest.mark.parametrize("alter", [
    lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
    lambda token: token[:30] + ("A" if token[30] != "A" else "B") + token[31:],
    lambda token: token + "A",
    lambda token: token[:-4],
    lambda token: "",
    lambda token: "x" * 200,
    lambda token: "\u00e9" * 10,
    lambda token: RefreshTokens(b"another secret").write(RefreshToken(1, 1)),
])  # fmt: skip
async def test_what_is_no_refresh_token_ends_nothing(application: Application, alter: Any) -> None:
    tokens = await log_in(application, await signed_up(application))
    assert_ended(await refresh(application, alter(tokens["refresh_token"])))
    assert_ended(await refresh(application, tokens["access_token"][:200]))
    await refreshed(application, tokens["refresh_token"])


async def test_a_refresh_token_is_no_access_token(application: Application) -> None:
    tokens = await log_in(application, await signed_up(application))
    assert await is_refused(application, {"access_token": tokens["refresh_token"]})


async def test_a_refreshed_token_says_the_roles_of_now(application: Application) -> None:
    email = await signed_up(application)
    tokens = await log_in(application, email)
    application.database.rows("UPDATE people SET roles = '{customer}' WHERE email = %s", email)
    tokens = await refreshed(application, tokens["refresh_token"])
    verifier: TokenVerifier = application.app.state.callers.tokens
    assert verifier.verify(tokens["access_token"]).roles == {"customer"}


async def test_who_logs_out_is_out_here_and_stays_in_elsewhere(application: Application) -> None:
    email = await signed_up(application)
    here, elsewhere = await log_in(application, email), await log_in(application, email)
    for _ in range(2):  # repeated until the token is refused, it answers the same
        answer = await person_with(application, here).post("/api/v1/logout")
        assert answer.status_code in {204, 401}
    assert await eventually("the token is dead", lambda: is_refused(application, here))
    assert_ended(await refresh(application, here["refresh_token"]))
    assert not await is_refused(application, elsewhere)


async def test_who_logs_out_everywhere_is_out_everywhere_and_may_come_back_at_once(
    application: Application,
) -> None:
    email = await signed_up(application)
    before = [await log_in(application, email) for _ in range(3)]
    answer = await person_with(application, before[0]).post("/api/v1/logout/everywhere")
    assert answer.status_code == 204
    after = await log_in(application, email)
    for tokens in before:
        assert await eventually("it is dead", lambda: is_refused(application, tokens))  # noqa: B023
        assert_ended(await refresh(application, tokens["refresh_token"]))
    assert not await is_refused(application, after)


async def test_sessions_are_listed_and_ended_by_their_owner_alone(application: Application) -> None:
    email = await signed_up(application)
    phone = await log_in(application, email, **{"user-agent": "Phone\u0007/1"})
    laptop = await log_in(application, email, **{"user-agent": "x" * 500})
    mine = person_with(application, laptop)
    sessions = (await mine.get("/api/v1/sessions")).json()["sessions"]
    assert [(one["client"], one["is_this_one"]) for one in sessions] == [
        ("x" * 200, True),
        ("Phone/1", False),
    ]
    stranger = await application.sign_up()
    for session_id in (sessions[1]["id"], 2**62):
        answer = await stranger.client.delete(f"/api/v1/sessions/{session_id}")
        assert (answer.status_code, answer.json()["type"]) == (404, problems.NOT_FOUND.uri)
    assert (await mine.delete(f"/api/v1/sessions/{sessions[1]['id']}")).status_code == 204
    assert await eventually("the phone is out", lambda: is_refused(application, phone))
    assert not await is_refused(application, laptop)
    assert (await mine.delete(f"/api/v1/sessions/{sessions[1]['id']}")).status_code == 404
    for method, path in (
        ("GET", "/api/v1/sessions"), ("DELETE", "/api/v1/sessions/1"),
        ("POST", "/api/v1/logout"), ("POST", "/api/v1/logout/everywhere"),
    ):  # fmt: skip
        assert (await application.anonymous.request(method, path)).status_code == 401


async def test_beyond_the_bound_the_oldest_session_ends(application: Application) -> None:
    email = await signed_up(application)
    oldest = await log_in(application, email)
    others = [await log_in(application, email) for _ in range(MAX_SESSIONS)]
    assert await eventually("the oldest is out", lambda: is_refused(application, oldest))
    assert_ended(await refresh(application, oldest["refresh_token"]))
    assert not await is_refused(application, others[0])


async def test_revocations_that_nobody_needs_any_more_are_removed(application: Application) -> None:
    application.database.rows(
        "INSERT INTO revocations (kind, subject, expires_at) VALUES ('token', 'old', now() - interval '1 s')"
    )
    tokens = await log_in(application, await signed_up(application))
    await person_with(application, tokens).post("/api/v1/logout")
    assert not application.database.has("SELECT FROM revocations WHERE subject = 'old'")


async def test_tokens_of_the_second_in_which_all_were_revoked_are_revoked_again(
    application: Application,
) -> None:
    """A login within the second of a log-out gets a token of the next; the next log-out meets it too."""
    email = await signed_up(application)
    dead = []
    for _ in range(3):
        tokens = await log_in(application, email)
        answer = await person_with(application, tokens).post("/api/v1/logout/everywhere")
        assert answer.status_code == 204
        dead.append(tokens)
    last = await log_in(application, email)
    for tokens in dead:
        assert await eventually("it is dead", lambda: is_refused(application, tokens))  # noqa: B023
    assert not await is_refused(application, last)

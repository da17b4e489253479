"""A client of Frontrow's HTTP API for commands: logs in again by itself, waits out what passes, gives up.

Sending the same events again is harmless (each has its `import_reference`), so whatever may have been done
or not (a connection that broke, an answer that did not come) is simply sent again.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx

MAX_ATTEMPTS = 10  # half a minute in all: longer than a restart of the server takes
FIRST_ATTEMPTS = 4  # a second: nobody waits for a platform that is not up
FIRST_PAUSE_SECONDS = 0.2
MAX_PAUSE_SECONDS = 5.0
MAX_RETRY_AFTER_SECONDS = 30.0
RENEW_BEFORE_SECONDS = 60.0
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_PASSING = frozenset({429, 502, 503, 504})

Sleep = Callable[[float], Awaitable[None]]


class ApiError(Exception):
    """The command can't go on; the message says why and what to do next."""


class RequestRefusedError(Exception):
    """The API refused a request as a whole; the message is its problem in words."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who makes the events."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What became of one event: `created`, `existing`, or `refused` with a reason."""

    status: str
    reason: str = ""


class FrontrowApi:
    """The API at `url` as one account. Use as an async context manager; raises ApiError from every call."""

    def __init__(
        self,
        url: str,
        account: Account,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._url = url
        self._account = account
        self._sleep = sleep
        self._max_attempts = max_attempts
        try:
            self._client = httpx.AsyncClient(
                base_url=url, timeout=_TIMEOUT, transport=transport, trust_env=False
            )
        except httpx.InvalidURL as error:
            raise ApiError(f"{url} is not an address: {error}") from None
        self._token = ""
        self._renew_at = 0.0
        self._login = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def log_in(self) -> None:
        """Gets a token now, so that a wrong address or password is told before any work."""
        async with self._login:
            await self._renew(max_attempts=FIRST_ATTEMPTS)

    async def has_account(self) -> bool:
        """Whether the account exists, with this password."""
        answer = await self._post_login(max_attempts=FIRST_ATTEMPTS)
        return answer.status_code != 401  # anything else is told by the login that follows

    async def sign_up(self, *, display_name: str, roles: Sequence[str]) -> None:
        """Makes the account if the e-mail has none; nobody is told which."""
        body = {
            "email": self._account.email,
            "password": self._account.password,
            "display_name": display_name,
            "roles": list(roles),
        }
        answer = await self._post(
            "/api/v1/accounts",
            json.dumps(body).encode(),
            with_token=False,
            max_attempts=FIRST_ATTEMPTS,
        )
        if answer.status_code != 202:
            raise ApiError(f"the account {self._account.email} can't be made: {problem_in_words(answer)}")

    async def create_events(self, bodies: Sequence[bytes]) -> list[BulkOutcome]:
        """Makes events of JSON bodies, and tells what became of each, in order.

        Raises RequestRefusedError where the API refuses the request as a whole for what is in it.
        """
        content = b'{"events":[' + b",".join(bodies) + b"]}"
        answer = await self._post("/api/v1/events/bulk", content, with_token=True)
        if answer.status_code in {400, 413, 422}:
            raise RequestRefusedError(problem_in_words(answer))
        if answer.status_code != 200:
            raise ApiError(f"{self._url} refused the events: {problem_in_words(answer)}")
        try:
            outcomes = [_outcome(result) for result in answer.json()["results"]]
        except (ValueError, KeyError, TypeError):
            outcomes = []
        if len(outcomes) != len(bodies):
            raise ApiError(f"{self._url} answered something that is not Frontrow's API; check --url")
        return outcomes

    async def _post(
        self, path: str, content: bytes, *, with_token: bool, max_attempts: int | None = None
    ) -> httpx.Response:
        """The first answer that is not passing trouble. Raises ApiError after the last attempt."""
        answer: httpx.Response | None = None
        trouble = ""
        for attempt in range(max_attempts or self._max_attempts):
            if attempt:
                await self._pause(attempt, answer)
            token = await self._fresh_token() if with_token else None
            try:
                answer = await self._client.post(path, content=content, headers=_headers(token))
            except httpx.TransportError as error:
                answer, trouble = None, _transport_trouble(error)
                continue
            trouble = problem_in_words(answer)
            if answer.status_code == 401 and with_token:
                if self._token == token:  # else another request has renewed it already
                    self._renew_at = 0.0
            elif answer.status_code not in _PASSING:
                return answer
        raise ApiError(f"{self._url} can't be used: {trouble}. Is the platform up? Try `frontrow status`.")

    async def _pause(self, attempt: int, answer: httpx.Response | None) -> None:
        """Waits longer each time, a random part of it, and at least as long as the server asks for."""
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), MAX_PAUSE_SECONDS)
        pause *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, keeps no secret
        await self._sleep(max(pause, _retry_after_seconds(answer)))

    async def _fresh_token(self) -> str:
        async with self._login:
            if time.monotonic() >= self._renew_at:
                await self._renew()
            return self._token

    async def _post_login(self, max_attempts: int | None) -> httpx.Response:
        body = json.dumps({"email": self._account.email, "password": self._account.password}).encode()
        return await self._post("/api/v1/login", body, with_token=False, max_attempts=max_attempts)

    async def _renew(self, max_attempts: int | None = None) -> None:
        answer = await self._post_login(max_attempts)
        if answer.status_code == 401:
            raise ApiError(
                f"the e-mail {self._account.email} or its password is wrong: check --email and "
                "FRONTROW_PASSWORD, or make the demo account with `frontrow demo --count 0`"
            )
        try:
            login = answer.raise_for_status().json()
            self._token = str(login["access_token"])
            lifetime_seconds = float(login["expires_in"])
        except httpx.HTTPStatusError:
            raise ApiError(f"{self._url} refused the login: {problem_in_words(answer)}") from None
        except (ValueError, KeyError, TypeError):
            raise ApiError(f"{self._url} is not Frontrow's API; check --url") from None
        self._renew_at = time.monotonic() + max(lifetime_seconds - RENEW_BEFORE_SECONDS, lifetime_seconds / 2)


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    return headers if token is None else headers | {"Authorization": f"Bearer {token}"}


def problem_in_words(answer: httpx.Response) -> str:
    """A problem answer (RFC 9457) as one line; the status where the answer is something else."""
    try:
        return problem_text(answer.json())
    except ValueError:
        return f"it answered HTTP {answer.status_code}"


def problem_text(problem: Any) -> str:
    """The title and the details of a problem object, on one line of printable characters."""
    if not isinstance(problem, dict):
        return "no reason was given"
    parts = [str(problem.get("detail") or problem.get("title") or "no reason was given")]
    errors = problem.get("errors")
    for error in errors[:3] if isinstance(errors, list) else []:
        if isinstance(error, dict):
            # The place within the batch means nothing to who reads it: the line's number is told already.
            place = re.sub(r"^(body\.)?(events\.\d+\.)?", "", str(error.get("location", "")))
            parts.append(f"{place}: {error.get('message', '')}")
    text = "; ".join(parts)[:500]
    return "".join(character if character.isprintable() else " " for character in text)


def _outcome(result: dict[str, Any]) -> BulkOutcome:
    status = str(result["status"])
    if status in {"created", "existing"}:
        return BulkOutcome(status)
    return BulkOutcome("refused", problem_text(result.get("problem")))


def _transport_trouble(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return "nothing answers there"
    if isinstance(error, httpx.UnsupportedProtocol):
        return "the address must start with http:// or https://"
    return "the connection broke" if not isinstance(error, httpx.TimeoutException) else "it took too long"


def _retry_after_seconds(answer: httpx.Response | None) -> float:
    """What `Retry-After` asks for in seconds, bounded; its date form, which we never send, counts as none."""
    value = answer.headers.get("Retry-After", "") if answer is not None else ""
    return min(float(value), MAX_RETRY_AFTER_SECONDS) if value.isascii() and value.isdecimal() else 0.0

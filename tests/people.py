"""People who use the platform through its front door, for tests: each with an account of their own."""

import base64
import json
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx

from contracts.consistency_token import CONSISTENCY_HEADER
from write_api.account_links import AccountLinks

DEADLINE_SECONDS = 30.0
SHORTEST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.5
PASSWORD = "correct horse battery"
Result = TypeVar("Result")


def unique(prefix: str) -> str:
    """A word that no other test uses: letters only, so that search takes it as one word."""
    return prefix + uuid.uuid4().hex.translate(str.maketrans("0123456789", "ghijklmnop"))[:10]


def wait_for(what: str, ask: Callable[[], Result]) -> Result:
    """The first truthy answer of `ask`; fails with the last answer when 30 s have passed.

    It pauses as long as the answer took: what is waited for needs the machine as well.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        asked_at = time.monotonic()
        if answer := ask():
            return answer
        answered_at = time.monotonic()
        if answered_at > deadline:
            raise AssertionError(f"{what}: not within {DEADLINE_SECONDS:.0f} s; last answer {answer!r}")
        time.sleep(min(max(answered_at - asked_at, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS))


class ConsistencySession:
    """Brings the consistency token of the last answer to the next read, as an app would.

    Not to searches: they would wait for the index's next heartbeat. `brings` turns it off and on.
    """

    def __init__(self) -> None:
        self.brings = True
        self.token: str | None = None

    def follow(self, client: httpx.Client) -> None:
        """Keep what `client` is answered, and bring it."""
        client.event_hooks = {"request": [self._bring], "response": [self._keep]}

    def _bring(self, request: httpx.Request) -> None:
        is_search = request.method == "POST" or request.url.path in {"/api/v1/events", "/api/v1/search"}
        if self.brings and self.token and not is_search and CONSISTENCY_HEADER not in request.headers:
            request.headers[CONSISTENCY_HEADER] = self.token

    def _keep(self, response: httpx.Response) -> None:
        self.token = response.headers.get(CONSISTENCY_HEADER, self.token)


@dataclass(frozen=True)
class Person:
    """Somebody with an account and a token; the methods answer the raw response."""

    gateway_url: str
    email: str
    client: httpx.Client
    session: ConsistencySession

    def create_event(self, **fields: Any) -> dict[str, Any]:
        """An active event in the simple form, far in the future; `fields` replace any of its members."""
        event = {
            "name": unique("event"),
            "available_seats": 10,
            "start_at": "2030-11-01T10:00:00Z",
            "location": "HCM",
            "category": "MUSIC",
            "price": 10.5,
            "status": "active",
        } | fields
        answer = self.client.post("/api/v1/events", json=event)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def book(self, event_id: int, quantity: int = 1) -> httpx.Response:
        """Asks for seats of an event."""
        return self.client.post("/api/v1/bookings", json={"event_id": event_id, "quantity": quantity})

    def search(self, **criteria: Any) -> list[dict[str, Any]]:
        """The events that a search finds."""
        answer = self.client.post("/api/v1/search/events", json=criteria)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["events"])


def person_of(access_token: str) -> int:
    """Whose token it is; who signs up is not told the id."""
    payload = access_token.split(".")[1]
    return int(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"])


def confirmation_code(link_key: str, access_token: str) -> dict[str, str]:
    """What the link in the mail to this person carries, without the mail: see test_accounts.py for that.

    `link_key` is the setting FRONTROW_LINK_KEY of the platform.
    """
    links = AccountLinks(base64.b64decode(link_key))
    return {"token": links.confirmation(person_of(access_token), now=datetime.now(UTC))}


class People:
    """Signs people up at one gateway, and closes their connections at the end.

    `link_key` is the platform's, with which people's e-mails are confirmed without a mail.
    """

    def __init__(self, gateway_url: str, link_key: str) -> None:
        self._gateway_url = gateway_url
        self._link_key = link_key
        self._connections = ExitStack()

    def sign_up(self, *roles: str) -> Person:
        """A new person with these roles, logged in."""
        email = f"{unique('person')}@example.com"
        client = self._connections.enter_context(httpx.Client(base_url=self._gateway_url, timeout=10))
        account = {"email": email, "password": PASSWORD, "roles": list(roles)}
        client.post("/api/v1/accounts", json=account).raise_for_status()
        login = client.post("/api/v1/login", json={"email": email, "password": PASSWORD}).raise_for_status()
        tokens = login.json()
        if not set(roles) <= {"customer"}:
            code = confirmation_code(self._link_key, tokens["access_token"])
            client.post("/api/v1/accounts/confirm", json=code).raise_for_status()
            refresh = {"refresh_token": tokens["refresh_token"]}
            tokens = client.post("/api/v1/refresh", json=refresh).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        session = ConsistencySession()
        session.follow(client)
        return Person(self._gateway_url, email, client, session)

    def close(self) -> None:
        """Closes every connection."""
        self._connections.close()

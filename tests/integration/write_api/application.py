"""An application of write_api that a test starts, and the people who use it."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import randrange
from typing import Any, TypeVar

import httpx
import psycopg
from argon2 import PasswordHasher
from fastapi import FastAPI
from psycopg.rows import dict_row

from service_kit.client_address import ADDRESS_HEADER
from tests.booking_invariants import faults
from tests.people import DEADLINE_SECONDS, PASSWORD, confirmation_code, person_of, unique
from tests.postgresql_cluster import PostgresqlCluster
from tests.scratch_postgresql import ScratchPostgresql
from write_api.app import create_app
from write_api.settings import WriteApiSettings

Result = TypeVar("Result")

SEALING_KEY = base64.b64encode(b"tests' own key, 32 bytes of it..").decode()
CONSISTENCY_KEY = base64.b64encode(b"the key of the consistency token").decode()
LINK_KEY = base64.b64encode(b"the key of links that are mailed").decode()
TABLES = (
    "people", "venues", "artists", "events", "event_artists", "ticket_types", "ticket_stock", "seats",
    "bookings", "orders", "attendees", "idempotent_requests",
)  # fmt: skip


async def eventually(what: str, ask: Callable[[], Awaitable[Result]]) -> Result:
    """The first truthy answer of `ask`; fails with the last answer when 30 s have passed."""
    answer = await ask()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not answer:
                await asyncio.sleep(0.02)
                answer = await ask()
    except TimeoutError:
        raise AssertionError(f"{what}: not within {DEADLINE_SECONDS} s; last answer {answer!r}") from None
    return answer


class Database:
    """A migrated database with the platform's roles."""

    def __init__(self, server: ScratchPostgresql | PostgresqlCluster) -> None:
        self.server = server
        self.name = server.create_database()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute("GRANT EXECUTE ON FUNCTION pg_log_standby_snapshot() TO frontrow_write")

    def url(self, role: str) -> str:
        return self.server.url(self.name, role)

    def rows(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """What a statement answers to the superuser, at once committed."""
        with psycopg.connect(self.url("postgres"), autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def has(self, statement: str, *values: object) -> bool:
        """Whether a SELECT finds a row."""
        return bool(self.rows(f"SELECT EXISTS ({statement}) AS found", *values)[0]["found"])

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        counted = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in TABLES)
        return self.rows(f"SELECT {counted}")[0]

    def faults(self, *event_ids: int) -> dict[str, int]:
        """Which invariants of some events' bookings, or of all, are broken; empty when all is well."""
        return faults(self.rows, *event_ids)


@dataclass(frozen=True)
class Customer:
    """Somebody with an account; the methods answer the raw response."""

    id: int
    client: httpx.AsyncClient
    email: str = ""

    async def renew(self, refused: httpx.Response) -> None:
        """Logs in again where the token that was refused has expired; of many who notice, one does."""
        if refused.request.headers["Authorization"] == self.client.headers["Authorization"]:
            credentials = {"email": self.email, "password": PASSWORD}
            login = await self.client.post("/api/v1/login", json=credentials)
            self.client.headers["Authorization"] = f"Bearer {login.raise_for_status().json()['access_token']}"

    async def book(self, event_id: int, quantity: int = 1, **more: Any) -> httpx.Response:
        body = {"event_id": event_id, "quantity": quantity, **more}
        return await self.client.post("/api/v1/bookings", json=body)

    async def booked(self, event_id: int, quantity: int = 1, **more: Any) -> dict[str, Any]:
        """A booking that must succeed."""
        answer = await self.book(event_id, quantity, **more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def booking(self, booking_id: int) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/bookings/{booking_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def confirm(self, booking_id: int) -> httpx.Response:
        return await self.client.put(f"/api/v1/bookings/{booking_id}/confirm")

    async def cancel(self, booking_id: int) -> httpx.Response:
        return await self.client.put(f"/api/v1/bookings/{booking_id}/cancel")

    async def create(self, **fields: Any) -> httpx.Response:
        """An active event in the simple form; `fields` replace its members, `...` leaves one out."""
        return await self.client.post("/api/v1/events", json=event_body(**fields))

    async def created(self, **fields: Any) -> dict[str, Any]:
        """An event that must be made."""
        answer = await self.create(**fields)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def update(self, event_id: int, **changes: Any) -> httpx.Response:
        return await self.client.put(f"/api/v1/events/{event_id}", json=changes)


def event_body(**fields: Any) -> dict[str, Any]:
    """The user's guide's event, active and with a name of its own."""
    body = {
        "name": unique("event"),
        "available_seats": 10,
        "start_at": "2030-11-01T10:00:00Z",
        "location": "HCM",
        "category": "MUSIC",
        "price": 10.5,
        "status": "active",
    } | fields
    return {name: value for name, value in body.items() if value is not ...}


class Door:
    """Where somebody with no token signs up and logs in; subclasses say how one gets there."""

    anonymous: httpx.AsyncClient

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client of this write_api; the caller of a real one closes it."""
        raise NotImplementedError

    async def sign_up(self, *roles: str) -> Customer:
        """A new person, logged in."""
        email = f"{unique('person')}@example.com"
        account = {"email": email, "password": PASSWORD, "roles": list(roles or ("customer",))}
        sign_up = await self.anonymous.post("/api/v1/accounts", json=account, headers=from_another_address())
        sign_up.raise_for_status()
        return await self.log_in(email, is_confirmed=not set(roles) <= {"customer"})

    async def log_in(self, email: str, *, is_confirmed: bool = False, **headers: str) -> Customer:
        """Somebody with an account, logged in; with all the account's roles if `is_confirmed`."""
        credentials = {"email": email, "password": PASSWORD}
        login = await self.anonymous.post(
            "/api/v1/login", json=credentials, headers=from_another_address() | headers
        )
        tokens = login.raise_for_status().json()
        if is_confirmed:
            code = confirmation_code(LINK_KEY, tokens["access_token"])
            (await self.anonymous.post("/api/v1/accounts/confirm", json=code)).raise_for_status()
            refresh = {"refresh_token": tokens["refresh_token"]}
            tokens = (await self.anonymous.post("/api/v1/refresh", json=refresh)).raise_for_status().json()
        token = tokens["access_token"]
        return Customer(person_of(token), self.client(Authorization=f"Bearer {token}"), email)


def from_another_address() -> dict[str, str]:
    """Headers of somebody at home: all from one address, our people would be too many for its limits."""
    return {ADDRESS_HEADER: f"10.{randrange(256)}.{randrange(256)}.{randrange(256)}"}


class Application(Door):
    """A running application, the database that it writes to, and somebody without a token."""

    def __init__(self, app: FastAPI, database: Database) -> None:
        self.app = app
        self.database = database
        self.anonymous = self.client()

    def begin(self, event_id: int) -> None:
        """Has an event begun a day ago, which no host can do."""
        self.database.rows("UPDATE events SET starts_at = now() - interval '1 day' WHERE id = %s", event_id)

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client that is told of an internal error as people are: by the answer."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(
            transport=transport, base_url="http://write_api", headers=headers, timeout=DEADLINE_SECONDS
        )


@asynccontextmanager
async def running_application(
    database: Database, state: Path, *, changes: dict[str, Any] | None = None, **substitutes: Any
) -> AsyncIterator[Application]:
    """write_api from its start to its end; `changes` are settings, `substitutes` arguments of create_app."""
    settings = WriteApiSettings(
        **{
            "region": "eu",
            "listen": "127.0.0.1:1",
            "main_database": database.url("frontrow_write"),
            "reader_database": database.url("frontrow_read"),
            "key_sealing_key": SEALING_KEY,
            "consistency_key": CONSISTENCY_KEY,
            "link_key": LINK_KEY,
            "state_directory": state,
            "request_limits_times": 1000,  # all people of the tests come from one address, and hurry
            **(changes or {}),
        }
    )
    substitutes.setdefault("hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    app = create_app(settings, **substitutes)
    async with app.router.lifespan_context(app):
        yield Application(app, database)

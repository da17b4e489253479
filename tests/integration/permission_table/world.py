"""All applications in one process on one scratch database, and people with tokens that the test signs."""

import base64
import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
from argon2 import PasswordHasher
from fastapi import FastAPI
from psycopg.rows import DictRow, dict_row

from contracts.api_keys import new_api_key
from contracts.consistency_token import Position
from contracts.token_claims import access_token_claims
from mini_auth.app import create_app as create_mini_auth
from mini_auth.guest_links import GuestLinkDesk
from mini_auth.settings import MiniAuthSettings
from read_api.app import create_app as create_read_api
from read_api.settings import ReadApiSettings
from service_kit.database import Pool
from tests.integration.write_api.application import (
    CONSISTENCY_KEY,
    LINK_KEY,
    SEALING_KEY,
    Database,
    running_application,
)
from tests.people import DEADLINE_SECONDS, PASSWORD, unique
from tests.tokens import AUDIENCE, ISSUER
from write_api.account_links import AccountLinks
from write_api.signing_keys.sealed_key import SigningKey, unseal

COMMON: dict[str, Any] = {
    "region": "eu",
    "listen": "127.0.0.1:1",
    "token_issuer": ISSUER,
    "token_audience": AUDIENCE,
}
KEYS = {"consistency_key": CONSISTENCY_KEY, "link_key": LINK_KEY}
NO_ELASTICSEARCH = "http://127.0.0.1:1"
PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
OWNED = (
    "people", "events", "bookings", "orders", "ticket_types", "ticket_stock", "seats", "waitlist_entries",
    "sessions", "organisations", "organisation_members", "organisation_invitations",
)  # fmt: skip
"""What nobody changes by a request that is refused."""
_ADDRESSES = itertools.count(1)


class PrimaryAsReader:
    """In place of read_api's ReaderPosition: the scratch server is a primary, which replays nothing."""

    def __init__(self, _: Pool) -> None:
        pass

    async def __call__(self) -> Position:
        return Position(generation=1, lsn=1)


def read_api_of(database: Database, state: Path) -> FastAPI:
    return create_read_api(
        ReadApiSettings(
            **COMMON,
            **KEYS,
            reader_database=database.url("frontrow_read"),
            elasticsearch=NO_ELASTICSEARCH,
            state_directory=state,
        )
    )


def mini_auth_of(database: Database, state: Path) -> FastAPI:
    return create_mini_auth(
        MiniAuthSettings(**COMMON, reader_database=database.url("frontrow_read"), state_directory=state)
    )


@dataclass(frozen=True)
class Individual:
    """Somebody with an account and a session."""

    id: int
    email: str
    roles: tuple[str, ...]
    session_id: int


class World:
    """The applications by name, and what the tests need of their common database."""

    def __init__(self, applications: dict[str, FastAPI], connection: psycopg.Connection[DictRow]) -> None:
        self.applications = applications
        self._connection = connection
        self.account_links = AccountLinks(base64.b64decode(LINK_KEY))
        row = self.row("SELECT key_id, private_key_sealed FROM signing_keys WHERE state = 'current'")
        self.signing_key: SigningKey = unseal(
            row["key_id"], row["private_key_sealed"], base64.b64decode(SEALING_KEY)
        )

    def row(self, statement: str, *values: object) -> DictRow:
        """The row that a statement answers to the superuser, at once committed."""
        row = self._connection.execute(statement.encode(), values).fetchone()
        assert row is not None
        return row

    def write(self, statement: str, *values: object) -> None:
        self._connection.execute(statement.encode(), values)

    async def send(
        self, application: str, method: str, path: str, headers: dict[str, str], content: dict[str, Any]
    ) -> httpx.Response:
        """Sends a request, from an address of its own so that no limit of addresses meets it."""
        address = f"2001:db8::{next(_ADDRESSES):x}"
        transport = httpx.ASGITransport(self.applications[application], raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://{application}", timeout=DEADLINE_SECONDS
        ) as client:
            sent = {"x-envoy-external-address": address, **headers}
            return await client.request(method, path, headers=sent, **content)

    def make_person(self, roles: Collection[str]) -> Individual:
        """Somebody with these roles, as if an administrator had given them."""
        email = f"{unique('person')}@example.com"
        person = self.row(
            "INSERT INTO people (email, email_folded, password_hash, display_name, roles, email_confirmed_at)"
            " VALUES (%s, %s, %s, 'somebody', %s, now()) RETURNING id",
            email,
            email,
            PASSWORD_HASH,
            list(roles),
        )
        return Individual(person["id"], email, tuple(roles), self.make_session(person["id"]))

    def make_session(self, person_id: int) -> int:
        row = self.row(
            "INSERT INTO sessions (person_id, client, expires_at) VALUES (%s, '', now() + '1 h')"
            " RETURNING id",
            person_id,
        )
        return int(row["id"])

    def make_organisation(self, person_id: int) -> int:
        statement = "INSERT INTO organisations (name, created_by) VALUES ('one', %s) RETURNING id"
        return int(self.row(statement, person_id)["id"])

    def make_member(self, organisation_id: int, person_id: int, role: str) -> None:
        self.write(
            "INSERT INTO organisation_members (organisation_id, person_id, role) VALUES (%s, %s, %s)",
            organisation_id,
            person_id,
            role,
        )

    def make_invitation(self, organisation_id: int, person: Individual) -> int:
        row = self.row(
            "INSERT INTO organisation_invitations (organisation_id, email, email_folded, role, expires_at)"
            " VALUES (%s, %s, %s, 'staff', now() + '1 h')"
            " ON CONFLICT (organisation_id, email_folded) DO UPDATE SET role = 'staff' RETURNING id",
            organisation_id,
            person.email,
            person.email,
        )
        return int(row["id"])

    def make_key(self, person_id: int, *scopes: str, days: float = 1) -> str:
        key = new_api_key()
        self.write(
            "INSERT INTO api_keys (public_id, secret_hash, person_id, name, scopes, expires_at)"
            " VALUES (%s, %s, %s, 'a key', %s, now() + make_interval(secs => %s))",
            key.public_id,
            key.secret_hash,
            person_id,
            list(scopes),
            days * 86_400,
        )
        return key.text

    def token(self, person: Individual, *, seconds_ago: float = 0, **changes: Any) -> str:
        """An access token as write_api would sign it, with `changes` of its claims."""
        claims = access_token_claims(
            issuer=ISSUER,
            audience=AUDIENCE,
            person_id=person.id,
            roles=person.roles,
            session_id=person.session_id,
            token_id=unique("token"),
            now=datetime.now(UTC) - timedelta(seconds=seconds_ago),
        )
        return self.signing_key.sign(claims | changes)

    def guest_link(self, person_id: int, *, days_ago: float = 0) -> str:
        desk = GuestLinkDesk(base64.b64decode(LINK_KEY))
        return desk.write(person_id, now=datetime.now(UTC) - timedelta(days=days_ago))[0]

    def fingerprint(self) -> DictRow:
        """Another one after any change of what people own: its newest row version, and how many there are."""
        told = ", ".join(
            f"(SELECT (max(xmin::text::bigint), count(*))::text FROM {table}) AS {table}" for table in OWNED
        )
        return self.row(f"SELECT {told}, (SELECT count(*) FROM api_keys) AS api_keys")  # their uses are noted

    def revoke(self, kind: str, subject: object) -> None:
        self.write(
            "INSERT INTO revocations (kind, subject, expires_at) VALUES (%s, %s, now() + '1 h')",
            kind,
            str(subject),
        )


@asynccontextmanager
async def running_world(database: Database, folder: Path) -> AsyncIterator[World]:
    """write_api, read_api and mini_auth, from their start to their end."""
    async with AsyncExitStack() as stack:
        changes = {name: COMMON[name] for name in ("token_issuer", "token_audience")}
        write_api = await stack.enter_async_context(
            running_application(database, folder / "write_api", changes=changes)
        )
        applications = {
            "write_api": write_api.app,
            "read_api": read_api_of(database, folder / "read_api"),
            "mini_auth": mini_auth_of(database, folder / "mini_auth"),
        }
        for name in ("read_api", "mini_auth"):
            app = applications[name]
            await stack.enter_async_context(app.router.lifespan_context(app))
        url = database.url("postgres")
        connection = stack.enter_context(psycopg.connect(url, autocommit=True, row_factory=dict_row))
        yield World(applications, connection)

"""Introspection (RFC 7662) and the age of what is known, from the region's key service."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from contracts.api_keys import API_KEY_HEADER, new_api_key
from mini_auth.app import create_app
from mini_auth.settings import MiniAuthSettings
from tests.api_keys import with_another_secret
from tests.integration.write_api.application import eventually
from tests.scratch_postgresql import ScratchPostgresql
from tests.tokens import AUDIENCE, ISSUER, Desk, es256_key, make_desk


class KeyService:
    """mini_auth on a database of its own, with a key that the test signs with."""

    def __init__(self, server: ScratchPostgresql, folder: Path) -> None:
        self.desk: Desk = make_desk(es256_key("key-1"))
        self._url = server.url(name := server.create_database(), "postgres")
        self.app = create_app(
            MiniAuthSettings(
                region="eu",
                listen="127.0.0.1:1",
                reader_database=server.url(name),
                state_directory=folder,
                token_issuer=ISSUER,
                token_audience=AUDIENCE,
            )
        )
        row = self.desk.key.row
        self.write(
            "INSERT INTO signing_keys VALUES (%s, %s, %s, '\\x00', 'current', now(), now())",
            row["key_id"],
            row["algorithm"],
            Jsonb(row["public_jwk"]),
        )
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://keys.test", headers={}
        )

    def write(self, statement: str, *values: object) -> None:
        with psycopg.connect(self._url) as connection:
            connection.execute(statement.encode(), values)

    def admin(self, **claims: Any) -> dict[str, str]:
        token = self.desk.token(**{"sub": "1", "sid": "10", "roles": ["admin"], **claims})
        return {"Authorization": f"Bearer {token}"}

    async def said(self, token: str) -> dict[str, Any]:
        answer = await self.client.post("/introspect", data={"token": token}, headers=self.admin())
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return dict(answer.json())

    def make_key(self, *roles: str, scopes: list[str]) -> str:
        key = new_api_key()
        self.write(
            "WITH person AS (INSERT INTO people (email, display_name, roles, email_confirmed_at)"
            " VALUES ('somebody@example.com', 'somebody', %s, now()) RETURNING id)"
            " INSERT INTO api_keys (public_id, secret_hash, person_id, name, scopes, expires_at)"
            " SELECT %s, %s, id, 'a key', %s, now() + '1 h' FROM person",
            list(roles),
            key.public_id,
            key.secret_hash,
            scopes,
        )
        return key.text


@pytest.fixture
async def service(postgresql: ScratchPostgresql, tmp_path: Path) -> AsyncIterator[KeyService]:
    service = KeyService(postgresql, tmp_path)
    async with service.app.router.lifespan_context(service.app), service.client:
        yield service


async def test_a_good_token_tells_what_it_says(service: KeyService) -> None:
    claims = service.desk.claims()
    assert await service.said(service.desk.key.sign(claims)) == {
        "active": True,
        "token_type": "Bearer",
        "client_id": "frontrow",
        "sub": "7",
        "roles": ["host"],
        "sid": "70",
        "jti": "token-1",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": claims["iat"],
        "exp": claims["exp"],
    }


async def test_a_good_key_tells_its_scopes_and_the_roles_of_now(service: KeyService) -> None:
    text = service.make_key("customer", "host", scopes=["bookings:read", "events:write"])
    said = await service.said(text)
    assert (said["active"], said["token_type"], said["scope"]) == (
        True,
        "api_key",
        "bookings:read events:write",
    )
    assert set(said["roles"]) == {"customer", "host"}
    assert "sid" not in said


async def test_what_is_not_good_is_not_active_and_nothing_more_is_told(service: KeyService) -> None:
    desk = service.desk
    revoked, key = desk.token(jti="revoked"), service.make_key("customer", scopes=["events:read"])
    now = int(desk.clock.now)
    assert (await service.said(revoked))["active"]
    service.write(
        "INSERT INTO revocations (kind, subject, expires_at) VALUES ('token', 'revoked', now() + '1 h')"
    )

    async def is_inactive() -> bool:
        return await service.said(revoked) == {"active": False}

    assert await eventually("the token is revoked", is_inactive)
    for token in (
        desk.token(iat=now - 600, exp=now - 300),
        desk.token(aud="another"),
        with_another_secret(key),
        new_api_key().text,
        "frontrow_key_",
        "x",
        "",
        "\u00e9",
    ):
        assert await service.said(token) == {"active": False}


async def test_only_administrators_ask_and_keys_of_theirs_for_that(service: KeyService) -> None:
    body = {"token": service.desk.token()}
    answers = {
        "nobody": await service.client.post("/introspect", data=body),
        "a host": await service.client.post(
            "/introspect", data=body, headers=service.admin(roles=["host", "customer", "scanner"])
        ),
        "an administrator's key for something else": await service.client.post(
            "/introspect",
            data=body,
            headers={API_KEY_HEADER: service.make_key("admin", scopes=["events:read"])},
        ),
        "a customer's key": await service.client.post(
            "/introspect",
            data=body,
            headers={API_KEY_HEADER: service.make_key("customer", scopes=["tokens:introspect"])},
        ),
        "an administrator's key": await service.client.post(
            "/introspect",
            data=body,
            headers={API_KEY_HEADER: service.make_key("admin", scopes=["tokens:introspect"])},
        ),
        "a superadmin": await service.client.post(
            "/introspect", data=body, headers=service.admin(roles=["superadmin"])
        ),
    }
    assert [answer.status_code for answer in answers.values()] == [401, 403, 403, 403, 200, 200]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"token=x", "application/json", 415),
        (b"token=x", None, 415),
        (b"", "application/x-www-form-urlencoded", 422),
        (b"token_type_hint=access_token", "application/x-www-form-urlencoded", 422),
        (b"token=x&token=y", "application/x-www-form-urlencoded", 422),
        (b"&".join([b"a=1"] * 50), "application/x-www-form-urlencoded", 422),
        (b"token=\xff\xfe", "application/x-www-form-urlencoded", 422),
        (b"token=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_a_bad_form_is_refused(
    service: KeyService, body: bytes, content_type: str | None, status: int
) -> None:
    headers = {**service.admin(), **({"Content-Type": content_type} if content_type else {})}
    answer = await service.client.post("/introspect", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_the_service_tells_how_old_and_how_much_it_knows(service: KeyService) -> None:
    service.write("INSERT INTO revocations (kind, subject, expires_at) VALUES ('person', '9', now() + '1 h')")

    async def knowledge() -> dict[str, Any]:
        return dict((await service.client.get("/knowledge")).raise_for_status().json())

    async def knows_both() -> bool:
        told = await knowledge()
        return (told["keys"], told["revocations"]) == (1, 1)

    assert await eventually("key and revocation are known", knows_both)
    told = await knowledge()
    assert 0 <= told["age_ms"] < 30_000
    assert told["confirmed_age_ms"] is None

"""Keys change while people go on: no good token is refused, and a compromised key's tokens die."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from service_kit.database import Connection, create_pool
from tests.integration.write_api.application import (
    SEALING_KEY,
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.people import PASSWORD
from write_api.audit_log import OPERATOR, AuditLog
from write_api.signing_keys.sealed_key import SealedKeyError
from write_api.signing_keys.service import (
    KEPT_SECONDS,
    KeyRing,
    TooSoonError,
    UnknownKeyError,
    complete_keys,
    rotate_keys,
)
from write_api.signing_keys.store import KeyAge, SigningKeyStore

STORE = SigningKeyStore()
AUDIT_LOG = AuditLog("eu")
SECRET = b"tests' own key, 32 bytes of it.."
PUBLISHED_SECONDS = 1.0


@asynccontextmanager
async def operator(database: Database) -> AsyncIterator[Connection]:
    """The connection of somebody who rotates keys."""
    connect = psycopg.AsyncConnection.connect(
        database.url("frontrow_write"), autocommit=True, row_factory=dict_row
    )
    async with await connect as connection:
        yield connection


async def rotated(connection: Connection) -> list[KeyAge]:
    """Rotates as soon as it may."""

    async def attempt() -> list[KeyAge]:
        try:
            return await rotate_keys(
                connection, STORE, SECRET, AUDIT_LOG, actor=OPERATOR, published_seconds=PUBLISHED_SECONDS
            )
        except TooSoonError:
            return []

    return await eventually("the next key is known", attempt)


def key_ids(ages: list[KeyAge], state: str) -> list[str]:
    return [age.key_id for age in ages if age.state == state]


async def test_the_signing_key_survives_a_restart_and_is_stored_sealed(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        customer = await application.sign_up()
        token = customer.client.headers["Authorization"]
    async with running_application(database, state) as application:
        answer = await application.client(Authorization=token).get("/api/v1/bookings")
        assert answer.status_code == 200
    keys = database.rows("SELECT state, algorithm, private_key_sealed FROM signing_keys ORDER BY state")
    assert [(key["state"], key["algorithm"]) for key in keys] == [("current", "ES256"), ("next", "ES256")]
    assert not any(b"PRIVATE" in key["private_key_sealed"] for key in keys)


async def test_processes_that_start_at_once_agree_on_one_key(database: Database) -> None:
    pool = create_pool(database.url("frontrow_write"), application_name="test", max_size=8, max_waiting=8)
    async with pool:
        rings = [KeyRing(pool, STORE, SECRET, AUDIT_LOG) for _ in range(8)]
        await asyncio.gather(*(ring.load() for ring in rings))
    assert len({ring.current.key_id for ring in rings if ring.current}) == 1
    assert database.rows("SELECT count(*) AS n FROM signing_keys") == [{"n": 2}]


async def test_another_sealing_key_ends_the_start_with_a_clear_message(
    database: Database, state: Path
) -> None:
    async with running_application(database, state):
        pass
    changes = {"key_sealing_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    with pytest.raises(SealedKeyError, match="FRONTROW_KEY_SEALING_KEY does not open"):
        async with running_application(database, state, changes=changes):
            pass


async def test_ten_rotations_under_load_refuse_no_good_token(database: Database, state: Path) -> None:
    async with running_application(database, state) as application, operator(database) as connection:
        people = [await application.sign_up() for _ in range(4)]
        statuses: list[int] = []
        stop = asyncio.Event()
        load = [asyncio.create_task(keep_asking(application, one, statuses, stop)) for one in people]
        signed_by = set()
        for _ in range(10):
            ages = await rotated(connection)
            signed_by.update(key_ids(ages, "current"))
        stop.set()
        await asyncio.gather(*load)
    assert len(signed_by) == 10
    assert len(statuses) > 100
    assert set(statuses) == {200}


async def keep_asking(
    application: Application, person: Customer, statuses: list[int], stop: asyncio.Event
) -> None:
    """Somebody who refreshes again and again, and asks with the newest token and with the first."""
    email = application.database.rows("SELECT email FROM people WHERE id = %s", person.id)[0]["email"]
    answer = await application.anonymous.post("/api/v1/login", json={"email": email, "password": PASSWORD})
    while not stop.is_set():
        refresh_token = answer.json()["refresh_token"]
        answer = await application.anonymous.post("/api/v1/refresh", json={"refresh_token": refresh_token})
        newest = application.client(Authorization=f"Bearer {answer.json()['access_token']}")
        statuses += [answer.status_code, await status_of(person.client), await status_of(newest)]


async def status_of(client: httpx.AsyncClient) -> int:
    return (await client.get("/api/v1/bookings")).status_code


async def test_without_the_waiting_key_a_good_token_would_be_refused(database: Database, state: Path) -> None:
    """The negative control: a key that signs as soon as it is made is not known everywhere yet."""
    async with running_application(database, state) as application, operator(database) as connection:
        ring = KeyRing(application.app.state.catalogue._pool, STORE, SECRET, AUDIT_LOG)
        await ring.load()
        person = await application.sign_up()
        verifier = application.app.state.callers.tokens
        claims = {
            "iss": "https://frontrow.local", "aud": "frontrow-api", "client_id": "frontrow",
            "sub": str(person.id), "roles": ["customer"], "sid": "1", "jti": "x",
        }  # fmt: skip
        identity = verifier.verify(person.client.headers["Authorization"].removeprefix("Bearer "))
        issued_at = int(identity.issued_at.timestamp())
        for _ in range(2):  # the second key that signs was made a moment ago
            await rotate_keys(connection, STORE, SECRET, AUDIT_LOG, actor=OPERATOR, published_seconds=0)
        await ring.load()
        token = ring.sign(claims | {"iat": issued_at, "exp": issued_at + 300})
        client = application.client(Authorization=f"Bearer {token}")
        assert await status_of(client) == 401
        assert await eventually("it is known", lambda: is_answered(client))


async def is_answered(client: httpx.AsyncClient) -> bool:
    return await status_of(client) == 200


async def test_a_next_key_that_is_too_new_does_not_sign(database: Database) -> None:
    async with operator(database) as connection:
        async with connection.transaction():
            before = await complete_keys(connection, STORE, SECRET)
        with pytest.raises(TooSoonError, match="Try again in"):
            await rotate_keys(connection, STORE, SECRET, AUDIT_LOG, actor=OPERATOR)
        after = await STORE.ages(connection)
    assert [(age.key_id, age.state) for age in after] == [(age.key_id, age.state) for age in before]


@pytest.mark.parametrize("state_of_key", ["current", "next", "previous"])
async def test_a_compromised_key_dies_with_its_tokens_and_no_other(
    database: Database, state: Path, state_of_key: str
) -> None:
    async with running_application(database, state) as application, operator(database) as connection:
        before = await application.sign_up()
        await rotated(connection)
        ages = await STORE.ages(connection)

        async def is_signed_by_current() -> bool:
            ring = application.app.state.sessions._sign.__self__
            return bool(ring.current.key_id == key_ids(ages, "current")[0])

        await eventually("the process has noticed", is_signed_by_current)
        after = await application.sign_up()
        [compromised] = key_ids(ages, state_of_key)
        now = await rotate_keys(connection, STORE, SECRET, AUDIT_LOG, actor=OPERATOR, compromised=compromised)
        assert compromised not in {age.key_id for age in now}
        assert [len(key_ids(now, one)) for one in ("current", "next")] == [1, 1]
        expected = {
            "current": [200, 401], "next": [200, 200], "previous": [401, 200],
        }[state_of_key]  # fmt: skip

        async def is_as_expected() -> bool:
            return [await status_of(before.client), await status_of(after.client)] == expected

        assert await eventually("its tokens are dead", is_as_expected)
        newcomer = await eventually("logins go on", lambda: signed_up_and_known(application))
        assert await status_of(newcomer.client) == 200
        with pytest.raises(UnknownKeyError):
            await rotate_keys(connection, STORE, SECRET, AUDIT_LOG, actor=OPERATOR, compromised=compromised)


async def signed_up_and_known(application: Application) -> Customer | None:
    person = await application.sign_up()
    return person if await status_of(person.client) == 200 else None


async def test_keys_rotate_by_themselves_and_dead_ones_are_removed(database: Database) -> None:
    pool = create_pool(database.url("frontrow_write"), application_name="test", max_size=2, max_waiting=8)
    async with pool:
        ring = KeyRing(pool, STORE, SECRET, AUDIT_LOG, rotation_seconds=3600)
        await ring.load()
        first = ring.current
        assert first is not None
        database.rows("UPDATE signing_keys SET created_at = created_at - interval '1 day'")
        database.rows(
            "UPDATE signing_keys SET signs_since = signs_since - interval '2 hours' WHERE state = 'current'"
        )
        await ring._look()
        assert ring.current is not None
        assert ring.current.key_id != first.key_id
        assert database.has("SELECT FROM signing_keys WHERE state = 'previous' AND key_id = %s", first.key_id)
        database.rows(
            "UPDATE signing_keys SET signed_until = signed_until - make_interval(secs => %s)"
            " WHERE state = 'previous'",
            KEPT_SECONDS + 1,
        )
        await ring._look()
    assert not database.has("SELECT FROM signing_keys WHERE key_id = %s", first.key_id)


def test_the_secret_of_these_tests_is_the_applications() -> None:
    """Else the operator above could not seal a key that the application opens."""
    assert base64.b64decode(SEALING_KEY) == SECRET

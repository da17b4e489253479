"""Keys that come from a real PostgreSQL: noticed, kept, and used while it is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from mini_auth.app import create_app
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.knowledge_snapshot import SNAPSHOT_NAME, read_snapshot
from mini_auth.settings import MiniAuthSettings
from mini_auth.verifier import TokenRefusedError, TokenVerifier
from service_kit.database import create_pool
from tests.people import DEADLINE_SECONDS
from tests.scratch_postgresql import ScratchPostgresql
from tests.tokens import AUDIENCE, ISSUER, SigningKey, eddsa_key, es256_key, make_desk

NOTICED_SECONDS = 1.0


class Database:
    """A migrated database of one test, with the signing keys that the test puts there."""

    def __init__(self, server: ScratchPostgresql) -> None:
        self.server = server
        self.name = server.create_database()
        self.url = server.url(self.name)

    def add(self, key: SigningKey, state: str = "next") -> None:
        self._write(
            "INSERT INTO signing_keys VALUES (%s, %s, %s, '\\x00', %s, now(), %s::timestamptz)",
            (
                key.key_id,
                key.algorithm,
                Jsonb(key.row["public_jwk"]),
                state,
                None if state == "next" else "now",
            ),
        )

    def remove(self, key: SigningKey) -> None:
        self._write("DELETE FROM signing_keys WHERE key_id = %s", (key.key_id,))

    def revoke(self, kind: str, subject: object, *, seconds: float = 360) -> None:
        self._write(
            "INSERT INTO revocations (kind, subject, expires_at)"
            " VALUES (%s, %s, now() + make_interval(secs => %s))",
            (kind, str(subject), seconds),
        )

    def _write(self, statement: str, values: tuple[object, ...]) -> None:
        with psycopg.connect(self.server.url(self.name, "frontrow_write")) as connection:
            connection.execute(statement.encode(), values)

    @asynccontextmanager
    async def feed(self, state: Path) -> AsyncIterator[KnowledgeFeed]:
        pool = create_pool(self.url, application_name="test-keys", max_size=2, max_waiting=4)
        async with pool, KnowledgeFeed(pool, state) as feed:
            yield feed


@pytest.fixture
def database(postgresql: ScratchPostgresql) -> Database:
    return Database(postgresql)


@pytest.fixture
def snapshot_path(tmp_path: Path) -> Path:
    return tmp_path / SNAPSHOT_NAME


def status_of(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_ino, status.st_mtime_ns


async def seconds_until(condition: Callable[[], bool]) -> float:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < DEADLINE_SECONDS, "the condition never came true"
        await asyncio.sleep(0.01)
    return time.monotonic() - start


async def test_a_new_key_and_a_removed_one_are_noticed_within_a_second(
    database: Database, tmp_path: Path
) -> None:
    old, new = es256_key("old"), eddsa_key("new")
    database.add(old, "current")
    async with database.feed(tmp_path) as feed:
        verifier = TokenVerifier(feed, issuer=ISSUER, audience=AUDIENCE)
        old_token, new_token = make_desk(old).token(), make_desk(new).token()
        assert verifier.verify(old_token).person_id == 7
        database.add(new)
        assert await seconds_until(lambda: "new" in feed.keys) < NOTICED_SECONDS
        assert verifier.verify(new_token).person_id == 7
        assert verifier.verify(old_token).person_id == 7
        database.remove(old)
        assert await seconds_until(lambda: "old" not in feed.keys) < NOTICED_SECONDS
        with pytest.raises(TokenRefusedError, match="not known"):
            verifier.verify(old_token)


async def test_an_unchanged_key_stays_the_same_object_and_the_snapshot_is_left_alone(
    database: Database, tmp_path: Path, snapshot_path: Path
) -> None:
    key = eddsa_key("key-1")
    database.add(key, "current")
    async with database.feed(tmp_path) as feed:
        first, written = feed.keys["key-1"], status_of(snapshot_path)
        database.add(es256_key("key-2"))
        await seconds_until(lambda: "key-2" in feed.keys)
        assert feed.keys["key-1"] is first
        await seconds_until(lambda: status_of(snapshot_path) != written)
        rewritten = status_of(snapshot_path)
        age = feed.age_ms
        assert age is not None
        await seconds_until(lambda: (feed.age_ms or 0) > 100)
        await seconds_until(lambda: (feed.age_ms or 1000) < 100)  # that was another poll
        assert status_of(snapshot_path) == rewritten
        snapshot = read_snapshot(snapshot_path)
        assert snapshot is not None
        assert [row["key_id"] for row in snapshot.key_rows] == ["key-1", "key-2"]


async def test_one_unusable_row_costs_no_other_key(database: Database, tmp_path: Path) -> None:
    good, bad = eddsa_key("good"), SigningKey("bad", "ES256", eddsa_key("bad").private_key)
    wrong = {**eddsa_key("wrong").row, "algorithm": "ES256"}
    database.add(good, "current")
    database._write(
        "INSERT INTO signing_keys VALUES (%s, %s, %s, '\\x00', 'next')",
        ("wrong", "ES256", Jsonb(wrong["public_jwk"])),
    )
    async with database.feed(tmp_path) as feed:
        assert set(feed.keys) == {"good"}
        assert [key["kid"] for key in feed.jwks()["keys"]] == ["good"]
        assert bad.key_id not in feed.keys


async def test_the_reader_may_go_and_come_back_while_tokens_are_verified(
    postgresql: ScratchPostgresql, database: Database, tmp_path: Path
) -> None:
    key, later = es256_key("key-1"), eddsa_key("later")
    database.add(key, "current")
    async with database.feed(tmp_path) as feed:
        verifier = TokenVerifier(feed, issuer=ISSUER, audience=AUDIENCE)
        postgresql.stop()
        try:
            await seconds_until(lambda: (feed.age_ms or 0) > 1500)
            assert verifier.verify(make_desk(key).token()).person_id == 7
        finally:
            postgresql.start()
        database.add(later)
        await seconds_until(lambda: "later" in feed.keys)
        await seconds_until(lambda: (feed.age_ms or 9999) < 500)


async def test_a_process_starts_from_the_snapshot_when_the_reader_is_gone(
    database: Database, tmp_path: Path
) -> None:
    key = es256_key("key-1")
    database.add(key, "current")
    async with database.feed(tmp_path):
        pass
    database.url = database.url.replace(str(database.server.port), "1")
    async with database.feed(tmp_path) as feed:
        assert TokenVerifier(feed, issuer=ISSUER, audience=AUDIENCE).verify(make_desk(key).token())
        assert feed.age_ms is not None
        assert feed.age_ms > 1000  # the first question waited in vain


async def test_without_reader_and_snapshot_it_starts_with_no_key_and_says_so(
    database: Database, tmp_path: Path
) -> None:
    database.url = database.url.replace(str(database.server.port), "1")
    async with database.feed(tmp_path) as feed:
        assert not feed.keys
        assert feed.age_ms is None


async def test_the_service_publishes_the_keys_and_its_health(database: Database, tmp_path: Path) -> None:
    key = eddsa_key("key-1")
    settings = MiniAuthSettings(
        region="eu", listen="127.0.0.1:1", reader_database=database.url, state_directory=tmp_path
    )
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://keys.test") as client,
    ):
        empty = await client.get("/.well-known/jwks.json")
        assert (empty.status_code, empty.headers["content-type"]) == (503, "application/problem+json")
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).json()["status"] == "not_ready"
        database.add(key, "current")
        await seconds_until(lambda: bool(app.state.knowledge_feed.keys))
        answer = await client.get("/.well-known/jwks.json")
        assert answer.headers["cache-control"] == "public, max-age=2"
        assert answer.json() == {
            "keys": [{**key.row["public_jwk"], "kid": "key-1", "alg": "EdDSA", "use": "sig"}]
        }
        health = (await client.get("/health/ready")).json()
        assert (health["status"], health["process"], health["details"]["keys"]) == ("ready", "mini_auth", 1)
        assert 0 <= health["details"]["age_ms"] < 30_000
        assert (await client.post("/.well-known/jwks.json")).status_code == 405
        assert (await client.get("/docs")).status_code == 404
    assert (tmp_path / SNAPSHOT_NAME).exists()


async def test_a_revocation_is_in_force_within_a_second_and_kills_nothing_else(
    database: Database, tmp_path: Path
) -> None:
    key = es256_key("key-1")
    database.add(key, "current")
    desk = make_desk(key)
    tokens = [desk.token(sid="70"), desk.token(sid="71", jti="token-2"), desk.token(sub="8", sid="80")]
    async with database.feed(tmp_path) as feed:
        verifier = TokenVerifier(feed, issuer=ISSUER, audience=AUDIENCE)

        def good() -> list[bool]:
            return [is_good(verifier, token) for token in tokens]

        assert good() == [True, True, True]
        database.revoke("session", 70)
        assert await seconds_until(lambda: good() == [False, True, True]) < NOTICED_SECONDS
        database.revoke("token", "token-2")
        assert await seconds_until(lambda: good() == [False, False, True]) < NOTICED_SECONDS
        database.revoke("person", 8)
        assert await seconds_until(lambda: good() == [False, False, False]) < NOTICED_SECONDS
    database.url = database.url.replace(str(database.server.port), "1")
    async with database.feed(tmp_path) as feed:
        verifier = TokenVerifier(feed, issuer=ISSUER, audience=AUDIENCE)
        assert good() == [False, False, False], "the snapshot has forgotten what was revoked"


async def test_a_revocation_that_commits_after_a_later_one_is_not_missed(
    database: Database, tmp_path: Path
) -> None:
    """The control would be a feed that asks for what is newer than the newest it knows."""
    key = es256_key("key-1")
    database.add(key, "current")
    desk = make_desk(key)
    slow, quick = desk.token(sid="70"), desk.token(sid="71", jti="token-2")
    insert = "INSERT INTO revocations (kind, subject, expires_at) VALUES ('session', '70', now() + '6 min')"
    async with database.feed(tmp_path) as feed:
        verifier = TokenVerifier(feed, issuer=ISSUER, audience=AUDIENCE)
        with psycopg.connect(database.server.url(database.name, "frontrow_write")) as connection:
            connection.execute(insert)
            database.revoke("session", 71)
            await seconds_until(lambda: not is_good(verifier, quick))
            assert is_good(verifier, slow)
        assert await seconds_until(lambda: not is_good(verifier, slow)) < NOTICED_SECONDS


def is_good(verifier: TokenVerifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except TokenRefusedError:
        return False
    return True

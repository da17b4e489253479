"""What is sensitive waits until revocations can be known; the rest goes on with what is known."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from mini_auth.api_keys import ApiKeys, reader_of_api_keys
from mini_auth.callers import Callers
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.verifier import TokenVerifier
from service_kit.database import create_pool
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import eventually
from tests.scratch_postgresql import ScratchPostgresql
from tests.tokens import AUDIENCE, ISSUER, Desk, es256_key, make_desk

BEARABLE_SECONDS = 1.0


class Reader:
    """A reader with a key and a heartbeat, and a process that follows it."""

    def __init__(self, server: ScratchPostgresql, name: str, desk: Desk) -> None:
        self.server = server
        self._name = name
        self._desk = desk
        self.feed: KnowledgeFeed
        self.callers: Callers

    def beat(self, *, seconds_ago: float = 0) -> None:
        """A heartbeat comes through that was confirmed so long ago."""
        statement = (
            "INSERT INTO heartbeat (generation, beat, written_at, confirmed_at)"
            " VALUES (1, 1, now(), now() - make_interval(secs => %(age)s))"
            " ON CONFLICT (id) DO UPDATE SET confirmed_at = now() - make_interval(secs => %(age)s)"
        )
        with psycopg.connect(self.server.url(self._name, "frontrow_write")) as connection:
            connection.execute(statement, {"age": seconds_ago})

    async def is_fresh(self) -> bool:
        try:
            self.callers.require_fresh_knowledge()
        except Problem as problem:
            assert (problem.kind.status, int(problem.headers["Retry-After"]) >= 1) == (503, True)  # noqa: PT017
            return False
        return True

    async def is_stale(self) -> bool:
        return not await self.is_fresh()

    def verifies(self) -> bool:
        return self.callers.tokens.verify(self._desk.token()).person_id == 7


@pytest.fixture
async def reader(postgresql: ScratchPostgresql, tmp_path: Path) -> AsyncIterator[Reader]:
    desk = make_desk(es256_key("key-1"))
    name = postgresql.create_database()
    with psycopg.connect(postgresql.url(name, "frontrow_write")) as connection:
        connection.execute(
            "INSERT INTO signing_keys VALUES (%s, %s, %s, '\\x00', 'current', now(), now())",
            (desk.key.key_id, desk.key.algorithm, psycopg.types.json.Jsonb(desk.key.row["public_jwk"])),
        )
    one = Reader(postgresql, name, desk)
    pool = create_pool(
        postgresql.url(name), application_name="test-fresh", max_size=2, max_waiting=4, wait_seconds=0.5
    )
    async with pool, KnowledgeFeed(pool, tmp_path) as feed:
        tokens = TokenVerifier(feed, issuer=ISSUER, audience=AUDIENCE)
        one.feed = feed
        one.callers = Callers(
            tokens,
            ApiKeys(reader_of_api_keys(pool)),
            None,
            feed,
            max_knowledge_age_seconds=BEARABLE_SECONDS,
        )
        yield one


async def test_without_any_heartbeat_nobody_knows_how_old_it_is(reader: Reader) -> None:
    assert await reader.is_stale()
    assert reader.verifies()
    reader.beat()
    assert await eventually("it is fresh", reader.is_fresh)


async def test_a_reader_that_cannot_be_read_is_too_old_after_a_while_and_verifying_goes_on(
    reader: Reader,
) -> None:
    reader.beat()
    assert await eventually("it is fresh", reader.is_fresh)
    reader.server.stop()
    try:
        assert await eventually("it is too old", reader.is_stale)
        assert (reader.feed.age_ms or 0) > BEARABLE_SECONDS * 1000 or (
            reader.feed.confirmed_age_ms or 0
        ) > BEARABLE_SECONDS * 1000
        assert reader.verifies()
    finally:
        reader.server.start()
    reader.beat()
    assert await eventually("it is fresh again", reader.is_fresh)


async def test_a_reader_that_answers_and_hears_nothing_new_is_too_old_as_well(reader: Reader) -> None:
    """The control is the reader's own age: it answers each poll, so by that alone it would be fresh."""
    reader.beat()
    assert await eventually("it is fresh", reader.is_fresh)

    async def is_too_old_though_it_answers() -> bool:
        return await reader.is_stale() and (reader.feed.age_ms or 0) < BEARABLE_SECONDS * 1000

    assert await eventually("it is too old", is_too_old_though_it_answers)
    assert reader.verifies()
    reader.beat()
    assert await eventually("it is fresh again", reader.is_fresh)
    reader.beat(seconds_ago=60)
    assert await eventually("it is too old again", reader.is_stale)

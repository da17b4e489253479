"""What a standby says of its slot upstream, and what `up` does about one that is missing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest

from regions.catalogue import Address
from regions.local.component import RunStep, Site
from regions.local.engines.postgresql import PostgreSQL, Upstream
from tests.people import wait_for
from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql

SLOT = "main_us"


class Follower(PostgreSQL):
    """A standby of a server of the tests, which itself never runs."""

    name = "main"
    upstream: Upstream | None = None

    def make_data(self, folder: Path, run_step: RunStep) -> None:
        raise NotImplementedError

    def follows(self) -> Upstream | None:
        return self.upstream


@pytest.fixture(scope="module")
def server() -> Iterator[ScratchPostgresql]:
    with scratch_postgresql() as running:
        yield running


@pytest.fixture
def follower(server: ScratchPostgresql) -> Iterator[Follower]:
    site = SimpleNamespace(credentials=SimpleNamespace(passwords={"postgres": "unused"}))
    standby = Follower(cast("Site", site))
    standby.upstream = Upstream(Address("127.0.0.1", server.port), SLOT)
    yield standby
    execute(server, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


def execute(server: ScratchPostgresql, statement: str) -> None:
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(statement)


@contextmanager
def streamed_with(server: ScratchPostgresql, folder: Path) -> Iterator[None]:
    """Somebody receives WAL with the slot."""
    command = [server.program("pg_receivewal"), "-D", str(folder), "-S", SLOT, "-s", "1"]
    command += ["-d", server.url("postgres", "postgres")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_a_missing_slot_is_told_made_again_and_good_once_it_was_used(
    server: ScratchPostgresql, follower: Follower, tmp_path: Path
) -> None:
    assert "is missing" in str(follower.slot_fault())
    assert not follower.is_usable()
    follower.mend()
    assert "nobody has streamed with it yet" in str(follower.slot_fault())
    assert not follower.is_usable(), "what the standby needs may be gone"
    with streamed_with(server, tmp_path):
        wait_for("the slot has a position", lambda: follower.slot_fault() is None)
    assert follower.is_usable()
    follower.mend()
    assert follower.slot_fault() is None


def test_a_slot_that_was_given_up_is_told(server: ScratchPostgresql, follower: Follower) -> None:
    execute(server, f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
    assert follower.slot_fault() is None
    execute(server, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    execute(server, "ALTER SYSTEM SET max_wal_size = '32MB'")
    execute(server, "ALTER SYSTEM SET min_wal_size = '32MB'")
    execute(server, "SELECT pg_reload_conf()")

    def given_up() -> bool:
        execute(server, "SELECT pg_logical_emit_message(false, 'tests', repeat('x', 1000))")
        execute(server, "SELECT pg_switch_wal()")
        execute(server, "CHECKPOINT")
        return "was given up" in str(follower.slot_fault())

    wait_for("the slot is given up", given_up)
    assert not follower.is_usable()
    follower.mend()
    assert not follower.is_usable(), "only a new copy helps"


def test_who_can_not_ask_takes_what_there_is(follower: Follower) -> None:
    follower.upstream = Upstream(Address("127.0.0.1", 1), SLOT)
    follower.mend()
    assert follower.is_usable()
    follower.upstream = None  # a primary
    follower.mend()
    assert follower.is_usable()

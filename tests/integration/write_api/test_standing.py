"""Where its main is a standby, write_api stands by; it takes over without a restart when that is promoted."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.integration.write_api.application import Database, eventually, running_application
from tests.integration.write_api.test_heartbeat import heartbeat, ready, until_ready
from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql
from write_api.heartbeat import IDLE_BEAT_SECONDS


def make_standby(server: ScratchPostgresql) -> None:
    """The server again, in recovery: it has nobody to follow, and waits."""
    server.stop()
    server.mark_as_standby()
    server.start()


OPEN_GENERATION = (
    "INSERT INTO generations (generation, primary_region, system_identifier, timeline, fork_lsn, members) "
    "SELECT %s, %s, (SELECT system_identifier FROM pg_control_system()), "
    "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer, pg_current_wal_lsn(), '{}'"
)


def open_generation(database: Database, number: int, region: str = "eu") -> None:
    """What an operation does that makes this main, as it is now, the primary of the next generation."""
    database.rows(OPEN_GENERATION, number, region)


async def test_it_stands_by_quietly_and_takes_over_when_its_main_is_promoted(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with scratch_postgresql() as server:
        database = Database(server)
        make_standby(server)
        async with running_application(database, state) as application:
            assert await ready(application) == (503, {
                "writer": False, "state": "standby", "main": "standby", "durability": "local",
                "generation": None, "highest_generation_seen": None, "fenced": False,
                "mail": {"sends": False, "queued": 0, "oldest_queued_seconds": 0},
            })  # fmt: skip
            for path in ("/api/v1/accounts", "/api/v1/login", "/api/v1/events"):
                refused = await application.anonymous.post(path, json={})
                assert refused.status_code == 503
                assert refused.headers["Retry-After"]
                assert refused.headers["Content-Type"] == "application/problem+json"
            assert (await application.anonymous.get("/openapi/write.json")).status_code == 200
            assert (await application.anonymous.get("/health/live")).status_code == 200
            assert heartbeat(database)["beat"] == 0
            assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []

            database.rows("SELECT pg_promote()")  # there is no generation yet, so it opens the first
            await until_ready(application)
            host = await application.sign_up("host", "customer")
            await host.booked((await host.created())["id"])


async def test_a_primary_that_comes_back_as_a_standby_is_no_writer(state: Path) -> None:
    with scratch_postgresql() as server:
        database = Database(server)
        async with running_application(database, state) as application:
            await until_ready(application)
            make_standby(server)

            async def stands_by() -> bool:
                return (await ready(application))[1]["main"] == "standby"

            await eventually("it stands by", stands_by)
            assert (await ready(application))[0] == 503
            beat = heartbeat(database)["beat"]
            await asyncio.sleep(2 * IDLE_BEAT_SECONDS)
            assert heartbeat(database)["beat"] == beat


async def test_a_main_that_was_promoted_by_hand_is_no_writer_before_a_generation_is_opened_with_it(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with scratch_postgresql() as server:
        database = Database(server)
        async with running_application(database, state) as application:
            await until_ready(application)
            make_standby(server)
            database.rows("SELECT pg_promote()")

            async def is_refused() -> bool:
                return (await ready(application))[1]["state"] == "unopened"

            await eventually("it is refused", is_refused)
            code, details = await ready(application)
            assert (code, details["writer"], details["main"]) == (503, False, "primary")
            assert (details["generation"], details["highest_generation_seen"]) == (None, 1)
            beat = heartbeat(database)["beat"]
            refused = await application.anonymous.post("/api/v1/login", json={})
            assert refused.status_code == 503
            assert refused.headers["Retry-After"]
            assert "no generation was opened" in refused.json()["detail"]
            assert heartbeat(database)["beat"] == beat
            assert sum(one.levelno == logging.CRITICAL for one in caplog.records) == 1

            open_generation(database, 2)
            await until_ready(application)
            assert (await ready(application))[1]["generation"] == 2

            async def beats_under_it() -> bool:
                return bool(heartbeat(database)["generation"] == 2)

            await eventually("it beats under the new generation", beats_under_it)


async def test_a_copy_that_starts_as_a_primary_in_another_region_is_no_writer(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        await until_ready(application)
    async with running_application(database, state, changes={"region": "us"}) as application:
        assert (await ready(application))[1]["state"] == "unopened"

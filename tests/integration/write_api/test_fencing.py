"""A primary that another main knows a newer one of takes no writes, from the moment it hears so."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.write_api.application import Application, Database, eventually, running_application
from tests.integration.write_api.test_answers import CommandedRule
from tests.integration.write_api.test_heartbeat import heartbeat, ready, until_beats, until_ready
from tests.integration.write_api.test_standing import open_generation
from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql
from write_api.heartbeat import IDLE_BEAT_SECONDS
from write_api.writer_state import WriterState, writer_state

NOWHERE = "postgresql://frontrow_read@127.0.0.1:1/frontrow"


@pytest.fixture
def elsewhere(postgresql: ScratchPostgresql) -> Database:
    """Another region's main."""
    return Database(postgresql)


def beside(other: Database) -> dict[str, Any]:
    return {"other_mains": {"us": other.url("frontrow_read"), "ap": NOWHERE}}


async def until_fenced(application: Application) -> dict[str, Any]:
    async def is_fenced() -> bool:
        return bool((await ready(application))[1]["fenced"])

    await eventually("it is fenced", is_fenced)
    return (await ready(application))[1]


async def refused_details(application: Application, database: Database) -> set[str]:
    """What requests of several kinds are told; none may have written anything."""
    before = database.counts()
    details = set()
    for path in ("/api/v1/accounts", "/api/v1/login", "/api/v1/events", "/api/v1/bookings"):
        began = time.monotonic()
        answer = await application.anonymous.post(path, json={})
        assert (answer.status_code, time.monotonic() - began < 1) == (503, True)
        assert answer.headers["Retry-After"]
        details.add(answer.json()["detail"])
    assert database.counts() == before
    return details


def critical(caplog: pytest.LogCaptureFixture) -> int:
    return sum(one.levelno == logging.CRITICAL for one in caplog.records)


async def test_a_running_writer_stops_when_another_main_knows_a_higher_generation(
    database: Database, elsewhere: Database, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changes = beside(elsewhere) | {"hold_seconds": 1}
    async with running_application(database, state, changes=changes) as application:
        await until_ready(application)
        host = await application.sign_up("host", "customer")
        booking = await host.booked((await host.created())["id"])
        open_generation(elsewhere, 1)
        await until_beats(database, 3)
        assert (await ready(application))[0] == 200, "the same generation elsewhere is what should be"
        booking = await host.booked((await host.created())["id"])
        open_generation(elsewhere, 2, region="us")
        details = await until_fenced(application)
        assert details.pop("mail")["sends"] is False, "no address to send mails to is set here"
        assert details == {
            "writer": False, "state": "fenced", "main": "primary", "durability": "local",
            "generation": 1, "highest_generation_seen": 2, "fenced": True,
        }  # fmt: skip
        [detail] = await refused_details(application, database)
        assert "generation 2" in detail
        beat = heartbeat(database)["beat"]
        await asyncio.sleep(2 * IDLE_BEAT_SECONDS)  # the hold's end comes within them
        assert heartbeat(database)["beat"] == beat
        assert database.has("SELECT FROM bookings WHERE id = %s AND status = 'held'", booking["id"])
        assert critical(caplog) == 1
        assert (await host.client.get(f"/api/v1/bookings/{booking['id']}")).status_code == 503

        open_generation(database, 3)  # an operation made this one the primary again
        await until_ready(application)
        assert (await ready(application))[1]["highest_generation_seen"] == 3


async def test_an_answer_that_waits_when_the_writer_is_fenced_never_leaves(
    database: Database, elsewhere: Database, state: Path
) -> None:
    changes = beside(elsewhere) | {"answer_wait_seconds": 5}
    rule = CommandedRule()
    async with running_application(database, state, changes=changes, confirmation_rule=rule) as application:
        await until_ready(application)
        host = await application.sign_up("host", "customer")
        event = await host.created()
        rule.confirms = False
        booking = asyncio.create_task(host.book(event["id"]))

        async def is_committed() -> bool:
            return database.counts()["bookings"] == 1

        await eventually("it is committed", is_committed)
        open_generation(elsewhere, 2, region="us")
        await until_fenced(application)
        rule.confirms = True
        assert (await booking).status_code == 503


async def test_it_starts_fenced_and_stays_so_where_it_can_ask_nobody(
    database: Database, elsewhere: Database, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_application(database, state) as application:
        await until_ready(application)
    beat = heartbeat(database)["beat"]
    open_generation(elsewhere, 2, region="us")
    for others in (beside(elsewhere), {"other_mains": {"us": NOWHERE}}, {}):
        caplog.clear()
        async with running_application(database, state, changes=others) as application:
            details = (await ready(application))[1]
            assert (details["fenced"], details["highest_generation_seen"]) == (True, 2), others
            assert len(await refused_details(application, database)) == 1
            assert critical(caplog) == 1
    assert heartbeat(database)["beat"] == beat
    open_generation(database, 2)  # its data has caught up: it may write again
    async with running_application(database, state) as application:
        await until_ready(application)


async def test_a_primary_without_the_comparison_would_go_on(
    database: Database, elsewhere: Database, state: Path
) -> None:
    def blind(**known: Any) -> WriterState:
        return writer_state(**known | {"generations_seen": ()})

    open_generation(elsewhere, 2, region="us")
    async with running_application(
        database, state, changes=beside(elsewhere), writer_rule=blind
    ) as application:
        await until_ready(application)
        assert (await ready(application))[1]["highest_generation_seen"] == 2
        await application.sign_up("host")


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Takes connections and never says a word, like a link that is cut."""
    gone = asyncio.Event()

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(keep, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql://frontrow_read@127.0.0.1:{port}/frontrow"
    finally:
        gone.set()
        server.close()


async def test_mains_that_are_away_hold_up_no_start_for_long_and_no_request(
    database: Database, state: Path
) -> None:
    async with silent_server() as silent:
        changes = {"other_mains": {"us": silent, "ap": NOWHERE}}
        began = time.monotonic()
        async with running_application(database, state, changes=changes) as application:
            started_seconds = time.monotonic() - began
            assert 1.9 < started_seconds < 10, "two seconds, and what a busy machine adds"
            await until_ready(application)
            host = await application.sign_up("host", "customer")
            await host.booked((await host.created())["id"])
            details = (await ready(application))[1]
            assert (details["writer"], details["highest_generation_seen"]) == (True, 1)


async def test_a_main_that_comes_back_with_a_higher_generation_is_heard(
    database: Database, state: Path
) -> None:
    with scratch_postgresql() as server:
        other = Database(server)
        async with running_application(database, state, changes=beside(other)) as application:
            await until_ready(application)
            server.stop()
            await until_beats(database, 3)
            assert (await ready(application))[0] == 200
            server.start()
            open_generation(other, 2, region="us")
            await until_fenced(application)


async def test_a_memory_that_can_not_be_read_ends_the_start(database: Database, state: Path) -> None:
    (state / "highest-generation-seen").write_text("many", encoding="utf-8")
    with pytest.raises(ValueError, match="highest generation"):
        async with running_application(database, state):
            pass

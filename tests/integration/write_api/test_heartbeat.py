"""The heartbeat tells how fresh everything is, and who can write."""

import asyncio
import time
from pathlib import Path
from typing import Any

from service_kit.background import running
from service_kit.database import create_pool
from tests.integration.write_api.application import (
    Application,
    Database,
    eventually,
    running_application,
)
from tests.integration.write_api.test_answers import CommandedRule
from tests.scratch_postgresql import scratch_postgresql
from write_api.answer_gate import AnswerGate, LocalFlush
from write_api.heartbeat import BEAT_SECONDS, Heartbeat


def heartbeat(database: Database) -> dict[str, Any]:
    rows = database.rows("SELECT * FROM heartbeat")
    return rows[0] if rows else {"beat": 0, "confirmed_at": None}


async def until_beats(database: Database, more: int) -> None:
    await until_beat(database, heartbeat(database)["beat"] + more)


async def until_beat(database: Database, number: int) -> None:
    async def has_beaten() -> bool:
        return bool(heartbeat(database)["beat"] >= number)

    await eventually(f"beat {number}", has_beaten)


async def ready(application: Application) -> tuple[int, dict[str, Any]]:
    answer = await application.anonymous.get("/health/ready")
    return answer.status_code, answer.json()["details"]


async def until_ready(application: Application) -> None:
    async def is_ready() -> bool:
        return (await ready(application))[0] == 200

    await eventually("the writer is ready", is_ready)


async def test_the_first_start_opens_generation_1_and_a_second_start_none(
    database: Database, state: Path
) -> None:
    for _ in range(2):
        async with running_application(database, state) as application:
            await until_ready(application)
            assert (await ready(application))[1] == {
                "writer": True, "state": "writer", "main": "primary", "durability": "local",
                "generation": 1, "highest_generation_seen": 1, "fenced": False,
                "mail": {"sends": False, "queued": 0, "oldest_queued_seconds": 0},
            }  # fmt: skip
    [generation] = database.rows(
        "SELECT generation, primary_region, timeline, members, "
        "system_identifier = (SELECT system_identifier FROM pg_control_system()) AS is_this_system "
        "FROM generations"
    )
    assert generation == {
        "generation": 1,
        "primary_region": "eu",
        "timeline": 1,
        "members": [],
        "is_this_system": True,
    }


async def test_each_beat_carries_when_the_one_before_was_confirmed(database: Database, state: Path) -> None:
    async with running_application(database, state) as application:
        await until_ready(application)
        await until_beats(database, 2)
        before = heartbeat(database)
        await until_beats(database, 2)
        after = heartbeat(database)
    assert before["confirmed_at"] < before["written_at"]
    assert before["confirmed_at"] < after["confirmed_at"] < after["written_at"]


async def test_quiet_is_told_of_seldom_and_the_first_answer_after_it_at_once(
    database: Database, state: Path
) -> None:
    async with running_application(database, state) as application:
        await until_ready(application)  # which opened a generation to beat under
    async with create_pool(
        database.url("frontrow_write"), application_name="test", max_size=2, max_waiting=8
    ) as pool:
        gate = AnswerGate(LocalFlush(pool), wait_seconds=5)
        quiet = Heartbeat(pool, gate, own_generation=lambda: 1, idle_seconds=3600)
        beat = heartbeat(database)["beat"]
        async with running("gate", gate.run), running("heartbeat", quiet.run):
            await until_beat(database, beat + 1)
            await asyncio.sleep(3 * BEAT_SECONDS)
            assert heartbeat(database)["beat"] == beat + 1
            await gate.confirmed()
            await until_beat(database, beat + 2)


async def test_a_primary_that_can_confirm_nothing_beats_on_but_its_age_grows_and_it_is_no_writer(
    database: Database, state: Path
) -> None:
    rule = CommandedRule()
    async with running_application(database, state, confirmation_rule=rule) as application:
        await until_ready(application)
        rule.confirms = False
        await until_beats(database, 2)
        before = heartbeat(database)
        await until_beats(database, 2)
        assert heartbeat(database)["confirmed_at"] == before["confirmed_at"]

        async def is_no_writer() -> bool:
            code, details = await ready(application)
            return (code, details["writer"], details["state"]) == (503, False, "unconfirmed")

        await eventually("it is no writer", is_no_writer)
        rule.confirms = True
        await until_ready(application)


async def test_a_restart_of_the_database_costs_503s_and_no_restart_of_ours(state: Path) -> None:
    with scratch_postgresql() as server:
        database = Database(server)
        async with running_application(database, state) as application:
            host = await application.sign_up("host", "customer")
            event = await host.created()
            await until_ready(application)
            server.stop()
            began = time.monotonic()
            answer = await host.book(event["id"])
            assert answer.status_code == 503
            assert "Retry-After" in answer.headers
            # The wait for a connection, and not that of the gate: a 503 promises nothing to confirm.
            assert time.monotonic() - began < 4

            async def is_no_writer() -> bool:
                return (await ready(application))[0] == 503

            await eventually("it is no writer", is_no_writer)
            server.start()
            await until_ready(application)
            await host.booked(event["id"])

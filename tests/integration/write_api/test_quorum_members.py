"""The generation's row names a member before it counts, and until it no longer can."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.write_api.application import Application, Database, eventually, running_application
from tests.integration.write_api.test_answers import member
from tests.integration.write_api.test_heartbeat import heartbeat, ready, until_beats, until_ready
from tests.people import PASSWORD


def row(database: Database) -> tuple[list[str], list[str]]:
    """Who is named, and who counts."""
    [found] = database.rows("SELECT members, counted_members FROM generations")
    return found["members"], found["counted_members"]


async def until_row(database: Database, members: list[str], counted: list[str]) -> None:
    async def is_so() -> bool:
        return row(database) == (members, counted)

    await eventually(f"{members} are named and {counted} count", is_so)


@asynccontextmanager
async def quorum_of(database: Database, state: Path, *members: str) -> AsyncIterator[Application]:
    """write_api under these members, one of which must confirm; alone with none."""
    changes: dict[str, Any] = {"answer_wait_seconds": 0.5}
    if members:
        changes |= {"durability": "quorum", "quorum_members": members}
    async with running_application(database, state, changes=changes) as application:
        yield application


async def is_answered(application: Application) -> bool:
    account = {"email": "ana@example.com", "password": PASSWORD}
    return (await application.anonymous.post("/api/v1/login", json=account)).status_code != 503


async def test_a_new_member_confirms_nothing_before_the_old_ones_know_of_it(
    database: Database, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with quorum_of(database, state, "us") as application:
        with member(database, "us", state / "us1"):
            await until_ready(application)
        assert row(database) == (["us"], ["us"])
    for _ in range(2):  # a second start goes on where the first was ended
        async with quorum_of(database, state, "us", "ap") as application:
            with member(database, "ap", state / f"ap{_}"):
                await until_row(database, ["ap", "us"], ["us"])
                await until_beats(database, 3)  # time enough for ap to have flushed
                assert not await is_answered(application)
                code, details = await ready(application)
                assert (code, details["state"]) == (503, "unconfirmed")
    assert any("us must hear of the new members" in str(vars(one)) for one in caplog.records)
    async with quorum_of(database, state, "us", "ap") as application:
        with member(database, "us", state / "us2"):
            await until_ready(application)
            assert row(database) == (["ap", "us"], ["ap", "us"])
        with member(database, "ap", state / "ap2"):
            await eventually("ap counts alone", lambda: is_answered(application))


async def test_a_member_that_was_removed_is_named_until_the_others_have_what_it_confirmed(
    database: Database, state: Path
) -> None:
    async with quorum_of(database, state, "us", "ap") as application:
        with member(database, "ap", state / "ap1"):
            await until_ready(application)
    async with quorum_of(database, state, "us") as application:
        with member(database, "ap", state / "ap2"):
            await until_row(database, ["ap", "us"], ["us"])
            await until_beats(database, 2)
            assert not await is_answered(application)
        assert row(database) == (["ap", "us"], ["us"])
        with member(database, "us", state / "us1"):
            await until_row(database, ["us"], ["us"])
            await until_ready(application)


async def test_a_region_that_goes_on_alone_and_gets_company_again(
    database: Database, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for folder, members in enumerate([["us"], [], ["us"], []]):
        async with quorum_of(database, state, *members) as application:
            with member(database, "us", state / str(folder)):
                await until_ready(application)
                await until_row(database, members, members)
                durability = (await ready(application))[1]["durability"]
                assert durability == ("quorum" if members else "local")
    assert [one for one in caplog.records if one.levelno >= logging.WARNING and one.name == "write_api"] == []
    assert heartbeat(database)["generation"] == 1


async def test_nothing_else_of_a_generation_can_be_changed(database: Database, state: Path) -> None:
    async with quorum_of(database, state) as application:
        await until_ready(application)
    with psycopg.connect(database.url("frontrow_write"), autocommit=True) as connection:
        for column in ("generation", "timeline", "fork_lsn", "primary_region", "opened_at"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"UPDATE generations SET {column} = {column}".encode())
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("UPDATE generations SET counted_members = '{us}'")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM generations")

"""A pipelined transaction waits for the server where an answer is needed, and is whole all the same."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection
from psycopg.pq import PipelineStatus, TransactionStatus
from psycopg.rows import dict_row

from service_kit.database import Connection
from service_kit.pipelines import in_pipeline, pipelined_transaction
from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql


@pytest.fixture(scope="module")
def postgresql() -> Iterator[ScratchPostgresql]:
    with scratch_postgresql() as server:
        yield server


@pytest.fixture
async def connection(postgresql: ScratchPostgresql) -> AsyncIterator[Connection]:
    url = postgresql.url(postgresql.create_database(), "postgres")
    async with await AsyncConnection.connect(url, autocommit=True, row_factory=dict_row) as connection:
        await connection.execute("CREATE TABLE kept (number integer PRIMARY KEY)")
        yield connection


async def numbers(connection: Connection) -> list[int]:
    assert connection.pgconn.transaction_status == TransactionStatus.IDLE
    assert connection.pgconn.pipeline_status == PipelineStatus.OFF
    cursor = await connection.execute("SELECT number FROM kept ORDER BY number")
    return [row["number"] for row in await cursor.fetchall()]


async def insert(connection: Connection, number: int) -> None:
    await connection.execute("INSERT INTO kept VALUES (%s)", (number,))


async def test_what_is_done_is_kept_and_what_was_asked_is_there_afterwards(connection: Connection) -> None:
    async with pipelined_transaction(connection):
        await insert(connection, 1)
        asked = await connection.execute("SELECT count(*) AS n FROM kept")
        await insert(connection, 2)
    assert await asked.fetchone() == {"n": 1}
    assert await numbers(connection) == [1, 2]


async def fail(connection: Connection, *, is_awaited: bool) -> None:
    async with pipelined_transaction(connection):
        await insert(connection, 2)
        failing = await connection.execute("INSERT INTO kept VALUES (1) RETURNING number")
        if is_awaited:
            await failing.fetchone()
        await insert(connection, 3)


@pytest.mark.parametrize("is_awaited", [True, False])
async def test_a_statement_that_fails_undoes_all_whenever_it_is_heard_of(
    connection: Connection, is_awaited: bool
) -> None:
    await insert(connection, 1)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await fail(connection, is_awaited=is_awaited)
    assert await numbers(connection) == [1]


async def give_up(connection: Connection) -> None:
    async with pipelined_transaction(connection):
        await insert(connection, 1)
        raise LookupError


async def test_whoever_raises_within_undoes_all(connection: Connection) -> None:
    with pytest.raises(LookupError):
        await give_up(connection)
    assert await numbers(connection) == []


async def end_the_connection(connection: Connection) -> None:
    async with pipelined_transaction(connection):
        await insert(connection, 1)
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_connection_that_is_gone_is_told_as_such(connection: Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        await end_the_connection(connection)


async def waits(
    connection: Connection, transaction: AbstractAsyncContextManager[object], folder: Path
) -> int:
    """How often a transaction, in the middle of which an answer is needed, waits for the server."""
    with (folder / "trace").open("w+b") as trace:
        connection.pgconn.trace(trace.fileno())
        async with transaction:
            async with in_pipeline(connection):
                await insert(connection, 1)
                asked = await connection.execute("SELECT count(*) AS n FROM kept")
            assert await asked.fetchone() == {"n": 1}
            await connection.execute("DELETE FROM kept")
        connection.pgconn.untrace()
        trace.seek(0)
        directions = [line.split(b"\t")[1] for line in trace if line.count(b"\t") > 2]
    return sum(turn == (b"F", b"B") for turn in pairwise(directions))


async def test_it_waits_for_that_answer_and_at_the_end(connection: Connection, tmp_path: Path) -> None:
    assert await waits(connection, pipelined_transaction(connection), tmp_path) == 2


async def test_control_a_transaction_of_psycopg_waits_for_more(
    connection: Connection, tmp_path: Path
) -> None:
    async with connection.pipeline():
        assert await waits(connection, connection.transaction(), tmp_path) > 2

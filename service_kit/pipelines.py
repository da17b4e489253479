"""Transactions that wait for the server only where somebody needs an answer.

psycopg's own `transaction()` waits for it at its begin, before its commit and after it, also in a pipeline;
so does each `pipeline()` within another one (3.3). Under a lock that others wait for, each is a round trip.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg.pq import PipelineStatus

from service_kit.database import Connection, Row


@dataclass(slots=True)
class Committed:
    """What was asked right behind the commit, once that is over."""

    row: Row | None = None


@asynccontextmanager
async def pipelined_transaction(
    connection: Connection, *, then: LiteralString | None = None
) -> AsyncIterator[Committed]:
    """A transaction whose begin and commit travel with its statements, and `then` a statement behind it.

    It is one round trip, and one more for each answer that is awaited within. A statement may fail as late as
    at the end; nothing is done then. What was not awaited within is there afterwards. Raises psycopg.Error.
    """
    committed, asked = Committed(), None
    try:
        async with connection.pipeline():
            await connection.execute("BEGIN", prepare=False)
            yield committed
            await connection.execute("COMMIT", prepare=False)
            if then is not None:
                asked = await connection.execute(then)
    except BaseException:
        with suppress(psycopg.OperationalError):  # of a connection that is gone, nothing is left to undo
            await connection.rollback()
        raise
    if asked is not None:
        committed.row = await asked.fetchone()


@asynccontextmanager
async def in_pipeline(connection: Connection) -> AsyncIterator[None]:
    """Sends together what is sent within. In a pipeline already, it waits for nothing of its own."""
    if connection.pgconn.pipeline_status != PipelineStatus.OFF:
        yield
        return
    async with connection.pipeline():
        yield

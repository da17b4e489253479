"""Work that runs beside the requests for as long as the process serves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg

from service_kit.database import UNAVAILABLE_ERRORS

_LOG = logging.getLogger(__name__)

# What a loop outlives: a database that is away, restarts, became a standby, or refuses a statement.
DATABASE_ERRORS: tuple[type[Exception], ...] = (psycopg.Error, *UNAVAILABLE_ERRORS)


@asynccontextmanager
async def running(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
    """Runs `work` while entered, cancels it on leaving and waits for its end.

    Nobody awaits a loop, so its unexpected end would pass unseen: it is logged here at once, and whoever
    watches health sees its effect (no heartbeat, no confirmation, holds that stay).
    """

    def on_end(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            _LOG.critical("background work ended", extra={"work": name}, exc_info=task.exception())

    async def run() -> None:
        await work()

    task = asyncio.create_task(run(), name=name)
    task.add_done_callback(on_end)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

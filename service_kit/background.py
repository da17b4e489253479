"""Work that runs beside the requests for as long as the process serves."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_LOG = logging.getLogger(__name__)

CANCEL_AGAIN_SECONDS = 1.0


@asynccontextmanager
async def running(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
    """Runs `work` while entered, cancels it on leaving and waits for its end.

    Nobody awaits a loop, so its unexpected end would pass unseen: it is logged here at once, and whoever
    watches health sees its effect (no heartbeat, no confirmation, an age that grows).
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
        await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels until the task has ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11, with which psycopg's pool waits for a connection,
    swallows a cancellation that comes when the connection does (python/cpython#86296), and the loop goes on.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)

"""A pool serves again after an outage of the server, however long it was and however many asked meanwhile."""

import asyncio
import time

import pytest

from service_kit.database import UNAVAILABLE_ERRORS, create_pool
from tests.people import DEADLINE_SECONDS
from tests.scratch_postgresql import scratch_postgresql

MAX_WAITING = 3


async def test_an_outage_that_filled_the_queue_does_not_outlast_the_server() -> None:
    with scratch_postgresql() as server:
        url = server.url(server.create_database())
        pool = create_pool(
            url, application_name="test", max_size=2, max_waiting=MAX_WAITING, wait_seconds=0.5
        )

        async def ask() -> bool:
            try:
                async with pool.connection() as connection:
                    await connection.execute("SELECT 1")
            except UNAVAILABLE_ERRORS:
                return False
            return True

        async with pool:
            assert await ask()
            server.stop()
            start = time.monotonic()
            while pool.get_stats()["pool_size"] > 0:  # until the pool itself has given up
                assert not any(await asyncio.gather(*(ask() for _ in range(4 * MAX_WAITING))))
                assert time.monotonic() - start < DEADLINE_SECONDS, "the pool never gave up"
            assert not any(await asyncio.gather(*(ask() for _ in range(4 * MAX_WAITING))))
            server.start()
            start = time.monotonic()
            while not await ask():
                assert time.monotonic() - start < DEADLINE_SECONDS, "the pool never came back"
                await asyncio.sleep(0.05)


async def test_a_client_that_is_cancelled_leaves_the_queue() -> None:
    with scratch_postgresql() as server:
        pool = create_pool(
            server.url(server.create_database()), application_name="test", max_size=1, max_waiting=1
        )
        async with pool, pool.connection():
            waiting = asyncio.create_task(pool.getconn())
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not pool.get_stats()["requests_waiting"]:  # noqa: ASYNC110 - the pool has no event for it
                    await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert pool.get_stats()["requests_waiting"] == 0

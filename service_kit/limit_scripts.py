"""A script that counts limits in Redis, asked over one connection that is kept.

The client's own way costs twice as much for each call, and microseconds for each value that it sends or
reads: so the command is written by hand, and numbers travel as one text in each direction.
"""

import asyncio
import hashlib
import logging
import math
from collections.abc import Callable, Sequence

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 16
PAUSE_SECONDS = 1.0

_LOG = logging.getLogger(__name__)


class LimitScript:
    """`script` in Redis at `url`, which answers numbers in one text. `clock` is in seconds.

    Only one call may be under way: who has more waits for it.
    """

    def __init__(self, url: str, script: str, *, clock: Callable[[], float]) -> None:
        self._redis = Redis.from_pool(
            BlockingConnectionPool.from_url(
                url,
                max_connections=MAX_CONNECTIONS,
                timeout=TIMEOUT_SECONDS,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
        )
        self._script = script
        self._sha1 = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        self._clock = clock
        self._connection: AbstractConnection | None = None
        self._away_until = -math.inf

    @property
    def is_away(self) -> bool:
        """Whether Redis did not answer within the last second: whoever asks now waits for nothing."""
        return self._clock() < self._away_until

    async def run(self, keys: Sequence[str], numbers: str) -> list[int] | None:
        """What the script answers; None where Redis is away, which is known after half a second."""
        command = _packed(("EVALSHA", self._sha1, str(len(keys)), *keys, numbers))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                told = [int(number) for number in (await self._answer_to(command)).split()]
        except (RedisError, OSError, TimeoutError) as error:
            await self._drop_connection()
            if self._away_until == -math.inf:
                _LOG.warning("limits are counted alone", extra={"reason": type(error).__name__})
            self._away_until = self._clock() + PAUSE_SECONDS
            return None
        if self._away_until != -math.inf:
            _LOG.info("limits are counted together again")
            self._away_until = -math.inf
        return told

    async def close(self) -> None:
        """Closes the connections; nobody may ask any more."""
        await self._drop_connection()
        await self._redis.aclose()

    async def _answer_to(self, command: bytes) -> bytes:
        if self._connection is None:
            self._connection = await self._redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        connection = self._connection
        await connection.send_packed_command(command, check_health=False)
        try:
            answer: bytes = await connection.read_response()
        except NoScriptError:  # Redis is new
            await self._redis.script_load(self._script)
            await connection.send_packed_command(command, check_health=False)
            answer = await connection.read_response()
        return answer

    async def _drop_connection(self) -> None:
        """One with half an answer on the way is of no use any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._redis.connection_pool.release(connection)


def _packed(words: Sequence[str]) -> bytes:
    """A command as Redis reads it (RESP)."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded])

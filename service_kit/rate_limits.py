"""Rate limits that hold across processes: the generic cell rate algorithm (GCRA), in Redis.

A limit of n in w seconds is one number a key: the time at which all that was taken would be paid back at the
rate n/w. It allows n at once, n in each w from then on, and has no window edge at which twice as many pass.
Source: ITU-T I.371, annex A, in the virtual scheduling form; one script does it for all keys of a request, so
that either all are counted or none.

Redis only counts: where it is away, each process counts for itself until it is back.
"""

import asyncio
import hashlib
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 16
PAUSE_SECONDS = 1.0
MAX_LOCAL_KEYS = 100_000
_MICROSECONDS = 1_000_000

_LOG = logging.getLogger(__name__)

# KEYS: of all requests, one a limit. ARGV: numbers in one text, of each request how many to take (-1 gives
# one back), of how many limits, and of each of them the microseconds of one and of all. Requests are counted
# in their order, each under all of its limits or under none. Answers numbers in one text, of each limit the
# microseconds until it has room (0: it has), and those until it is paid back. One text, since the client
# takes microseconds for each value that it sends or reads.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local number = string.gmatch(ARGV[1], '%S+')
local answer, counted = {}, 0
while counted < #KEYS do
    local take, limits = tonumber(number()), tonumber(number())
    local paid_back, wait, allowed = {}, {}, true
    for i = 1, limits do
        local one, all = tonumber(number()), tonumber(number())
        local at = math.max(tonumber(redis.call('GET', KEYS[counted + i]) or now), now)
        local after = math.max(at + take * one, now)
        wait[i] = math.max(after - all - now, 0)
        if wait[i] > 0 then allowed = false; paid_back[i] = at else paid_back[i] = after end
    end
    for i = 1, limits do
        local key = KEYS[counted + i]
        if allowed and paid_back[i] > now then
            local kept_milliseconds = math.ceil((paid_back[i] - now) / 1000)
            redis.call('SET', key, string.format('%.0f', paid_back[i]), 'PX', kept_milliseconds)
        elseif allowed then
            redis.call('DEL', key)
        end
        answer[#answer + 1] = string.format('%.0f %.0f', wait[i], paid_back[i] - now)
    end
    counted = counted + limits
end
return table.concat(answer, ' ')
"""
_SCRIPT_SHA1 = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
MAX_REQUESTS_PER_SCRIPT = 200
"""Redis serves nobody else meanwhile: some milliseconds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in `seconds`, each key on its own; `name` is part of the key and of what people see."""

    name: str
    count: int
    seconds: float
    one_microseconds: int = field(init=False, compare=False)
    """How long it takes to pay one back."""
    all_microseconds: int = field(init=False, compare=False)
    """How long it takes to pay all of them back."""

    def __post_init__(self) -> None:
        one = math.ceil(self.seconds * _MICROSECONDS / self.count)
        object.__setattr__(self, "one_microseconds", one)
        object.__setattr__(self, "all_microseconds", one * self.count)

    def times(self, factor: int) -> "Limit":
        """The same limit for so many times as many."""
        return Limit(self.name, self.count * factor, self.seconds)


class Taken(NamedTuple):
    """What came of a request under one limit."""

    limit: Limit
    remaining: int
    reset_seconds: int
    """Until all of the limit is there again."""
    retry_after_seconds: int
    """0 where the request is within the limit."""


class _Asked(NamedTuple):
    """A request that waits to be counted in Redis, as the script takes it."""

    keys: Sequence[str]
    numbers: list[int]
    answer: "asyncio.Future[list[int] | None]"


class RateLimiter:
    """Counts under limits, in Redis at `url`; without one, in this process alone.

    Requests that come in the same turn of the event loop, or while Redis is asked, share one round trip.
    """

    def __init__(self, url: str | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._redis = (
            None
            if url is None
            else Redis.from_pool(
                BlockingConnectionPool.from_url(
                    url,
                    max_connections=MAX_CONNECTIONS,
                    timeout=TIMEOUT_SECONDS,
                    socket_timeout=TIMEOUT_SECONDS,
                    socket_connect_timeout=TIMEOUT_SECONDS,
                    retry=Retry(NoBackoff(), 0),
                )
            )
        )
        self._connection: AbstractConnection | None = None
        self._clock = clock
        self._local: OrderedDict[str, int] = OrderedDict()
        self._away_until = -math.inf
        self._asked: list[_Asked] = []
        self._asking: asyncio.Task[None] | None = None

    async def take(self, *asked: tuple[Limit, str], count: int = 1) -> list[Taken]:
        """Counts a request under each (limit, key), or under none if any of them has no room.

        `count` is as how many it counts; as more than a limit allows at once it is always refused.
        """
        return await self._count(asked, count)

    async def give_back(self, *asked: tuple[Limit, str]) -> list[Taken]:
        """Takes back what `take` counted, as for a login that turned out to be right; says what is left."""
        return await self._count(asked, -1)

    async def close(self) -> None:
        """Closes the connections; nobody may ask any more."""
        if self._redis is not None:
            await self._drop_connection(self._redis)
            await self._redis.aclose()

    async def _count(self, asked: Sequence[tuple[Limit, str]], take: int) -> list[Taken]:
        keys = [f"limit:{limit.name}:{key}" for limit, key in asked]
        told = None
        if self._redis is not None and not self._is_away:
            told = await self._in_redis(self._redis, keys, asked, take)
        if told is None:
            told = self._in_process(keys, [limit for limit, _ in asked], take)
        return [
            _taken(limit, wait, owed)
            for (limit, _), wait, owed in zip(asked, told[::2], told[1::2], strict=True)
        ]

    def _in_redis(
        self, redis: Redis, keys: Sequence[str], asked: Sequence[tuple[Limit, str]], take: int
    ) -> "asyncio.Future[list[int] | None]":
        """Of each the microseconds to wait, and those owed; None where Redis is away."""
        answer: asyncio.Future[list[int] | None] = asyncio.get_running_loop().create_future()
        numbers = [take, len(keys)]
        for limit, _ in asked:
            numbers += (limit.one_microseconds, limit.all_microseconds)
        self._asked.append(_Asked(keys, numbers, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_redis(redis), name="rate-limits")
        return answer

    @property
    def _is_away(self) -> bool:
        return self._clock() < self._away_until

    async def _ask_redis(self, redis: Redis) -> None:
        """Asks for all who ask in the same turn of the loop, then for all who came while that took."""
        try:
            await asyncio.sleep(0)
            while self._asked:
                asked = self._asked[:MAX_REQUESTS_PER_SCRIPT]
                del self._asked[:MAX_REQUESTS_PER_SCRIPT]
                told = None if self._is_away else await self._told_by_redis(redis, asked)
                place = 0
                for one in asked:
                    values = 2 * len(one.keys)
                    if not one.answer.done():
                        one.answer.set_result(None if told is None else told[place : place + values])
                    place += values
        finally:
            self._asking = None
            for one in self._asked:  # none, but where this task was cancelled
                one.answer.cancel()
            self._asked.clear()

    async def _told_by_redis(self, redis: Redis, asked: Sequence[_Asked]) -> list[int] | None:
        keys = [key for one in asked for key in one.keys]
        numbers = " ".join([str(number) for one in asked for number in one.numbers])
        command = _packed(("EVALSHA", _SCRIPT_SHA1, str(len(keys)), *keys, numbers))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                told = [int(number) for number in (await self._answer_of(redis, command)).split()]
        except (RedisError, OSError, TimeoutError) as error:
            await self._drop_connection(redis)
            if self._away_until == -math.inf:
                _LOG.warning("limits are counted alone", extra={"reason": type(error).__name__})
            self._away_until = self._clock() + PAUSE_SECONDS
            return None
        if self._away_until != -math.inf:
            _LOG.info("limits are counted together again")
            self._away_until = -math.inf
        return told

    async def _answer_of(self, redis: Redis, command: bytes) -> bytes:
        """What Redis answers on the one connection that is kept: its client's own way costs twice as much."""
        if self._connection is None:
            self._connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        connection = self._connection
        await connection.send_packed_command(command, check_health=False)
        try:
            answer: bytes = await connection.read_response()
        except NoScriptError:  # Redis is new
            await redis.script_load(_SCRIPT)
            await connection.send_packed_command(command, check_health=False)
            answer = await connection.read_response()
        return answer

    async def _drop_connection(self, redis: Redis) -> None:
        """One with half an answer on the way is of no use any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await redis.connection_pool.release(connection)

    def _in_process(self, keys: Sequence[str], limits: Sequence[Limit], take: int) -> list[int]:
        """The script's arithmetic, on a dictionary of bounded size that forgets the longest unused."""
        now = int(self._clock() * _MICROSECONDS)
        before = [max(self._local.get(key, now), now) for key in keys]
        after = [
            max(at + take * limit.one_microseconds, now) for at, limit in zip(before, limits, strict=True)
        ]
        waits = [max(at - limit.all_microseconds - now, 0) for at, limit in zip(after, limits, strict=True)]
        if any(waits):
            after = [at if wait else then for at, wait, then in zip(before, waits, after, strict=True)]
        else:
            for key, at in zip(keys, after, strict=True):
                self._local[key] = at
                self._local.move_to_end(key)
        while len(self._local) > MAX_LOCAL_KEYS:
            self._local.popitem(last=False)
        return [number for wait, at in zip(waits, after, strict=True) for number in (wait, at - now)]


def _packed(words: Sequence[str]) -> bytes:
    """A command as Redis reads it (RESP)."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded])


def _taken(limit: Limit, wait_microseconds: int, owed_microseconds: int) -> Taken:
    if wait_microseconds:
        return Taken(limit, 0, _seconds(owed_microseconds), _seconds(wait_microseconds))
    free_microseconds = limit.all_microseconds - owed_microseconds
    return Taken(limit, max(0, free_microseconds // limit.one_microseconds), _seconds(owed_microseconds), 0)


def _seconds(microseconds: int) -> int:
    """So many seconds and no fewer; none for what is past."""
    return max(0, -(-microseconds // _MICROSECONDS))

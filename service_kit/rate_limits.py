"""Rate limits that hold across processes: the generic cell rate algorithm (GCRA), in Redis.

A limit of n in w seconds is one number a key: the time at which all that was taken would be paid back at the
rate n/w. It allows n at once, n in each w from then on, and has no window edge at which twice as many pass.
Source: ITU-T I.371, annex A, in the virtual scheduling form; one script does it for all keys of a request, so
that either all are counted or none.

Redis only counts: where it is away, each process counts for itself until it is back. Who may not wait for
Redis at all counts by `reconciled_limits`, under the same rule.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from service_kit.limit_scripts import LimitScript

MAX_LOCAL_KEYS = 100_000
MICROSECONDS = 1_000_000
"""In a second."""

# KEYS: of all requests, one a limit. ARGV: numbers in one text, of each request how many to take (-1 gives
# one back), of how many limits, and of each of them the microseconds of one and of all. Requests are counted
# in their order, each under all of its limits or under none. Answers numbers in one text, of each limit the
# microseconds until it has room (0: it has), and those until it is paid back. `count_all` is the same rule.
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
MAX_REQUESTS_PER_SCRIPT = 200
"""Redis serves nobody else meanwhile: some milliseconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """At most `count` in `seconds`, each key on its own; `name` is part of the key and of what people see.

    It equals itself alone: a cache finds it without looking at its values.
    """

    name: str
    count: int
    seconds: float
    one_microseconds: int = field(init=False)
    """How long it takes to pay one back."""
    all_microseconds: int = field(init=False)
    """How long it takes to pay all of them back."""

    def __post_init__(self) -> None:
        one = math.ceil(self.seconds * MICROSECONDS / self.count)
        object.__setattr__(self, "one_microseconds", one)
        object.__setattr__(self, "all_microseconds", one * self.count)

    def times(self, factor: int) -> "Limit":
        """The same limit for so many times as many."""
        return Limit(self.name, self.count * factor, self.seconds)


class Taken(msgspec.Struct, frozen=True, gc=False):
    """What came of a request under one limit; people are told whole seconds, and no fewer."""

    limit: Limit
    owed_microseconds: int
    """Until all of the limit is there again."""
    wait_microseconds: int = 0
    """Until there is room; 0 where the request is within the limit."""

    @property
    def remaining(self) -> int:
        """How many more there is room for."""
        if self.wait_microseconds:
            return 0
        limit = self.limit
        return (limit.all_microseconds - self.owed_microseconds) // limit.one_microseconds

    @property
    def reset_seconds(self) -> int:
        """Until all of the limit is there again."""
        return -(-self.owed_microseconds // MICROSECONDS)

    @property
    def retry_after_seconds(self) -> int:
        """0 where the request is within the limit."""
        return -(-self.wait_microseconds // MICROSECONDS)


class Count:
    """What one key has taken of a limit, as this process knows it; all in microseconds of its clock."""

    __slots__ = ("heard_at", "key", "limit", "paid_back_at", "untold")

    def __init__(self, limit: Limit, key: str) -> None:
        self.limit = limit
        self.key = key
        self.paid_back_at = 0
        """When all that was taken is paid back; what is past says no more than that."""
        self.heard_at = 0
        """What `paid_back_at` was when others had heard of it last; without others, never."""
        self.untold = 0
        """What was taken since, by the time that it takes to pay it back."""


class LocalCounts:
    """The counts of one process, of bounded number: what is unused for longest is forgotten."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def of(self, asked: Sequence[tuple[Limit, str]]) -> list[Count]:
        """The count of each (limit, key): what is not known has taken nothing."""
        found = []
        for limit, name in asked:
            key = key_of(limit, name)
            count = self._counts.get(key)
            if count is None:
                count = self._counts[key] = Count(limit, key)
                while len(self._counts) > MAX_LOCAL_KEYS:
                    self._counts.popitem(last=False)
            else:
                self._counts.move_to_end(key)
            found.append(count)
        return found


def key_of(limit: Limit, name: str) -> str:
    """How what is counted is called, in each process and in Redis."""
    return f"limit:{limit.name}:{name}"


def count_all(counts: Sequence[Count], take: int, now: int) -> list[Taken]:
    """The rule, for one request: takes so many of each (-1 gives one back), or none if one has no room.

    `now` is in microseconds of the clock of the counts. Comparisons are spelt out: each call would cost as
    much as all the arithmetic.
    """
    for count in counts:
        limit, owed = count.limit, count.paid_back_at - now
        if (owed if owed > 0 else 0) + take * limit.one_microseconds > limit.all_microseconds:
            return [_refused(one, take, now) for one in counts]
    taken = []
    for count in counts:
        limit, owed = count.limit, count.paid_back_at - now
        owed = (owed if owed > 0 else 0) + take * limit.one_microseconds
        owed = owed if owed > 0 else 0
        count.paid_back_at = now + owed
        taken.append(Taken(limit, owed))
    return taken


def _refused(count: Count, take: int, now: int) -> Taken:
    """What is told of one limit where any has no room; one that has is told of as if it had counted."""
    owed = max(count.paid_back_at - now, 0)
    after = max(owed + take * count.limit.one_microseconds, 0)
    wait = max(after - count.limit.all_microseconds, 0)
    return Taken(count.limit, owed if wait else after, wait)


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
        self._script = None if url is None else LimitScript(url, _SCRIPT, clock=clock)
        self._clock = clock
        self._local = LocalCounts()
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
        if self._script is not None:
            await self._script.close()

    async def _count(self, asked: Sequence[tuple[Limit, str]], take: int) -> list[Taken]:
        told = None
        if self._script is not None and not self._script.is_away:
            told = await self._in_redis(self._script, asked, take)
        if told is None:
            return count_all(self._local.of(asked), take, int(self._clock() * MICROSECONDS))
        return [
            Taken(limit, owed, wait)
            for (limit, _), wait, owed in zip(asked, told[::2], told[1::2], strict=True)
        ]

    def _in_redis(
        self, script: LimitScript, asked: Sequence[tuple[Limit, str]], take: int
    ) -> "asyncio.Future[list[int] | None]":
        """Of each the microseconds to wait, and those owed; None where Redis is away."""
        answer: asyncio.Future[list[int] | None] = asyncio.get_running_loop().create_future()
        keys = [key_of(limit, name) for limit, name in asked]
        numbers = [take, len(keys)]
        for limit, _ in asked:
            numbers += (limit.one_microseconds, limit.all_microseconds)
        self._asked.append(_Asked(keys, numbers, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_redis(script), name="rate-limits")
        return answer

    async def _ask_redis(self, script: LimitScript) -> None:
        """Asks for all who ask in the same turn of the loop, then for all who came while that took."""
        try:
            await asyncio.sleep(0)
            while self._asked:
                asked = self._asked[:MAX_REQUESTS_PER_SCRIPT]
                del self._asked[:MAX_REQUESTS_PER_SCRIPT]
                keys = [key for one in asked for key in one.keys]
                numbers = " ".join([str(number) for one in asked for number in one.numbers])
                told = None if script.is_away else await script.run(keys, numbers)
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

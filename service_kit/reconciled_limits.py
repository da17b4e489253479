"""Rate limits that are decided at once in each process, and hold across processes a moment later.

Where a request must not wait for Redis, it is counted here: by the rule of `rate_limits`, on what this
process knows of a key. What was taken is told to Redis in the background, gathered for `GATHER_SECONDS`; the
answer is what all processes have taken, and is known here from then on.

One process alone decides as if Redis counted for it. Several know of each other what was told, so a process
can allow what others have allowed since its last reconciliation of the key. That is the bound: beyond one
strict count, each further process allows at most what it may between two reconciliations, which is `count` of
the limit at once, and what is paid back in that time. n processes that have all not seen a key for long allow
n times `count` of it, if all is asked for within one reconciliation; after it each of them refuses. What was
taken beyond the limit is owed like the rest, so that all refuse for longer: in the long run the processes
allow no more than one. For a key that a process does not know, or has reconciled long ago, nothing is
different: what is known of it, perhaps nothing, decides, and its first request brings the rest.

While Redis is away each process counts alone, without bound for the others, and tells it afterwards: of a key
one whole limit at most, and nothing that has been paid back for a second. A call whose answer is lost is told
again, and may count twice. A Redis that lost its memory hears what a process knows when it tells next.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from service_kit import rate_limits
from service_kit.limit_scripts import PAUSE_SECONDS, TIMEOUT_SECONDS, LimitScript
from service_kit.rate_limits import MICROSECONDS, Count, Limit, LocalCounts, Taken, count_all

GATHER_SECONDS = 0.05
"""How long what is taken waits to be told: so long, and the round trip, others do not know of it."""
MAX_KEYS_PER_SCRIPT = 200
"""Redis serves nobody else meanwhile: less than a millisecond."""

_PAST_MICROSECONDS = MICROSECONDS
"""How long what has been paid back is still told and kept. Longer than it takes to gather and to ask: others
that were busy in the same moment may tell later, and what all took then must add up."""

# KEYS: what is told of. ARGV: numbers in one text, of each key what was taken, by the microseconds that it
# takes to pay it back, and how many microseconds ago that began. Answers numbers in one text, of each key the
# microseconds until all is paid back that anybody took (below 0: since when it is).
_SCRIPT = f"""
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local number = string.gmatch(ARGV[1], '%S+')
local answer = {{}}
for i, key in ipairs(KEYS) do
    local taken, age = tonumber(number()), tonumber(number())
    local paid_back = math.max(tonumber(redis.call('GET', key) or 0), now - age) + taken
    local kept_milliseconds = math.ceil((paid_back - now + {_PAST_MICROSECONDS}) / 1000)
    if kept_milliseconds > 0 then
        redis.call('SET', key, string.format('%.0f', paid_back), 'PX', kept_milliseconds)
    end
    answer[i] = string.format('%.0f', paid_back - now)
end
return table.concat(answer, ' ')
"""


class _Told(NamedTuple):
    """What a call tells of one key."""

    known: Count
    taken: int
    paid_back_at: int
    """As it was known when it was told."""


class ReconciledLimiter:
    """Counts under limits at once, and reconciles through Redis at `url`; without one, it counts alone.

    `clock` is in seconds. It knows what `rate_limits.MAX_LOCAL_KEYS` keys have taken, and what Redis must be
    told of as many: beyond, the oldest are forgotten.
    """

    def __init__(self, url: str | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._script = None if url is None else LimitScript(url, _SCRIPT, clock=clock)
        self._clock = clock
        self._local = LocalCounts()
        self._untold: OrderedDict[Count, None] = OrderedDict()
        self._telling: asyncio.Task[None] | None = None
        self._one_call_at_a_time = asyncio.Lock()

    def take(self, *asked: tuple[Limit, str], count: int = 1) -> list[Taken]:
        """Counts a request under each (limit, key), or under none if any of them has no room.

        `count` is as how many it counts; as more than a limit allows at once it is always refused.
        Needs a running event loop, which tells Redis later, unless there is no Redis.
        """
        known = self._local.of(asked)
        taken = count_all(known, count, self._now())
        if self._script is None:
            return taken
        for one in taken:
            if one.wait_microseconds:
                return taken
        for each in known:
            if not each.untold:
                self._tell_later(each)
            each.untold += count * each.limit.one_microseconds
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell(self._script), name="reconcile-limits")
        return taken

    async def reconcile(self) -> None:
        """Tells Redis now what was taken so far, and learns what others took, unless Redis is away."""
        if self._script is not None:
            await self._reconcile(self._script)

    async def close(self) -> None:
        """Tells what is left to tell, for half a second at most, and closes; nobody may ask any more."""
        if self._script is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._reconcile(self._script)
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait({self._telling})
        await self._script.close()

    def _now(self) -> int:
        return int(self._clock() * MICROSECONDS)

    def _tell_later(self, known: Count) -> None:
        self._untold[known] = None
        if len(self._untold) > rate_limits.MAX_LOCAL_KEYS:
            forgotten, _ = self._untold.popitem(last=False)
            forgotten.untold = 0

    async def _tell(self, script: LimitScript) -> None:
        """Runs as long as there is something to tell."""
        try:
            while self._untold:
                await asyncio.sleep(PAUSE_SECONDS if script.is_away else GATHER_SECONDS)
                await self._reconcile(script)
        finally:
            self._telling = None

    async def _reconcile(self, script: LimitScript) -> None:
        async with self._one_call_at_a_time:
            for _ in range(0, len(self._untold), MAX_KEYS_PER_SCRIPT):  # what comes meanwhile is gathered
                at = self._now()
                told = self._next_to_tell(at)
                answer = await script.run([one.known.key for one in told], _numbers(told, at)) if told else []
                if answer is None:
                    for one in told:
                        one.known.untold += one.taken
                        self._tell_later(one.known)
                    return
                for one, owed in zip(told, answer, strict=True):
                    _learn(one, at + owed)

    def _next_to_tell(self, now: int) -> list[_Told]:
        """The next to be told of; not what was paid back so long ago that it matters to nobody."""
        told = []
        for known in list(islice(self._untold, MAX_KEYS_PER_SCRIPT)):
            del self._untold[known]
            if known.paid_back_at + _PAST_MICROSECONDS > now:
                told.append(_Told(known, known.untold, known.paid_back_at))
            known.untold = 0
        return told


def _numbers(told: list[_Told], now: int) -> str:
    """What the script reads.

    What was taken is told as if all of it had come just early enough to be paid back when this process says:
    so one process alone leaves in Redis what it knows, however late it tells. Where the key owed something
    all the time, that beginning is what Redis knows already, and is told as older: the time on the way would
    else be added to what is owed, call by call.
    """
    numbers = []
    for known, taken, paid_back_at in told:
        # Who counted alone for long took more than a limit; it is not refused for longer than one lasts.
        taken_at_once = min(taken, known.limit.all_microseconds)
        began = paid_back_at - taken_at_once
        if began <= known.heard_at:
            began -= _PAST_MICROSECONDS
        numbers.append(f"{taken_at_once} {now - began}")
    return " ".join(numbers)


def _learn(told: _Told, heard: int) -> None:
    """What is known is what all had taken when it was told, and what was taken here since."""
    known = told.known
    known.paid_back_at = max(known.paid_back_at, heard + known.untold)
    known.heard_at = max(heard, told.paid_back_at)

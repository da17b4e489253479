"""How far a source (the reader, the index) is in the primary's log: asked once for all who want to know.

However many requests wait for a source, one question at a time goes to it: at once for whoever has just come,
and every few milliseconds while some wait for more than it has.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from contracts.consistency_token import Position
from service_kit.background import running
from service_kit.database import Pool
from service_kit.named_sql import load_queries

_LOG = logging.getLogger(__name__)

MAX_WAITING = 4096


class PositionUnknownError(Exception):
    """The source can't say how far it is, or too many ask."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    """Who wants to know: at once (None), or when the source has got this far."""

    wanted: Position | None
    answer: asyncio.Future[Position]


class PositionWatch:
    """The position of one source; `ask` answers None where the source does not know it yet."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[Position | None]],
        *,
        poll_seconds: float,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._name = name
        self._ask = ask
        self._poll_seconds = poll_seconds
        self._max_waiting = max_waiting
        self._arrived: list[_Waiter] = []
        self._someone_came = asyncio.Event()
        self._waiting = 0
        self._is_failing = False

    async def now(self, *, wait_seconds: float) -> Position:
        """The position, asked after the call. Raises PositionUnknownError, also after `wait_seconds`."""
        return await self._answer(None, wait_seconds)

    async def reached(self, wanted: Position, *, wait_seconds: float) -> bool:
        """Whether the source is at `wanted`, or gets there within `wait_seconds`.

        What is asked of the source after that holds everything up to `wanted`.
        """
        try:
            await self._answer(wanted, wait_seconds)
        except PositionUnknownError:
            return False
        return True

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Answers while the block runs."""
        async with running(f"position-{self._name}", self._run):
            yield

    async def _answer(self, wanted: Position | None, wait_seconds: float) -> Position:
        if self._waiting >= self._max_waiting:
            raise PositionUnknownError(f"{self._waiting} wait already")
        waiter = _Waiter(wanted, asyncio.get_running_loop().create_future())
        self._arrived.append(waiter)
        self._someone_came.set()
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_seconds):
                return await waiter.answer
        except TimeoutError:
            raise PositionUnknownError(f"the {self._name} is not there in time") from None
        finally:
            self._waiting -= 1

    async def _run(self) -> None:
        waiting: list[_Waiter] = []
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds if waiting else None):
                    await self._someone_came.wait()
            self._someone_came.clear()
            waiting += self._arrived
            self._arrived = []
            position = await self._position()
            for waiter in waiting:
                if waiter.answer.done():
                    continue
                if position is not None and (waiter.wanted is None or position >= waiter.wanted):
                    waiter.answer.set_result(position)
                elif waiter.wanted is None:
                    waiter.answer.set_exception(PositionUnknownError(f"the {self._name} does not say"))
            waiting = [waiter for waiter in waiting if not waiter.answer.done()]

    async def _position(self) -> Position | None:
        """Asks once; logs the begin and the end of a failure, not each question between."""
        try:
            position = await self._ask()
        except Exception as error:  # noqa: BLE001 - a source that fails in any way does not say
            if not self._is_failing:
                _LOG.warning("no position", extra={"source": self._name, "reason": type(error).__name__})
            self._is_failing = True
            return None
        self._is_failing = False
        return position


class ReaderPosition:
    """Asks the region's reader. Raises service_kit.database.UNAVAILABLE_ERRORS."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._statement = load_queries("read_api")["read_position"]

    async def __call__(self) -> Position | None:
        """The position that it has replayed; None from a server that is no standby."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._statement)).fetchone()
        return None if row is None or row["lsn"] is None else Position(row["generation"], row["lsn"])

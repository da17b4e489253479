"""Which generation the other regions' mains know, asked of each about every second.

A main that knows a higher generation than ours has heard of a newer primary. The highest that was ever heard
is kept in a file, so that a primary that was replaced stays fenced when it starts again where it can ask
nobody. Nothing waits for an answer but the start of a writer, 2 s at most: a main that is away says nothing.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from service_kit.database import DATABASE_ERRORS, connection_url
from service_kit.named_sql import load_queries

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 1.0
ANSWER_SECONDS = 2.0
_NOT_REACHED: tuple[type[Exception], ...] = (*DATABASE_ERRORS, TimeoutError, OSError)


class OtherMains:
    """Asks the mains of `urls` (libpq URLs by region); `memory` is the file with the highest answer ever.

    `on_answer` is called after each answer, without arguments. Raises ValueError if the file holds no number.
    """

    def __init__(self, urls: Mapping[str, str], memory: Path) -> None:
        self._mains = {region: _OtherMain(region, url) for region, url in urls.items()}
        self._memory = memory
        self._highest_seen = read_highest_generation(memory)
        self.on_answer: Callable[[], object] = lambda: None

    @property
    def highest_seen(self) -> int | None:
        """The highest generation that any of them was ever heard to know."""
        return self._highest_seen

    async def ask_once(self) -> None:
        """Asks all of them at once and returns when each has answered, or can't."""
        await asyncio.gather(*(self._ask(main) for main in self._mains.values()))

    async def run(self) -> None:
        """Asks until cancelled, each of them apart, then hangs up."""
        try:
            async with asyncio.TaskGroup() as group:
                for main in self._mains.values():
                    group.create_task(self._follow(main))
                await asyncio.Event().wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Hangs up; the next question connects anew."""
        for main in self._mains.values():
            await main.close()

    async def _follow(self, main: "_OtherMain") -> None:
        while True:
            await self._ask(main)
            await asyncio.sleep(ASK_SECONDS)

    async def _ask(self, main: "_OtherMain") -> None:
        generation = await main.ask()
        if generation is None:
            return
        if generation > (self._highest_seen or 0):
            self._highest_seen = generation
            try:
                write_highest_generation(self._memory, generation)
            except OSError as error:  # costs the next start its memory, not this process its fence
                _LOG.warning("the highest generation can't be kept", extra={"reason": error.strerror})
        self.on_answer()


class _OtherMain:
    """One main, with the connection to it, which is made anew after anything unusual."""

    def __init__(self, region: str, url: str) -> None:
        self._region = region
        self._url = connection_url(
            url,
            application_name="frontrow-write_api-generation",
            session_settings={"statement_timeout": "1000ms", "default_transaction_read_only": "on"},
        )
        self._statement = load_queries("write_api")["highest_generation"]
        self._connection: psycopg.AsyncConnection[tuple[int | None]] | None = None
        self._turn = asyncio.Lock()
        self._answers = True

    async def ask(self) -> int | None:
        """The highest generation that it knows; None if it knows none, or doesn't answer within 2 s."""
        async with self._turn:
            try:
                generation = await self._answer()
            except _NOT_REACHED as error:
                self._report(error)
                return None
            self._report(None)
            return generation

    async def close(self) -> None:
        """Hangs up; a question that waits for its answer ends at once."""
        if self._connection is not None:
            _hang_up(self._connection)
        async with self._turn:
            await self._drop(None)

    async def _answer(self) -> int | None:
        """Raises psycopg.Error, TimeoutError, OSError; then, and when cancelled, it has hung up.

        A query on a connection that has gone silent can't just be cancelled: psycopg would ask the server to
        end it and wait for that without end. Shutting the socket ends it here.
        """
        deadline = asyncio.get_running_loop().time() + ANSWER_SECONDS
        asking: asyncio.Task[int | None] | None = None
        is_answered = False
        try:
            if self._connection is None:
                async with asyncio.timeout_at(deadline):
                    self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
            asking = asyncio.create_task(self._select(self._connection))
            await asyncio.wait({asking}, timeout=max(0.0, deadline - asyncio.get_running_loop().time()))
            if not asking.done():
                raise TimeoutError(f"no answer within {ANSWER_SECONDS:.0f} s")
            generation = asking.result()
            is_answered = True
            return generation
        finally:
            if not is_answered:
                await self._drop(asking)

    async def _drop(self, asking: "asyncio.Task[int | None] | None") -> None:
        """Ends the connection: first whoever waits on its socket, which is closed after that."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        _hang_up(connection)
        if asking is not None:
            await asyncio.gather(asking, return_exceptions=True)
        await connection.close()

    async def _select(self, connection: psycopg.AsyncConnection[tuple[int | None]]) -> int | None:
        row = await (await connection.execute(self._statement)).fetchone()
        return None if row is None else row[0]

    def _report(self, error: BaseException | None) -> None:
        """Logs when it stops answering and when it answers again, not each question."""
        if error is not None and self._answers:
            reason = type(error).__name__
            _LOG.info("a main can't be asked", extra={"other_region": self._region, "reason": reason})
        if error is None and not self._answers:
            _LOG.info("a main answers again", extra={"other_region": self._region})
        self._answers = error is None


def _hang_up(connection: psycopg.AsyncConnection[tuple[int | None]]) -> None:
    """Shuts the socket beneath a connection, so that whoever waits on it hears its end at once."""
    with contextlib.suppress(OSError, psycopg.Error):
        descriptor = os.dup(connection.fileno())
        with socket.socket(fileno=descriptor) as duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)


def read_highest_generation(path: Path) -> int | None:
    """What `write_highest_generation` wrote; None without a file. Raises ValueError if that is no number."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    if not text.strip().isdecimal():
        raise ValueError(f"{path} must hold the highest generation that was seen, as a number")
    return int(text)


def write_highest_generation(path: Path, generation: int) -> None:
    """Keeps the number; the file is never half written. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(f"{generation}\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)

"""Whether this process may write: only where its main is the primary, of the highest generation known.

The database is asked twice a second. Where it is in recovery this process stands by: it refuses requests at
once, writes nothing, and is no writer. When its main is promoted, and a generation was opened with it, it
becomes the writer without a restart. If another main knows a higher generation, it stops as soon as it hears
so (fenced). A database that doesn't answer changes nothing: what is known last holds, and the parts have
their own words for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from contracts import problems
from service_kit.background import running
from service_kit.database import DATABASE_ERRORS
from service_kit.problem_responses import Problem, problem_response
from write_api.answer_gate import UNGATED_PATHS
from write_api.generations import Generations, Main
from write_api.other_mains import OtherMains
from write_api.signing_keys.sealed_key import SealedKeyError
from write_api.writer_state import WriterRule, WriterState, writer_state

_LOG = logging.getLogger(__name__)

ASK_SECONDS = 0.5
MAX_RETRY_SECONDS = 15.0


class Standing:
    """What this process may do. `take_over` runs before each time at which it begins to write.

    `rule` tells the state from what is known; tests give another to see what it protects from.
    """

    def __init__(
        self,
        generations: Generations,
        other_mains: OtherMains,
        *,
        take_over: Callable[[], Awaitable[None]],
        rule: WriterRule = writer_state,
    ) -> None:
        self._generations = generations
        self._other_mains = other_mains
        self._take_over = take_over
        self._rule = rule
        self._main = Main(is_in_recovery=True)
        self._told: WriterState | None = None
        self._is_writing = asyncio.Event()
        self._stands_by = asyncio.Event()
        self._stands_by.set()
        other_mains.on_answer = self._stop_if_it_must

    @property
    def may_write(self) -> bool:
        """Whether the main was a primary that may write when last asked, and this process is ready to."""
        return self._is_writing.is_set()

    @property
    def is_primary(self) -> bool:
        """Whether the main was in no recovery when last asked; it may be fenced all the same."""
        return not self._main.is_in_recovery

    @property
    def generation(self) -> int | None:
        """The generation that was opened with this primary; None for a standby, and without one."""
        generation = self._main.generation
        return generation.number if generation is not None and generation.is_ours else None

    @property
    def highest_generation_seen(self) -> int | None:
        """The highest that the own main or another was ever heard to know."""
        known = 0 if self._main.generation is None else self._main.generation.number
        return max(known, self._other_mains.highest_seen or 0) or None

    def state(self, confirmed_age_seconds: float | None) -> WriterState:
        """What this process is, if its last beat was confirmed so long ago."""
        generation, seen = self._main.generation, self._other_mains.highest_seen
        return self._rule(
            is_in_recovery=self._main.is_in_recovery,
            known_generation=0 if generation is None else generation.number,
            is_opened_here=generation is None or generation.is_ours,
            generations_seen=() if seen is None else (seen,),
            confirmed_age_seconds=confirmed_age_seconds,
        )

    async def ask(self) -> None:
        """Asks the own main, and before it begins to write the others, and acts on the answers.

        Raises psycopg.Error, and what `take_over` raises.
        """
        number_before = self.generation
        self._main = await self._generations.look()
        if self._stop_if_it_must():
            return
        if self.may_write:
            if self.generation == number_before:
                return
            self._stop()  # a new generation was opened with this primary: begin again under it
        await self._other_mains.ask_once()
        if self._stop_if_it_must():
            return
        if self._main.generation is None:
            self._main = Main(is_in_recovery=False, generation=await self._generations.open_first())
        await self._take_over()
        if not self._stop_if_it_must():
            _LOG.info("this is the writer's process", extra={"generation": self.generation})
            self._stands_by.clear()
            self._is_writing.set()

    async def run(self) -> None:
        """Asks until cancelled."""
        failures = 0
        while True:
            await asyncio.sleep(min(ASK_SECONDS * 2**failures, MAX_RETRY_SECONDS))
            try:
                await self.ask()
            except DATABASE_ERRORS:  # whoever writes tells it
                failures = 0
            except SealedKeyError:
                failures = min(failures + 1, 8)
                _LOG.exception("can't take over as the writer")
            else:
                failures = 0

    def while_writing(self, name: str, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """`work`, run anew whenever this process may write, and ended when it no longer may."""

        async def work_as_writer() -> None:
            while True:
                await self._is_writing.wait()
                async with running(name, work):
                    await self._stands_by.wait()

        return work_as_writer

    def refusal(self) -> str:
        """Why requests are refused, for people."""
        match self.state(None):
            case WriterState.FENCED:
                return (
                    "This region's main was replaced as the primary: generation "
                    f"{self.highest_generation_seen} is open. It takes no writes until it has rejoined."
                )
            case WriterState.UNOPENED:
                return "This region's main was made a primary, but no generation was opened with it."
            case WriterState.STANDBY:
                return "Another region takes writes now."
            case _:
                return "This region is about to take writes."

    def _stop_if_it_must(self) -> bool:
        """Stops writing where the rule forbids it, whatever is confirmed; returns whether it does."""
        state = self.state(confirmed_age_seconds=0.0)
        if state is WriterState.WRITER:
            self._told = None
            return False
        was_writing = self.may_write
        self._stop()
        if state is not self._told:
            self._tell(state, was_writing=was_writing)
        self._told = state
        return True

    def _stop(self) -> None:
        self._is_writing.clear()
        self._stands_by.set()

    def _tell(self, state: WriterState, *, was_writing: bool) -> None:
        if state is not WriterState.STANDBY:
            _LOG.critical("no writes are taken", extra={"state": state, "detail": self.refusal()})
        elif was_writing:
            _LOG.warning("the main has become a standby")


class OnlyAsWriter:
    """Refuses every request at once where this process may not write; gateways know another region."""

    def __init__(self, app: ASGIApp, *, standing: Standing) -> None:
        self._app = app
        self._standing = standing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes requests on while this may write; health and documents always."""
        if scope["type"] != "http" or self._standing.may_write or scope["path"].startswith(UNGATED_PATHS):
            await self._app(scope, receive, send)
            return
        refusal = Problem(problems.TEMPORARILY_UNAVAILABLE, self._standing.refusal())
        await problem_response(refusal)(scope, receive, send)

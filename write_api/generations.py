"""The row of `generations` that this primary writes under: opened once, its members kept true.

`members` is for whoever promotes another main: each of them may hold, alone, what was acknowledged. So a
member is added before it counts and removed after it no longer can. `counted_members` says in the database
how far a change has come, for the process may be killed anywhere in it:

1. The row names old and new members. A quorum of those that were *counted* until now must have it. Whoever
   promotes hears all of them, and so of the new ones; were the new ones counted at once, one of them could
   confirm an answer while the others' rows do not name it yet, and they would promote without it.
2. The row counts the new members, and from here on the gate does.
3. The gate confirms what was there, so nobody who was counted before holds anything alone. Then the row no
   longer names them.

Going back to nobody (durability `local`) needs no word from the old members: it is how an operator goes on
without them. They still know the old row, so none of them may be promoted while the primary is away.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from service_kit.database import DATABASE_ERRORS, Connection, Pool
from service_kit.named_sql import load_queries
from write_api.answer_gate import (
    AnswerGate,
    ConfirmationRule,
    LocalFlush,
    NotConfirmedError,
    QuorumFlush,
)

_LOG = logging.getLogger(__name__)

_NOT_YET: tuple[type[Exception], ...] = (*DATABASE_ERRORS, NotConfirmedError)
STEP_SECONDS = 2.0
POLL_SECONDS = 0.02
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Generation:
    """The newest generation that a main knows. `is_ours` where this very primary, as it is now, was opened
    under it: the same region, system and timeline. A main that was promoted by hand is on another timeline.
    """

    number: int
    members: frozenset[str]
    counted_members: frozenset[str]
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Main:
    """What the region's own main says of itself; `generation` is only asked of a primary."""

    is_in_recovery: bool
    generation: Generation | None = None


class Generations:
    """Reads and opens generations on the region's own main."""

    def __init__(self, pool: Pool, *, region: str, members: Iterable[str]) -> None:
        self._pool = pool
        self._region = region
        self._members = frozenset(members)
        self._queries = load_queries("write_api")

    async def look(self) -> Main:
        """What the main is now. Raises psycopg.Error."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._queries["is_in_recovery"])).fetchone()
            assert row is not None  # noqa: S101 - a SELECT without FROM has a row
            if row["is_in_recovery"]:
                return Main(is_in_recovery=True)
            return Main(is_in_recovery=False, generation=await self._newest(connection))

    async def open_first(self) -> Generation:
        """Opens generation 1 with this primary, unless there is one already. Raises psycopg.Error.

        Nothing was ever acknowledged before it, so its members count at once.
        """
        async with self._pool.connection() as connection:
            members = {"region": self._region, "members": sorted(self._members)}
            await connection.execute(self._queries["open_first_generation"], members)
            generation = await self._newest(connection)
        assert generation is not None  # noqa: S101 - there is one now
        return generation

    async def _newest(self, connection: Connection) -> Generation | None:
        asked = await connection.execute(self._queries["select_generation"], {"region": self._region})
        row = await asked.fetchone()
        if row is None:
            return None
        return Generation(
            number=row["generation"],
            members=frozenset(row["members"]),
            counted_members=frozenset(row["counted_members"]),
            is_ours=row["is_ours"],
        )


class QuorumMembers:
    """Brings the members of the newest generation's row to those that are configured.

    `run` is for the time as the writer. Until `may_count`, answers must not be confirmed by the configured
    members; the gate's `OnlyWhile` holds them.
    """

    def __init__(
        self, pool: Pool, generations: Generations, *, members: Iterable[str], required: int
    ) -> None:
        self._pool = pool
        self._generations = generations
        self._members = frozenset(members)
        self._required = required
        self._queries = load_queries("write_api")
        self._may_count = False

    @property
    def may_count(self) -> bool:
        """Whether the row counts exactly the configured members."""
        return self._may_count

    async def run(self, gate: AnswerGate) -> None:
        """Makes the row true, however long the members that must hear of it are away; then rests."""
        self._may_count = False
        has_told = False
        while True:
            try:
                await self.make_true(gate)
            except _NOT_YET as error:
                if not has_told:
                    _LOG.warning("the quorum's members wait to be changed", extra={"reason": str(error)})
                has_told = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await asyncio.Event().wait()

    async def make_true(self, gate: AnswerGate) -> None:
        """One attempt, which goes on where another ended. Raises psycopg.Error, NotConfirmedError."""
        row = (await self._generations.look()).generation
        if row is None:
            raise NotConfirmedError("no generation is open")
        if not self._members <= row.counted_members:
            row = await self._store(replace(row, members=row.members | self._members))
            await self._confirmed_by(row.counted_members)
        if row.counted_members != self._members:
            before = sorted(row.counted_members)
            row = await self._store(replace(row, counted_members=self._members))
            _LOG.info("the quorum's members change", extra={"before": before, "now": sorted(self._members)})
        self._may_count = True
        if row.members != self._members:
            await gate.confirmed(wait_seconds=STEP_SECONDS)
            await self._store(replace(row, members=self._members))

    async def _store(self, row: Generation) -> Generation:
        values = {
            "generation": row.number,
            "members": sorted(row.members),
            "counted_members": sorted(row.counted_members),
        }
        async with self._pool.connection() as connection:
            await connection.execute(self._queries["set_members"], values)
        return row

    async def _confirmed_by(self, counted: frozenset[str]) -> None:
        """Waits until a quorum of `counted` has the row. Raises NotConfirmedError after 2 s."""
        rule: ConfirmationRule = LocalFlush(self._pool)
        if counted:
            required = min(self._required, len(counted))
            rule = QuorumFlush(self._pool, members=sorted(counted), required=required)
        target_lsn = (await rule.sample()).flushed_lsn
        try:
            async with asyncio.timeout(STEP_SECONDS):
                while True:
                    if (await rule.sample()).confirmed_lsn >= target_lsn:
                        return
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise NotConfirmedError(f"{', '.join(sorted(counted))} must hear of the new members") from None

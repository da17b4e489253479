"""Requests that were sent with an `Idempotency-Key`: whoever repeats one hears the first answer again.

For what has no key of its own in the database. The key is claimed first, in the transaction of what it is
for: whoever sends the same at the same time waits for that transaction's end, so neither is done twice. What
is refused is rolled back, and the key with it. Bookings of one event keep theirs themselves, keyed by event
(docs/decisions/0126-an-idempotency-key-belongs-to-an-event.md).
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, LiteralString, Protocol

import psycopg
from fastapi import Header
from pydantic import BaseModel

from contracts import problems
from service_kit.database import DATABASE_ERRORS, Connection, Pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem

_LOG = logging.getLogger(__name__)

MAX_IDEMPOTENCY_KEY_LENGTH = 255
KEPT_SECONDS = 86_400
SWEEP_SECONDS = 60.0
MAX_KEYS_PER_BATCH = 1000

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_IDEMPOTENCY_KEY_LENGTH,
        pattern="^[!-~]+$",
        description="Of your choice, such as a UUID: a new one for each thing that you want.",
    ),
]

Operation = Literal["place-order", "create-event", "add-ticket-type"]
"""What a key is for; the same key for something else is another one."""


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with its key; `body` tells whether a later one is the same."""

    person_id: int
    operation: Operation
    key: str
    body: BaseModel

    @property
    def body_sha256(self) -> bytes:
        """Of the body as it was understood: spelling, and fields that only repeat a default, don't count."""
        canonical = self.body.model_dump_json(exclude_defaults=True)
        return hashlib.sha256(canonical.encode()).digest()


def keyed(person_id: int, operation: Operation, key: str | None, body: BaseModel) -> KeyedRequest | None:
    """The request, if it has a key."""
    return None if key is None else KeyedRequest(person_id, operation, key, body)


class IdempotentRequests:
    """The table of keys and answers; each method works in the caller's transaction.

    Of a request without a key (None) nothing is known and nothing is kept.
    """

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api")

    async def first_answer(self, connection: Connection, request: KeyedRequest | None) -> str | None:
        """What was answered to the same request before, as JSON; None where this is the first.

        Raises Problem IDEMPOTENCY_KEY_REUSED where it was another request, CONFLICT where that is still in
        progress after as long as a transaction may wait for a lock.
        """
        if request is None:
            return None
        name = {"person_id": request.person_id, "operation": request.operation, "key": request.key}
        try:
            claimed = await connection.execute(
                self._queries["claim_idempotency_key"], {**name, "body_sha256": request.body_sha256}
            )
        except psycopg.errors.LockNotAvailable:
            raise _in_progress() from None
        if claimed.rowcount:
            return None
        row = await (await connection.execute(self._queries["select_first_answer"], name)).fetchone()
        if row is None or row["answer"] is None:  # it was forgotten between the two statements
            raise _in_progress()
        if row["body_sha256"] != request.body_sha256:
            detail = "With this key you sent another request; send a new key for a new one."
            raise Problem(problems.IDEMPOTENCY_KEY_REUSED, detail)
        answer: str = row["answer"]
        return answer

    async def keep(self, connection: Connection, request: KeyedRequest | None, answer: BaseModel) -> None:
        """Keeps what is answered to a request whose key was claimed in this transaction."""
        if request is None:
            return
        parameters = {
            "person_id": request.person_id,
            "operation": request.operation,
            "key": request.key,
            "answer": answer.model_dump_json(),
        }
        await connection.execute(self._queries["keep_first_answer"], parameters)

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Forgets the keys of a person: the answers tell what they asked for."""
        await connection.execute(self._queries["erase_idempotency_keys"], {"person_id": person_id})

    async def forget_keys(self, connection: Connection, *, kept_seconds: int, limit: int) -> int:
        """As ForgetKeys."""
        parameters = {"kept_seconds": kept_seconds, "limit": limit}
        cursor = await connection.execute(self._queries["forget_answers"], parameters)
        return cursor.rowcount


class ForgetKeys(Protocol):
    """Forgets at most `limit` keys of one table that are older than `kept_seconds`; returns how many."""

    async def __call__(self, connection: Connection, *, kept_seconds: int, limit: int) -> int:
        """Raises psycopg.Error."""
        ...


class KeyExpiry:
    """Forgets keys that are older than a day, once a minute; who repeats a request does so within minutes."""

    def __init__(
        self, pool: Pool, forgets: Sequence[ForgetKeys], *, kept_seconds: int = KEPT_SECONDS
    ) -> None:
        self._pool = pool
        self._forgets = forgets
        self._kept_seconds = kept_seconds

    async def run(self) -> None:
        """Sweeps until cancelled."""
        while True:
            try:
                await self.sweep()
            except DATABASE_ERRORS as error:  # nothing depends on it within hours
                _LOG.warning("old keys can't be forgotten", extra={"reason": type(error).__name__})
            await asyncio.sleep(SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Forgets all that are old enough, batch by batch; returns how many. Raises psycopg.Error."""
        return sum([await self._sweep(forget) for forget in self._forgets])

    async def _sweep(self, forget: ForgetKeys) -> int:
        forgotten = 0
        while True:
            async with self._pool.connection() as connection:
                batch = await forget(connection, kept_seconds=self._kept_seconds, limit=MAX_KEYS_PER_BATCH)
            forgotten += batch
            if batch < MAX_KEYS_PER_BATCH:
                return forgotten


def _in_progress() -> Problem:
    return Problem(
        problems.CONFLICT, "A request with this key is in progress; ask again shortly.", reason="in-progress"
    )

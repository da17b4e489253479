"""Decides whether an API key is good, by the region's reader alone, and remembers the answer for a second.

A key can't be verified without asking, as a token can: it lives for months and must die within two seconds.
So its public id is looked up, at most once a second for each key in use. Whoever invents keys must not load
the reader: refusals are remembered too, those who ask for one id at once share one question, and only so many
ids that were never found are asked for in a second. A wrong secret costs no question at all.
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.api_keys import ApiKeyFormatError, read_api_key
from contracts.token_claims import Identity
from service_kit.database import Pool
from service_kit.named_sql import load_queries

REMEMBERED_SECONDS = 1.0
LOOKUP_TIMEOUT_SECONDS = 1.0
MAX_REMEMBERED = 10_000
MAX_LOOKUPS_AT_ONCE = 2
MAX_LOOKUPS_WAITING = 64
MAX_STRANGERS_PER_SECOND = 100

ReadApiKey = Callable[[str], Awaitable[Mapping[str, Any] | None]]
"""The row of `read_side.api_keys` with this public id; None where there is none."""


class ApiKeyRefusedError(Exception):
    """The key is refused; the message says why, in words for people, without the key."""


class ApiKeysUnavailableError(Exception):
    """Whether the key is good can't be found out now."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A key that was found, as of `asked_at` (monotonic)."""

    identity: Identity
    secret_hash: bytes
    asked_at: float


class ApiKeys:
    """Verifies API keys against what `read` answers, at most one second ago.

    `on_use` is told the public id of each key that was good; it must neither wait nor raise.
    """

    def __init__(
        self,
        read: ReadApiKey,
        *,
        on_use: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._read = read
        self._on_use = on_use
        self._clock = clock
        self._monotonic = monotonic
        self._max_remembered = max_remembered
        self._found: dict[str, _Known] = {}
        self._not_found: dict[str, float] = {}
        self._lookups: dict[str, asyncio.Task[_Known | None]] = {}
        self._slots = asyncio.Semaphore(MAX_LOOKUPS_AT_ONCE)
        self._strangers_in_second = 0
        self._second_began_at = 0.0

    async def verify(self, text: str) -> Identity:
        """Who presents the key, with the roles of now and the key's scopes.

        Raises ApiKeyRefusedError, ApiKeysUnavailableError, and what reading the database raises.
        """
        try:
            key = read_api_key(text)
        except ApiKeyFormatError as error:
            raise ApiKeyRefusedError(f"This is no API key: {error}.") from None
        known = await self._known(key.public_id)
        expected = bytes(32) if known is None else known.secret_hash
        if not hmac.compare_digest(expected, key.secret_hash) or known is None:
            raise ApiKeyRefusedError("There is no such key; a new one is known within two seconds.")
        if self._clock() >= known.identity.expires_at.timestamp():
            raise ApiKeyRefusedError("The key has expired.")
        self._on_use(key.public_id)
        return known.identity

    async def _known(self, public_id: str) -> _Known | None:
        """What is known of the key, not older than REMEMBERED_SECONDS."""
        oldest = self._monotonic() - REMEMBERED_SECONDS
        known = self._found.get(public_id)
        if known is not None and known.asked_at > oldest:
            return known
        if self._not_found.get(public_id, oldest) > oldest:
            return None
        lookup = self._lookups.get(public_id)
        if lookup is None:
            self._refuse_too_many(is_stranger=known is None)
            lookup = asyncio.create_task(self._look_up(public_id), name="api-key-lookup")
            self._lookups[public_id] = lookup
            lookup.add_done_callback(lambda done: self._end_lookup(public_id, done))
        return await asyncio.shield(lookup)  # whoever goes away leaves the others their answer

    def _refuse_too_many(self, *, is_stranger: bool) -> None:
        """Counts a lookup. Raises ApiKeysUnavailableError; keys that were good a while ago go on."""
        if len(self._lookups) >= MAX_LOOKUPS_WAITING:
            raise ApiKeysUnavailableError
        if not is_stranger:
            return
        now = self._monotonic()
        if now - self._second_began_at >= 1:
            self._second_began_at, self._strangers_in_second = now, 0
        if self._strangers_in_second >= MAX_STRANGERS_PER_SECOND:
            raise ApiKeysUnavailableError
        self._strangers_in_second += 1

    async def _look_up(self, public_id: str) -> _Known | None:
        asked_at = self._monotonic()
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_SECONDS), self._slots:
                row = await self._read(public_id)
        except TimeoutError:
            raise ApiKeysUnavailableError from None
        self._found.pop(public_id, None)
        self._not_found.pop(public_id, None)
        if row is None:
            _make_room(self._not_found, self._max_remembered)
            self._not_found[public_id] = asked_at
            return None
        known = _Known(_identity(row), bytes(row["secret_hash"]), asked_at)
        _make_room(self._found, self._max_remembered)
        self._found[public_id] = known
        return known

    def _end_lookup(self, public_id: str, lookup: asyncio.Task[_Known | None]) -> None:
        del self._lookups[public_id]
        if not lookup.cancelled():
            lookup.exception()  # whoever waits is told; nobody may be left


def reader_of_api_keys(pool: Pool) -> ReadApiKey:
    """Reads keys through `pool`, one of the region's reader, of which it takes at most two connections."""
    statement = load_queries("mini_auth")["select_api_key"]

    async def read(public_id: str) -> Mapping[str, Any] | None:
        async with pool.connection() as connection:
            return await (await connection.execute(statement, {"public_id": public_id})).fetchone()

    return read


def _identity(row: Mapping[str, Any]) -> Identity:
    created_at: datetime = row["created_at"]
    expires_at: datetime = row["expires_at"]
    return Identity(
        person_id=row["person_id"],
        roles=frozenset(row["roles"]),
        session_id=None,
        token_id=str(row["id"]),
        issued_at=created_at.astimezone(UTC),
        expires_at=expires_at.astimezone(UTC),
        scopes=frozenset(row["scopes"]),
    )


def _make_room(remembered: dict[str, Any], most: int) -> None:
    """Forgets those that were asked for the longest time ago."""
    while len(remembered) >= most:
        del remembered[next(iter(remembered))]

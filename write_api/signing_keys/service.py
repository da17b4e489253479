"""Rotation of the keys that sign access tokens, so that no token that is good is ever refused.

A key is published when it is made and signs only later, when every region knows it; when it ceases to sign it
stays published until the last of its tokens has expired. All of that is in the table, and each process that
signs looks there once a second: whoever rotates, wherever, needs to tell nobody.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.token_claims import ACCESS_TOKEN_SECONDS
from service_kit.database import DATABASE_ERRORS, Connection, Pool
from write_api.audit_log import SYSTEM, Actor, AuditLog
from write_api.signing_keys.sealed_key import ALGORITHM, SealedKeyError, SigningKey, new_signing_key, unseal
from write_api.signing_keys.store import KeyAge, SigningKeyStore

LOOK_SECONDS = 1.0
# Regions ask four times a second; a reader may be late by some seconds before anybody calls it broken.
PUBLISHED_SECONDS = 10.0
ROTATION_SECONDS = 30 * 86_400.0
# After its last signature: a second until each process has noticed, its tokens' life, and clocks that differ.
KEPT_SECONDS = ACCESS_TOKEN_SECONDS + 60.0

_LOG = logging.getLogger(__name__)


class TooSoonError(Exception):
    """The next key may not be known in every region yet; the message says how long to wait."""


class UnknownKeyError(Exception):
    """There is no key of this id."""


async def complete_keys(connection: Connection, store: SigningKeyStore, sealing_key: bytes) -> list[KeyAge]:
    """Makes the current and the next key where they are missing, within a transaction under the lock."""
    states = {age.state for age in await store.ages(connection)}
    if "current" not in states and "next" in states:
        await store.promote_next(connection)
        states = (states - {"next"}) | {"current"}
    for state in ("current", "next"):
        if state not in states:
            await store.insert(connection, new_signing_key(), sealing_key=sealing_key, state=state)
    return await store.ages(connection)


async def rotate_keys(
    connection: Connection,
    store: SigningKeyStore,
    sealing_key: bytes,
    audit_log: AuditLog,
    *,
    actor: Actor,
    compromised: str | None = None,
    published_seconds: float = PUBLISHED_SECONDS,
) -> list[KeyAge]:
    """The next key signs, and a new one waits, in one transaction; the keys as they are then.

    With `compromised` that key is removed, and its tokens die with it; the order of the others only moves
    where it was the one that signs. Raises TooSoonError, UnknownKeyError; then nothing has changed.
    """
    async with connection.transaction():
        await store.lock(connection)
        ages = await complete_keys(connection, store, sealing_key)
        if compromised is not None:
            if not await store.delete(connection, compromised):
                raise UnknownKeyError(f"There is no signing key {compromised}.")
            await audit_log.record(
                connection, actor=actor, action="signing-key-removed", subject=f"signing-key:{compromised}"
            )
            return await complete_keys(connection, store, sealing_key)
        waiting = next(age for age in ages if age.state == "next")
        if waiting.known_seconds < published_seconds:
            missing_seconds = published_seconds - waiting.known_seconds
            raise TooSoonError(
                f"The next key was published {waiting.known_seconds:.0f} s ago;"
                f" some region may not know it yet. Try again in {missing_seconds:.0f} s."
            )
        await store.promote_next(connection)
        await audit_log.record(
            connection, actor=actor, action="signing-key-rotated", subject=f"signing-key:{waiting.key_id}"
        )
        return await complete_keys(connection, store, sealing_key)


class KeyRing:
    """The key that this process signs with; `run` keeps it the one that the table names."""

    def __init__(
        self,
        pool: Pool,
        store: SigningKeyStore,
        sealing_key: bytes,
        audit_log: AuditLog,
        *,
        rotation_seconds: float = ROTATION_SECONDS,
    ) -> None:
        self._pool = pool
        self._store = store
        self._sealing_key = sealing_key
        self._audit_log = audit_log
        self._rotation_seconds = rotation_seconds
        self._current: SigningKey | None = None

    @property
    def current(self) -> SigningKey | None:
        """The key that signs; None before `load`."""
        return self._current

    def sign(self, claims: Mapping[str, Any]) -> str:
        """An access token with these claims. `load` must have been called."""
        assert self._current is not None  # noqa: S101 - nobody is served before
        return self._current.sign(claims)

    async def load(self) -> None:
        """Makes the keys that are missing and takes the current one.

        Of several processes that start at once all get the same. Raises SealedKeyError where it was sealed
        with another sealing key, psycopg.Error.
        """
        async with self._pool.connection() as connection:
            async with connection.transaction():
                await self._store.lock(connection)
                await complete_keys(connection, self._store, self._sealing_key)
            await self._take_current(connection)

    async def run(self) -> None:
        """Once a second until cancelled: follows rotations, rotates when it is time, removes dead keys."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except DATABASE_ERRORS:  # the heartbeat tells it; what is signed meanwhile is still known
                continue
            except SealedKeyError:
                _LOG.exception("the current signing key can't be opened")

    async def _look(self) -> None:
        async with self._pool.connection() as connection:
            await self._take_current(connection)
            removed = await self._store.delete_dead(connection, kept_seconds=KEPT_SECONDS)
            if removed:
                _LOG.info("dead signing keys removed", extra={"key_ids": removed})
            if _is_due(await self._store.ages(connection), self._rotation_seconds):
                await self._rotate(connection)

    async def _rotate(self, connection: Connection) -> None:
        try:
            await rotate_keys(connection, self._store, self._sealing_key, self._audit_log, actor=SYSTEM)
        except TooSoonError:
            return
        _LOG.info("the signing key was rotated")
        await self._take_current(connection)

    async def _take_current(self, connection: Connection) -> None:
        row = await self._store.current(connection)
        if row is None or row["algorithm"] != ALGORITHM:
            raise SealedKeyError(f"there is no current signing key for {ALGORITHM}")
        if self._current is None or self._current.key_id != row["key_id"]:
            self._current = unseal(row["key_id"], row["private_key_sealed"], self._sealing_key)
            _LOG.info("signing with another key", extra={"key_id": row["key_id"]})


def _is_due(ages: Sequence[KeyAge], rotation_seconds: float) -> bool:
    """Whether the current key has signed for long enough; two processes that see it rotate once.

    The second finds a next key that has just been made, and is told that it is too soon.
    """
    return any(age.state == "current" and (age.signing_seconds or 0) > rotation_seconds for age in ages)

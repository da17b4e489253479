"""Password hashing beside the event loop: Argon2id, a few threads, a bounded queue."""

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

_Result = TypeVar("_Result")

MAX_THREADS = 4
MAX_WAITING = 64


class PasswordQueueFullError(Exception):
    """Too many passwords wait to be hashed already."""


def password_hasher() -> PasswordHasher:
    """Argon2id with 19 MiB, two passes and one lane.

    Source: OWASP Password Storage Cheat Sheet, Argon2id, "m=19456 (19 MiB), t=2, p=1".
    """
    return PasswordHasher(
        time_cost=2, memory_cost=19456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
    )


class PasswordHashing:
    """Hashes and verifies in at most four threads (one a core; Argon2 frees the interpreter's lock).

    At most `max_waiting` wait for a thread, which bounds what a flood of logins costs: beyond, callers get
    PasswordQueueFullError at once. `dummy_hash` is for people who don't exist: verifying against it takes
    the same work as a wrong password does.
    """

    def __init__(self, hasher: PasswordHasher, *, max_waiting: int = MAX_WAITING) -> None:
        threads = min(MAX_THREADS, os.cpu_count() or 1)
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="password")
        self._max_pending = max_waiting + threads
        self._pending = 0
        self.dummy_hash = hasher.hash(secrets.token_urlsafe())

    @property
    def has_room(self) -> bool:
        """Whether one more password would be taken."""
        return self._pending < self._max_pending

    async def hash(self, password: str) -> str:
        """The encoded hash with its own salt. Raises PasswordQueueFullError."""
        return await self._in_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str, password: str) -> bool:
        """Whether the password is the one of the hash; one Argon2 run. Raises PasswordQueueFullError."""
        return await self._in_thread(self._matches, password_hash, password)

    def close(self) -> None:
        """Lets the threads end; those at work finish first."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[..., _Result], *arguments: str) -> _Result:
        if not self.has_room:
            raise PasswordQueueFullError(f"{self._pending} passwords are being hashed")
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._pending -= 1

"""Passwords are hashed beside the event loop, so many at a time and no more."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from write_api.accounts.passwords import MAX_THREADS, PasswordHashing, PasswordQueueFullError, password_hasher


class GatedHasher(PasswordHasher):
    """A hasher that works when the test lets it."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.may_work = threading.Event()
        self.may_work.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the library's name
        assert self.may_work.wait(30)
        return super().verify(hash, password)


def test_the_parameters_are_those_of_owasp() -> None:
    parameters = extract_parameters(password_hasher().hash("correct horse"))
    assert (parameters.type, parameters.memory_cost) == (Type.ID, 19 * 1024)
    assert (parameters.time_cost, parameters.parallelism) == (2, 1)


async def test_beyond_its_bound_a_password_is_refused_at_once_and_the_loop_goes_on() -> None:
    hasher = GatedHasher()
    hashing = PasswordHashing(hasher, max_waiting=0)
    stored = await hashing.hash("correct horse")
    hasher.may_work.clear()
    waiting: list[asyncio.Task[bool]] = []
    try:
        while hashing.has_room:
            waiting.append(asyncio.create_task(hashing.verify(stored, "correct horse")))
            await asyncio.sleep(0)
        with pytest.raises(PasswordQueueFullError):
            await hashing.verify(stored, "correct horse")
    finally:
        hasher.may_work.set()
    assert 1 <= len(waiting) <= MAX_THREADS
    assert all(await asyncio.gather(*waiting))
    hashing.close()


async def test_a_hash_that_is_none_matches_nothing() -> None:
    hashing = PasswordHashing(GatedHasher())
    assert not await hashing.verify("", "anything")
    assert not await hashing.verify(hashing.dummy_hash, "anything")
    hashing.close()

"""API keys that the test makes and takes away, on a shelf in place of the reader's table."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from contracts.api_keys import ApiKeyText, new_api_key
from mini_auth.api_keys import ApiKeys
from tests.people import DEADLINE_SECONDS


class Shelf:
    """Rows of `read_side.api_keys`, which ids were asked for, and a clock that the test moves."""

    def __init__(self, **options: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.used: list[str] = []
        self.fails = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.now = datetime.now(UTC).timestamp()
        self.keys = ApiKeys(
            self._read, on_use=self.used.append, clock=self._clock, monotonic=self._clock, **options
        )

    def make(
        self,
        *,
        person_id: int = 7,
        roles: Sequence[str] = ("customer",),
        scopes: Sequence[str] = (),
        lives_seconds: float = 3600,
    ) -> str:
        """The text of a new key."""
        key, created_at = new_api_key(), datetime.fromtimestamp(self.now, UTC)
        self.rows.append(
            {
                "id": len(self.rows) + 1,
                "public_id": key.public_id,
                "secret_hash": key.secret_hash,
                "person_id": person_id,
                "roles": list(roles),
                "scopes": list(scopes),
                "created_at": created_at,
                "expires_at": created_at + timedelta(seconds=lives_seconds),
            }
        )
        return key.text

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    async def asked_for(self, count: int) -> None:
        """Waits until so many questions were asked."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(self.asked) < count:  # noqa: ASYNC110 - it is the code under test that must get there
                await asyncio.sleep(0)

    def _clock(self) -> float:
        return self.now

    async def _read(self, public_id: str) -> Mapping[str, Any] | None:
        self.asked.append(public_id)
        await self.answers.wait()
        if self.fails:
            raise psycopg.OperationalError("the reader is away")
        return next((dict(row) for row in self.rows if row["public_id"] == public_id), None)


def with_another_secret(text: str) -> str:
    """A key that begins as `text` does, and was never made."""
    return ApiKeyText(text.split("_")[2], new_api_key().secret).text

"""Keeps what this process knows about tokens in step with the region's reader.

The reader is polled, because a poll needs nothing but the reader: no Kafka, no primary, no notification that
could be missed. A poll costs one read of a few rows, four times a second.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mini_auth.knowledge import Knowledge
from mini_auth.knowledge_snapshot import SNAPSHOT_NAME, Snapshot, read_snapshot, write_snapshot
from mini_auth.verification_key import VerificationKey
from service_kit.background import running
from service_kit.database import Pool
from service_kit.named_sql import load_queries

POLL_SECONDS = 0.25
MAX_POLL_SECONDS = 2.0
FIRST_POLL_TIMEOUT_SECONDS = 3.0
MAX_KEYS = 64
# A horizon is worth nothing after the reader was rebuilt from another history: so often all is read again.
WHOLE_READ_SECONDS = 60.0
SNAPSHOT_SECONDS = 1.0
_FROM_THE_BEGINNING = "0"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _News:
    """What one poll read, and from which transaction on the next one has to look."""

    horizon: str
    key_rows: Sequence[Mapping[str, Any]]
    revocation_rows: Sequence[Mapping[str, Any]]
    confirmed_at: float | None


class KnowledgeFeed:
    """The present knowledge, read from `read_side` every 250 ms while entered.

    Entering takes the snapshot in `state_directory` if there is one, then asks the reader once, then goes on
    in the background. A reader that can't be asked is asked again, at most 2 s apart, forever; meanwhile
    what is known serves and `age_ms` grows. The pool belongs to the caller and must be open.
    """

    def __init__(self, pool: Pool, state_directory: Path, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._pool = pool
        self._snapshot_path = Path(state_directory) / SNAPSHOT_NAME
        self._poll_seconds = poll_seconds
        self._statement = load_queries("mini_auth")["select_knowledge"]
        self._knowledge = Knowledge()
        self._horizon = _FROM_THE_BEGINNING
        self._read_whole_at = 0.0
        self._read_at: float | None = None
        self._confirmed_at: float | None = None
        self._key_rows: Sequence[Mapping[str, Any]] = ()
        self._snapshot_is_current = False
        self._snapshot_failed = False
        self._snapshot_tried_at = 0.0
        self._failures = 0
        self._polling = AsyncExitStack()

    @property
    def knowledge(self) -> Knowledge:
        """What is known now; the same object as long as nothing changed."""
        return self._knowledge

    @property
    def keys(self) -> Mapping[str, VerificationKey]:
        """The present keys by key id. A key that did not change stays the same object."""
        return self._knowledge.keys

    @property
    def age_ms(self) -> int | None:
        """How long ago the reader last told; None before it ever did, here or in the snapshot.

        After a start from the snapshot it is an upper bound: the snapshot is written on change alone.
        """
        return None if self._read_at is None else max(0, int((time.monotonic() - self._read_at) * 1000))

    @property
    def confirmed_age_ms(self) -> int | None:
        """How long ago the heartbeat was confirmed that the reader last told of; None before any, here.

        It tells of a reader that answers and hears nothing new any more. By the clock of this machine.
        """
        return None if self._confirmed_at is None else max(0, int((time.time() - self._confirmed_at) * 1000))

    def jwks(self) -> dict[str, Any]:
        """The present keys as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [key.published() for key in self.keys.values()]}

    async def __aenter__(self) -> Self:
        """Takes the snapshot, asks the reader once (at most 3 s), and starts to poll."""
        await self._take_snapshot()
        await self._poll(timeout_seconds=FIRST_POLL_TIMEOUT_SECONDS)
        await self._polling.enter_async_context(running("knowledge-feed", self._run))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends the polling and writes what the snapshot lacks; what is known stays as it is."""
        await self._polling.aclose()
        if self._read_at is not None:
            await self._keep_snapshot(at_once=True)

    async def _run(self) -> None:
        while True:
            pause = min(self._poll_seconds * 2 ** min(self._failures, 10), MAX_POLL_SECONDS)
            await asyncio.sleep(pause)
            await self._poll(timeout_seconds=None)

    async def _poll(self, *, timeout_seconds: float | None) -> None:
        """Reads the news once. Whatever goes wrong is logged when it begins, and tried again by the loop."""
        try:
            async with asyncio.timeout(timeout_seconds):
                news = await self._read_news()
            self._take(news.key_rows, news.revocation_rows, read_at=time.monotonic())
            self._horizon, self._confirmed_at = news.horizon, news.confirmed_at
            await self._keep_snapshot()
        except Exception as error:  # noqa: BLE001 - the loop outlives any failure; age_ms tells
            self._failures += 1
            if self._failures == 1:
                _LOG.warning("knowledge can't be refreshed", extra={"reason": type(error).__name__})
        else:
            if self._failures:
                _LOG.info("knowledge is refreshed again", extra={"failed_polls": self._failures})
            self._failures = 0

    async def _read_news(self) -> _News:
        now = time.monotonic()
        is_whole = now - self._read_whole_at >= WHOLE_READ_SECONDS or self._failures > 0
        parameters = {
            "max_keys": MAX_KEYS,
            "horizon": _FROM_THE_BEGINNING if is_whole else self._horizon,
        }
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._statement, parameters)).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has a row
        if is_whole:
            self._read_whole_at = now
        return _News(row["horizon"], row["keys"], row["revocations"], row["confirmed_at"])

    def _take(
        self,
        key_rows: Sequence[Mapping[str, Any]],
        revocation_rows: Sequence[Mapping[str, Any]],
        *,
        read_at: float,
    ) -> None:
        """Makes the rows part of the knowledge in one assignment."""
        self._read_at = read_at
        if key_rows == self._key_rows and not revocation_rows:
            return
        before, self._key_rows = self._knowledge, key_rows
        self._knowledge = before.with_news(key_rows, revocation_rows, now=datetime.now(UTC))
        if self._knowledge is before:
            return
        self._snapshot_is_current = False
        if self._knowledge.keys != before.keys:
            _LOG.info("keys changed", extra={"key_ids": sorted(self.keys)})

    async def _keep_snapshot(self, *, at_once: bool = False) -> None:
        """Writes the snapshot after a change; a disk that refuses costs the next start, not this process."""
        now = time.monotonic()
        is_soon = now - self._snapshot_tried_at < SNAPSHOT_SECONDS and not at_once
        if self._snapshot_is_current or is_soon:
            return
        self._snapshot_tried_at = now
        snapshot = Snapshot(datetime.now(UTC), self._key_rows, self._knowledge.revocations.rows())
        try:
            await asyncio.to_thread(write_snapshot, self._snapshot_path, snapshot)
            self._snapshot_is_current = True
        except OSError as error:
            if not self._snapshot_failed:
                _LOG.warning("the snapshot can't be written", extra={"reason": error.strerror})
            self._snapshot_failed = True
        else:
            self._snapshot_failed = False

    async def _take_snapshot(self) -> None:
        snapshot = await asyncio.to_thread(read_snapshot, self._snapshot_path)
        if snapshot is None:
            return
        age_seconds = max(0.0, (datetime.now(UTC) - snapshot.read_at).total_seconds())
        self._take(snapshot.key_rows, snapshot.revocation_rows, read_at=time.monotonic() - age_seconds)
        self._snapshot_is_current = True

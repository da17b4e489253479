"""Sends what is queued, once it is durable: a mail tells of nothing that could still be lost.

A notification is claimed in a short transaction, for two minutes; then the answer gate says when all that
was read is durable; then the mail is handed over, with no transaction open; then that is written down.
Whoever dies between the last two leaves it to be sent again: a mail may come twice, under the same
Message-ID, and never not at all. Any number of processes may send side by side.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any

from service_kit.database import DATABASE_ERRORS, Pool
from service_kit.smtp import MailNotTakenError, Transport
from write_api.answer_gate import AnswerGate, NotConfirmedError
from write_api.notices import FindRecipient, Recipient
from write_api.notifications.letters import LetterError, LetterWriter
from write_api.notifications.store import Backlog, Claimed, NotificationStore

_LOG = logging.getLogger(__name__)

POLL_SECONDS = 0.5
BATCH_SIZE = 10
MAX_TRIES = 20  # some two days
FIRST_RETRY_SECONDS = 5.0
MAX_RETRY_SECONDS = 4 * 3600.0
CONFIRMATION_WAIT_SECONDS = 10.0
POLLS_PER_CARE = 10
MAX_PAUSE_SECONDS = 15.0


class NotificationDelivery:
    """Sends by `transport` while `run` runs. Without one everything stays queued, and `details` says so."""

    def __init__(
        self,
        pool: Pool,
        store: NotificationStore,
        gate: AnswerGate,
        *,
        find_recipient: FindRecipient,
        writer: LetterWriter,
        transport: Transport | None,
        first_retry_seconds: float = FIRST_RETRY_SECONDS,
        max_tries: int = MAX_TRIES,
    ) -> None:
        self._pool = pool
        self._store = store
        self._gate = gate
        self._find_recipient = find_recipient
        self._writer = writer
        self._transport = transport
        self._first_retry_seconds = first_retry_seconds
        self._max_tries = max_tries
        self._backlog = Backlog()

    @property
    def details(self) -> dict[str, Any]:
        """For health: whether mails are sent, how many wait, and for how long the oldest."""
        return {
            "sends": self._transport is not None,
            "queued": self._backlog.queued,
            "oldest_queued_seconds": round(self._backlog.oldest_seconds),
        }

    async def run(self) -> None:
        """Sends until cancelled; outlives a database or a mail server that is away."""
        polls = failures = 0
        while True:
            try:
                is_more = await self.send_due()
                if polls % POLLS_PER_CARE == 0:
                    await self._care()
                polls += 1
            except DATABASE_ERRORS as error:
                failures += 1
                is_more = False
                if failures == 1:
                    _LOG.warning("notifications can't be sent", extra={"reason": type(error).__name__})
            else:
                failures = 0
            if not is_more:
                await asyncio.sleep(min(POLL_SECONDS * 2 ** min(failures, 8), MAX_PAUSE_SECONDS))

    async def send_due(self) -> bool:
        """Sends one batch; True where there may be more. Raises psycopg.Error."""
        if self._transport is None:
            return False
        async with self._pool.connection() as connection:
            async with connection.transaction():
                claimed = await self._store.claim(connection, limit=BATCH_SIZE)
            found = [(one, await self._find_recipient(connection, one.to)) for one in claimed]
        if not claimed:
            return False
        try:
            await self._gate.confirmed(wait_seconds=CONFIRMATION_WAIT_SECONDS)
        except NotConfirmedError:
            await self._put_back(claimed)
            return False
        transport = self._transport
        outcomes = await asyncio.gather(
            *(self._send(transport, one, recipient) for one, recipient in found), return_exceptions=True
        )
        for error in filter(None, outcomes):  # one that failed has not stopped the others
            raise error
        return len(claimed) == BATCH_SIZE

    async def _send(self, transport: Transport, claimed: Claimed, recipient: Recipient | None) -> None:
        """Tries once, and writes down what came of it."""
        if recipient is None:
            async with self._pool.connection() as connection:
                await self._store.mark_without_recipient(connection, claimed.id)
            return
        try:
            message = self._writer.write(
                claimed.template,
                recipient,
                parameters=claimed.parameters,
                notification_id=claimed.id,
                created_at=claimed.created_at,
            )
            await transport.send(message)
        except (MailNotTakenError, LetterError) as error:
            is_refused = isinstance(error, MailNotTakenError) and error.is_final
            is_final = is_refused or claimed.tries >= self._max_tries
            await self._mark_failed(claimed, str(error), is_final=is_final)
            return
        async with self._pool.connection() as connection:
            await self._store.mark_sent(connection, claimed.id, recipient)

    async def _mark_failed(self, claimed: Claimed, reason: str, *, is_final: bool) -> None:
        """Each try waits twice as long as the one before, some more or less, up to four hours."""
        pause = min(self._first_retry_seconds * 2 ** (claimed.tries - 1), MAX_RETRY_SECONDS)
        retry_seconds = None if is_final else pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        _LOG.warning(
            "notification given up" if is_final else "notification not sent yet",
            extra={"notification": claimed.id, "reason": reason, "tries": claimed.tries},
        )
        async with self._pool.connection() as connection:
            await self._store.mark_failed(connection, claimed.id, reason=reason, retry_seconds=retry_seconds)

    async def _put_back(self, claimed: Sequence[Claimed]) -> None:
        async with self._pool.connection() as connection:
            await self._store.put_back(connection, [one.id for one in claimed], seconds=1.0)

    async def _care(self) -> None:
        """Counts what waits, and forgets what is old."""
        async with self._pool.connection() as connection:
            self._backlog = await self._store.backlog(connection)
            await self._store.forget(connection)

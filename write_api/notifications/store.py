"""The table of notifications."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.notices import Parameters, Recipient, Template, To, ToAccountOf, ToPerson

LEASE_SECONDS = 120
MAX_COUNTED = 1000
MAX_FORGOTTEN = 1000
MAX_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notification that is ours to send for LEASE_SECONDS; `tries` counts this one too."""

    id: int
    template: str
    parameters: Parameters
    to: To
    tries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits, counted up to MAX_COUNTED, and the age in seconds of its oldest."""

    queued: int = 0
    oldest_seconds: float = 0.0


class NotificationStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.notifications")

    async def enqueue(
        self,
        connection: Connection,
        template: Template,
        to: To,
        *,
        parameters: Parameters | None = None,
        merge_seconds: int = 0,
    ) -> None:
        """Queues a mail; see `write_api.notices.Notify`."""
        row: dict[str, Any] = {"template": template, "merge_seconds": merge_seconds}
        row["parameters"] = Jsonb(dict(parameters or {}))
        match to:
            case ToPerson(person_id):
                row |= {"person_id": person_id, "email_folded": None}
            case ToAccountOf(email_folded):
                row |= {"person_id": None, "email_folded": email_folded}
                await connection.execute(self._queries["lock_email"], {"email_folded": email_folded})
        await connection.execute(self._queries["enqueue"], row)

    async def enqueue_for_people(
        self, connection: Connection, template: Template, told: Sequence[tuple[ToPerson, Parameters]]
    ) -> None:
        """Queues a mail to each; see `write_api.notices.NotifyPeople`."""
        rows = {
            "template": template,
            "person_ids": [to.person_id for to, _ in told],
            "parameters": [Jsonb(dict(parameters)) for _, parameters in told],
        }
        await connection.execute(self._queries["enqueue_for_people"], rows)

    async def claim(self, connection: Connection, *, limit: int) -> list[Claimed]:
        """Takes at most `limit` that are due."""
        cursor = await connection.execute(
            self._queries["claim"], {"limit": limit, "lease_seconds": LEASE_SECONDS}
        )
        return [_claimed(row) for row in await cursor.fetchall()]

    async def put_back(self, connection: Connection, ids: Sequence[int], *, seconds: float) -> None:
        """Gives back what was claimed and not tried, to be due in `seconds`."""
        await connection.execute(self._queries["put_back"], {"ids": list(ids), "seconds": seconds})

    async def mark_sent(self, connection: Connection, notification_id: int, recipient: Recipient) -> None:
        """It was taken by the mail server."""
        parameters = {"id": notification_id, "person_id": recipient.person_id, "address": recipient.email}
        await connection.execute(self._queries["mark_sent"], parameters)

    async def mark_without_recipient(self, connection: Connection, notification_id: int) -> None:
        """There is nobody to tell."""
        await connection.execute(self._queries["mark_without_recipient"], {"id": notification_id})

    async def mark_failed(
        self, connection: Connection, notification_id: int, *, reason: str, retry_seconds: float | None
    ) -> None:
        """It was not taken: due again in `retry_seconds`, or given up where that is None."""
        parameters = {
            "id": notification_id,
            "reason": reason[:MAX_REASON_CHARACTERS],
            "is_final": retry_seconds is None,
            "seconds": retry_seconds or 0.0,
        }
        await connection.execute(self._queries["mark_failed"], parameters)

    async def backlog(self, connection: Connection) -> Backlog:
        """What waits to be sent."""
        row = await (await connection.execute(self._queries["backlog"], {"limit": MAX_COUNTED})).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has a row
        return Backlog(**row)

    async def forget(self, connection: Connection) -> None:
        """Removes the oldest of what nobody needs any more, a bounded number at a time."""
        await connection.execute(self._queries["forget"], {"limit": MAX_FORGOTTEN})

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Removes what tells where a person's mail goes; while the account still has its e-mail."""
        await connection.execute(self._queries["erase"], {"person_id": person_id})


def _claimed(row: Row) -> Claimed:
    person_id = row["person_id"]
    to = ToAccountOf(row["email_folded"]) if person_id is None else ToPerson(person_id)
    return Claimed(row["id"], row["template"], row["parameters"], to, row["tries"], row["created_at"])

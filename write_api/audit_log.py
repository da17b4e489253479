"""The audit log: who did what to what, when, from where, and whether it was done.

A row is written in the transaction of what it tells, so neither is there without the other. Nothing of it is
ever changed or removed (docs/decisions/0115-the-audit-log-holds-ids.md): people are in it by their ids, and
`details` holds neither secrets nor what anybody is called.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, LiteralString

from psycopg.types.json import Jsonb

from contracts.token_claims import Identity
from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from service_kit.request_origin import request_origin

ActorKind = Literal["person", "api_key", "guest", "nobody", "operator", "system"]
Outcome = Literal["done", "refused"]
NOTHING_MORE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person, an API key or a guest with an id, or somebody without one."""

    kind: ActorKind
    id: int | None = None


NOBODY = Actor("nobody")
"""Somebody who has not shown who they are."""
OPERATOR = Actor("operator")
"""Whoever gives commands on a machine of the platform."""
SYSTEM = Actor("system")
"""Frontrow by itself, such as a schedule."""


def actor_of(identity: Identity) -> Actor:
    """Who asks: a person by a token, a guest, or an API key, whose row tells of which person it is."""
    if identity.is_guest:
        return Actor("guest", identity.person_id)
    if identity.scopes is not None:
        return Actor("api_key", int(identity.token_id))
    return Actor("person", identity.person_id)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which rows to read, the newest first: those to which all that is given applies."""

    person_id: int | None = None
    """As who did it, or as whom it was done to."""
    subject: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    before_id: int | None = None
    """Where the page before ended."""


class AuditLog:
    """Writes rows. `region` is that of the process, told where no gateway says in which somebody asked."""

    def __init__(self, region: str, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._region = region
        self._queries = queries or load_queries("write_api")

    async def record(
        self,
        connection: Connection,
        *,
        actor: Actor,
        action: str,
        subject: str,
        outcome: Outcome = "done",
        details: Mapping[str, Any] = NOTHING_MORE,
    ) -> None:
        """Adds a row within the caller's transaction. Raises psycopg.Error.

        `action` is a few words with hyphens (`event-created`), `subject` is `kind:id` (`event:7`), `details`
        become at most 2000 characters of JSON. Address, region and id of the request are added.
        """
        await self.record_each(
            connection, actor=actor, action=action, subjects=[subject], outcome=outcome, details=details
        )

    async def record_each(
        self,
        connection: Connection,
        *,
        actor: Actor,
        action: str,
        subjects: Sequence[str],
        outcome: Outcome = "done",
        details: Mapping[str, Any] = NOTHING_MORE,
    ) -> None:
        """Adds a row for each subject, in one statement; otherwise as `record`."""
        if not subjects:
            return
        origin = request_origin()
        parameters = {
            "actor_kind": actor.kind,
            "actor_id": actor.id,
            "action": action,
            "subjects": list(subjects),
            "outcome": outcome,
            "client_address": origin.address if origin else None,
            "region": (origin.region if origin else None) or self._region,
            "request_id": origin.request_id if origin else None,
            "details": Jsonb(dict(details)),
        }
        await connection.execute(self._queries["record_in_audit_log"], parameters)

    async def entries(self, connection: Connection, entry_filter: EntryFilter, *, limit: int) -> list[Row]:
        """At most `limit` rows, the newest first."""
        parameters = {**asdict(entry_filter), "limit": limit}
        return await (await connection.execute(self._queries["read_audit_log"], parameters)).fetchall()

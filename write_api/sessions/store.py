"""The tables of the sessions: sessions and revocations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, LiteralString

from contracts.token_claims import ACCESS_TOKEN_SECONDS
from mini_auth.guest_links import GUEST_LINK_SECONDS
from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries

SESSION_SECONDS = 30 * 86_400
LONGEST_SESSION_SECONDS = 365 * 86_400
MAX_SESSIONS = 50
# Somebody whose answer was lost may ask again with the same token for so long.
GRACE_SECONDS = 10
# Until the last token has expired everywhere, whatever the clocks say.
REVOCATION_SECONDS = ACCESS_TOKEN_SECONDS + 60
GUEST_REVOCATION_SECONDS = GUEST_LINK_SECONDS + 60

EndReason = Literal["logged_out", "revoked", "reused"]


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session whose refresh token is the `refresh_sequence`-th."""

    id: int
    refresh_sequence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LockedSession:
    """A session under lock, live or not."""

    id: int
    person_id: int
    refresh_sequence: int
    expires_at: datetime
    is_live: bool
    is_just_refreshed: bool


class SessionStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.sessions")

    async def lock_person(self, connection: Connection, person_id: int) -> None:
        """Waits until nobody else changes this person's sessions, until the transaction ends."""
        await connection.execute(self._queries["lock_person"], {"person_id": person_id})

    async def issue_time(self, connection: Connection, person_id: int) -> datetime:
        """When a token of this person that is issued now was issued (see mini_auth.revocations)."""
        row = await self._row(connection, "issue_time", {"person_id": person_id})
        assert row is not None  # noqa: S101 - an aggregate has a row
        issued_at: datetime = row["issued_at"]
        return issued_at.astimezone(UTC)

    async def insert_session(self, connection: Connection, *, person_id: int, client: str) -> LiveSession:
        """A new session; the oldest beyond MAX_SESSIONS end, with their access tokens."""
        row = await self._row(
            connection,
            "insert_session",
            {"person_id": person_id, "client": client, "session_seconds": SESSION_SECONDS},
        )
        assert row is not None  # noqa: S101 - INSERT RETURNING without conflict clause
        cursor = await connection.execute(
            self._queries["displace_sessions"], {"person_id": person_id, "max_sessions": MAX_SESSIONS}
        )
        displaced = [str(ended["id"]) for ended in await cursor.fetchall()]
        if displaced:
            await self.revoke(connection, "session", displaced)
        return LiveSession(**row)

    async def person_of(self, connection: Connection, session_id: int) -> int | None:
        """Whose a session is; None where there is none."""
        row = await self._row(connection, "find_session_person", {"session_id": session_id})
        return None if row is None else row["person_id"]

    async def lock_session(self, connection: Connection, session_id: int) -> LockedSession | None:
        """A session, which nobody else can change until the transaction ends."""
        row = await self._row(
            connection, "lock_session", {"session_id": session_id, "grace_seconds": GRACE_SECONDS}
        )
        return None if row is None else LockedSession(**row)

    async def advance(self, connection: Connection, session: LockedSession) -> LiveSession:
        """The session with its next refresh token."""
        row = await self._row(
            connection,
            "advance_session",
            {
                "session_id": session.id,
                "session_seconds": SESSION_SECONDS,
                "longest_seconds": LONGEST_SESSION_SECONDS,
            },
        )
        assert row is not None  # noqa: S101 - it is locked
        return LiveSession(**row)

    async def end(
        self, connection: Connection, *, session_id: int, person_id: int, reason: EndReason
    ) -> bool:
        """Ends a person's session and kills its access tokens; False where it is none, or has ended."""
        parameters = {"session_id": session_id, "person_id": person_id, "reason": reason}
        if await self._row(connection, "end_session", parameters) is None:
            return False
        await self.revoke(connection, "session", [str(session_id)])
        return True

    async def end_all(self, connection: Connection, *, person_id: int, reason: EndReason) -> None:
        """Ends all sessions of a person, and kills all access tokens issued until now."""
        await connection.execute(self._queries["end_sessions"], {"person_id": person_id, "reason": reason})
        await self.revoke(connection, "person", [str(person_id)])

    async def forget_clients(self, connection: Connection, *, person_id: int) -> None:
        """Removes what the programs of a person called themselves."""
        await connection.execute(self._queries["forget_clients"], {"person_id": person_id})

    async def end_others(self, connection: Connection, *, person_id: int, kept_session_id: int) -> None:
        """Ends all sessions of a person but one, and kills their access tokens."""
        parameters = {"person_id": person_id, "kept_session_id": kept_session_id}
        cursor = await connection.execute(self._queries["end_other_sessions"], parameters)
        ended = [str(row["id"]) for row in await cursor.fetchall()]
        if ended:
            await self.revoke(connection, "session", ended)

    async def sessions(self, connection: Connection, person_id: int) -> list[Row]:
        """Where a person is logged in; at most MAX_SESSIONS."""
        cursor = await connection.execute(self._queries["select_sessions"], {"person_id": person_id})
        return await cursor.fetchall()

    async def revoke(self, connection: Connection, kind: str, subjects: Sequence[str]) -> None:
        """Kills access tokens of persons, of sessions, or by their `jti`."""
        parameters = {
            "kind": kind,
            "subjects": list(subjects),
            "kept_seconds": REVOCATION_SECONDS,
            "guest_kept_seconds": GUEST_REVOCATION_SECONDS,
        }
        await connection.execute(self._queries["revoke"], parameters)
        await connection.execute(self._queries["forget_revocations"])

    async def _row(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
        return await (await connection.execute(self._queries[name], parameters)).fetchone()

"""Sessions as administrators end and revoke them."""

from service_kit.database import Connection, Row
from write_api.sessions.store import SessionStore


class SessionAdministration:
    """What the administration does to other people's sessions, within its transaction."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def lock(self, connection: Connection, person_id: int) -> None:
        """Waits until nobody else changes this person's sessions, until the transaction ends."""
        await self._store.lock_person(connection, person_id)

    async def of_person(self, connection: Connection, person_id: int) -> list[Row]:
        """Where a person is logged in {id, client, created_at, refreshed_at, expires_at}."""
        return await self._store.sessions(connection, person_id)

    async def end_all(self, connection: Connection, person_id: int) -> None:
        """Ends all sessions of a person, and kills their access tokens. Under lock."""
        await self._store.end_all(connection, person_id=person_id, reason="revoked")

    async def revoke_tokens(self, connection: Connection, person_id: int) -> None:
        """Kills a person's access tokens; sessions go on. Under lock."""
        await self._store.revoke(connection, "person", [str(person_id)])

    async def end_session(self, connection: Connection, session_id: int) -> int | None:
        """Ends a session with its access tokens; whose it is, None where there is none."""
        person_id = await self._store.person_of(connection, session_id)
        if person_id is not None:
            await self._store.lock_person(connection, person_id)
            await self._store.end(connection, session_id=session_id, person_id=person_id, reason="revoked")
        return person_id

    async def revoke_token(self, connection: Connection, token_id: str) -> None:
        """Kills one access token, by its `jti`."""
        await self._store.revoke(connection, "token", [token_id])

"""What the API keys decide: how many a person may have, and that each is shown once."""

from collections.abc import Sequence

from contracts import problems
from contracts.api_keys import API_KEY_PREFIX, MAX_API_KEYS_OF_PERSON, new_api_key
from contracts.token_claims import Identity
from service_kit.database import Connection, Pool, Row
from service_kit.problem_responses import Problem
from write_api.api_keys.schemas import ApiKey, ApiKeyCreate, ApiKeyList, NewApiKey
from write_api.api_keys.store import ApiKeyStore
from write_api.audit_log import Actor, AuditLog, actor_of


class ApiKeyService:
    """Keys of people, each change one transaction."""

    def __init__(self, pool: Pool, store: ApiKeyStore, audit_log: AuditLog) -> None:
        self._pool = pool
        self._store = store
        self._audit_log = audit_log

    async def create(self, identity: Identity, body: ApiKeyCreate) -> NewApiKey:
        """A new key with its text, which nobody can tell again. Raises Problem CONFLICT."""
        key = new_api_key()
        async with self._pool.connection() as connection, connection.transaction():
            row = await self._store.insert(
                connection,
                key,
                person_id=identity.person_id,
                name=body.name,
                scopes=set(body.scopes),
                days=body.expires_in_days,
            )
            if row is not None:
                await self._audit_log.record(
                    connection,
                    actor=actor_of(identity),
                    action="api-key-created",
                    subject=f"api-key:{row['id']}",
                    details={"scopes": row["scopes"]},
                )
        if row is None:
            raise Problem(problems.CONFLICT, f"You have {MAX_API_KEYS_OF_PERSON} keys; revoke one of them.")
        return NewApiKey(**_shown(row), key=key.text)

    async def list_own(self, person_id: int) -> ApiKeyList:
        """The person's keys, without what would let anybody use them."""
        async with self._pool.connection() as connection:
            rows = await self._store.api_keys(connection, person_id)
        return ApiKeyList(api_keys=[ApiKey(**_shown(row)) for row in rows])

    async def revoke(self, identity: Identity, api_key_id: int) -> None:
        """Kills one key of the person. Raises Problem NOT_FOUND, also where it is another person's."""
        async with self._pool.connection() as connection, connection.transaction():
            is_there = await self._store.delete(
                connection, api_key_id=api_key_id, person_id=identity.person_id
            )
            if not is_there:
                raise Problem(problems.NOT_FOUND, f"You have no API key {api_key_id}.")
            await self._note_revoked(connection, actor_of(identity), [api_key_id])

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Kills all keys of a person who leaves, in the caller's transaction."""
        deleted = await self._store.delete_all(connection, person_id)
        await self._note_revoked(connection, Actor("person", person_id), deleted)

    async def _note_revoked(self, connection: Connection, actor: Actor, api_key_ids: Sequence[int]) -> None:
        subjects = [f"api-key:{api_key_id}" for api_key_id in api_key_ids]
        await self._audit_log.record_each(
            connection, actor=actor, action="api-key-revoked", subjects=subjects
        )


def _shown(row: Row) -> Row:
    """The row with the key's visible beginning in place of its public id."""
    return {**row, "prefix": API_KEY_PREFIX + row["public_id"]}

"""The table of the API keys."""

from collections.abc import Collection, Mapping
from typing import LiteralString

from contracts.api_keys import MAX_API_KEYS_OF_PERSON, ApiKeyText
from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries

USE_WRITTEN_SECONDS = 60


class ApiKeyStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.api_keys")

    async def insert(
        self,
        connection: Connection,
        key: ApiKeyText,
        *,
        person_id: int,
        name: str,
        scopes: Collection[str],
        days: int,
    ) -> Row | None:
        """The new key's row; None where the person has MAX_API_KEYS_OF_PERSON already."""
        parameters = {
            "public_id": key.public_id,
            "secret_hash": key.secret_hash,
            "person_id": person_id,
            "name": name,
            "scopes": sorted(scopes),
            "days": days,
            "most": MAX_API_KEYS_OF_PERSON,
        }
        await connection.execute(self._queries["lock_person"], {"person_id": person_id})
        return await (await connection.execute(self._queries["insert_api_key"], parameters)).fetchone()

    async def api_keys(self, connection: Connection, person_id: int) -> list[Row]:
        """A person's keys; at most MAX_API_KEYS_OF_PERSON."""
        cursor = await connection.execute(self._queries["select_api_keys"], {"person_id": person_id})
        return await cursor.fetchall()

    async def delete(self, connection: Connection, *, api_key_id: int, person_id: int) -> bool:
        """Revokes a person's key; False where the person has no such key."""
        parameters = {"api_key_id": api_key_id, "person_id": person_id}
        cursor = await connection.execute(self._queries["delete_api_key"], parameters)
        return await cursor.fetchone() is not None

    async def delete_all(self, connection: Connection, person_id: int) -> list[int]:
        """Revokes all keys of a person; their ids."""
        cursor = await connection.execute(self._queries["delete_api_keys"], {"person_id": person_id})
        return [row["id"] for row in await cursor.fetchall()]

    async def note_uses(self, connection: Connection, public_ids: Collection[str]) -> None:
        """Writes that these keys were used now, unless that was written within the last minute."""
        parameters = {"public_ids": list(public_ids), "seconds": USE_WRITTEN_SECONDS}
        await connection.execute(self._queries["note_uses"], parameters)

"""The table of the signing keys."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, LiteralString

from psycopg.types.json import Jsonb

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from write_api.signing_keys.sealed_key import ALGORITHM, SigningKey, seal

State = Literal["next", "current", "previous"]


@dataclass(frozen=True, slots=True)
class KeyAge:
    """A key's place in the order, and for how many seconds it has been known and has been signing."""

    key_id: str
    state: State
    known_seconds: float
    signing_seconds: float | None


class SigningKeyStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.signing_keys")

    async def lock(self, connection: Connection) -> None:
        """Waits until nobody else changes the keys, until the transaction ends."""
        await connection.execute(self._queries["lock_keys"])

    async def insert(
        self, connection: Connection, key: SigningKey, *, sealing_key: bytes, state: State
    ) -> None:
        """Stores a new key, sealed."""
        parameters = {
            "key_id": key.key_id,
            "algorithm": ALGORITHM,
            "public_jwk": Jsonb(key.public_jwk()),
            "private_key_sealed": seal(key, sealing_key),
            "state": state,
        }
        await connection.execute(self._queries["insert_key"], parameters)

    async def ages(self, connection: Connection) -> list[KeyAge]:
        """All keys, the oldest first; a handful."""
        cursor = await connection.execute(self._queries["select_keys"])
        return [KeyAge(**row) for row in await cursor.fetchall()]

    async def current(self, connection: Connection) -> Row | None:
        """The key that signs {key_id, algorithm, private_key_sealed}, if there is one."""
        return await (await connection.execute(self._queries["select_current_key"])).fetchone()

    async def promote_next(self, connection: Connection) -> None:
        """The current key, if there is one, becomes a previous one, and the next one signs."""
        await connection.execute(self._queries["retire_current_key"])
        await connection.execute(self._queries["promote_next_key"])

    async def delete(self, connection: Connection, key_id: str) -> bool:
        """Removes a key, whatever its state; False where there is none of this id."""
        cursor = await connection.execute(self._queries["delete_key"], {"key_id": key_id})
        return await cursor.fetchone() is not None

    async def delete_dead(self, connection: Connection, *, kept_seconds: float) -> list[str]:
        """Removes the keys whose tokens are all dead; their ids."""
        cursor = await connection.execute(self._queries["delete_dead_keys"], {"kept_seconds": kept_seconds})
        return [row["key_id"] for row in await cursor.fetchall()]

"""The table of guests: what the table of people has no column for."""

from collections.abc import Mapping
from typing import LiteralString

from service_kit.database import Connection
from service_kit.named_sql import load_queries


class GuestStore:
    """Statements of the feature, each on the connection that it is given."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.guests")

    async def insert_guest(self, connection: Connection, *, person_id: int, phone: str) -> None:
        """Makes a person a guest."""
        parameters = {"person_id": person_id, "phone": phone}
        await connection.execute(self._queries["insert_guest"], parameters)

    async def delete_guest(self, connection: Connection, *, person_id: int) -> None:
        """Removes what a guest has told."""
        await connection.execute(self._queries["delete_guest"], {"person_id": person_id})

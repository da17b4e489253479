"""What the administration locks; it has no table of its own."""

from collections.abc import Mapping
from typing import LiteralString

from service_kit.database import Connection
from service_kit.named_sql import load_queries


class AdministrationStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction."""

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.administration")

    async def lock_rights(self, connection: Connection) -> None:
        """Waits until nobody else changes what people may do, until the transaction ends."""
        await connection.execute(self._queries["lock_rights"])

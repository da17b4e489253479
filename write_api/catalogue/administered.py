"""Events as administrators take them off sale."""

from service_kit.database import Connection
from write_api.catalogue.store import CatalogueStore


class EventAdministration:
    """What the administration does to other people's events, within its transaction."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store

    async def deactivate(self, connection: Connection, event_id: int) -> str | None:
        """Takes an event off sale until `allow_activation`; its status before, None where there is none."""
        row = await self._store.lock_event(connection, event_id)
        if row is None:
            return None
        await self._store.deactivate(connection, event_id)
        status: str = row["status"]
        return status

    async def allow_activation(self, connection: Connection, event_id: int) -> bool:
        """Lets its hosts put it on sale again; False where there is no such event."""
        if await self._store.lock_event(connection, event_id) is None:
            return False
        await self._store.allow_activation(connection, event_id)
        return True

"""When keys were last used: noted in memory by each request, and written beside them."""

import asyncio
import logging

from service_kit.database import DATABASE_ERRORS, Pool
from write_api.api_keys.store import ApiKeyStore

_LOG = logging.getLogger(__name__)

WRITE_SECONDS = 5.0
MAX_NOTED = 10_000


class ApiKeyUses:
    """Collects the public ids of keys that were used; `run` writes them every few seconds.

    What is noted when a process ends, or when there are too many at once, may be lost: it is told for people
    who tidy up their keys, and nothing is decided by it.
    """

    def __init__(self, pool: Pool, store: ApiKeyStore) -> None:
        self._pool = pool
        self._store = store
        self._noted: set[str] = set()

    def note(self, public_id: str) -> None:
        """A key was used now. Costs no more than a look into a set."""
        if len(self._noted) < MAX_NOTED:
            self._noted.add(public_id)

    async def run(self) -> None:
        """Writes until cancelled; outlives a database that is away."""
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Writes what is noted; what can't be written is forgotten, and noted again by the next use."""
        noted, self._noted = self._noted, set()
        if not noted:
            return
        try:
            async with self._pool.connection() as connection:
                await self._store.note_uses(connection, noted)
        except DATABASE_ERRORS as error:
            _LOG.warning("uses of API keys are not written", extra={"reason": type(error).__name__})

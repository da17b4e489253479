"""What the waitlist does for those who wait: they join its lines, see where they stand, and leave."""

from contracts import problems
from contracts.waitlist import WaitlistEntry, WaitlistPage, waitlist_entry_from_row, waitlist_page
from service_kit.database import Connection, Pool, Row
from service_kit.fields import MAX_ID
from service_kit.problem_responses import Problem
from write_api.offered_seats import Decline
from write_api.waitlist.joins import Join
from write_api.waitlist.queued_joins import JoinQueues
from write_api.waitlist.schemas import WaitlistJoin
from write_api.waitlist.store import WaitlistStore

_TRIES_TO_LEAVE = 3


class WaitlistService:
    """Joins, leaves and shows entries; a person only ever meets their own."""

    def __init__(
        self,
        pool: Pool,
        store: WaitlistStore,
        *,
        joins: JoinQueues,
        decline: Decline,
    ) -> None:
        self._pool = pool
        self._store = store
        self._joins = joins
        self._decline = decline

    async def join(self, person_id: int, body: WaitlistJoin) -> tuple[WaitlistEntry, bool]:
        """See JoinQueues.join."""
        return await self._joins.join(body.event_id, Join(person_id, body.quantity, body.ticket_type_id))

    async def leave(self, person_id: int, entry_id: int) -> WaitlistEntry:
        """Ends waiting, or declines the offer; what is over stays as it is. Raises Problem NOT_FOUND.

        Raises BOOKING_STATE where the offer's booking can't be cancelled any more.
        """
        entry = await self.get(person_id, entry_id)
        for _ in range(_TRIES_TO_LEAVE):  # an entry turns from waiting to offered to over, and never back
            if entry.status == "waiting":
                async with self._pool.connection() as connection:
                    await self._store.leave(connection, entry.event_id, entry.id)
            elif entry.status == "offered" and entry.booking_id is not None:
                await self._decline_offer(person_id, entry, entry.booking_id)
            else:
                break
            entry = await self.get(person_id, entry_id)
        return entry

    async def get(self, person_id: int, entry_id: int) -> WaitlistEntry:
        """One entry. Raises Problem NOT_FOUND, also where it is another person's."""
        async with self._pool.connection() as connection:
            return await self._entry(connection, entry_id, person_id)

    async def list_own(self, person_id: int, *, before: int | None, page_size: int) -> WaitlistPage:
        """A page of entries, newest first, of those with ids below `before`."""
        async with self._pool.connection() as connection:
            rows = await self._store.entries(
                connection, person_id, before=MAX_ID if before is None else before, limit=page_size + 1
            )
        return waitlist_page(rows, page_size=page_size)

    async def erase(self, connection: Connection, person_id: int) -> None:
        """Removes all entries of a person, in the caller's transaction."""
        await self._store.forget_person(connection, person_id=person_id)

    async def _decline_offer(self, person_id: int, entry: WaitlistEntry, booking_id: int) -> None:
        """Raises Problem BOOKING_STATE, but where the offer lapsed or was taken meanwhile."""
        try:
            await self._decline(person_id, booking_id)
        except Problem as problem:
            if problem.kind is not problems.BOOKING_STATE:
                raise
            if (await self.get(person_id, entry.id)).status == "offered":
                raise

    async def _entry(self, connection: Connection, entry_id: int, person_id: int) -> WaitlistEntry:
        return _own(entry_id, await self._store.entry(connection, entry_id, person_id))


def _own(entry_id: int, row: Row | None) -> WaitlistEntry:
    """Raises Problem NOT_FOUND where there is no row."""
    if row is None:
        raise Problem(problems.NOT_FOUND, f"You have no entry {entry_id} on a waitlist.")
    return waitlist_entry_from_row(row)

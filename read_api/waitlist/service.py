"""Who sees which entries of waitlists: everyone their own."""

from contracts import problems
from contracts.waitlist import WaitlistEntry, WaitlistPage, waitlist_entry_from_row, waitlist_page
from read_api.waitlist.store import WaitlistStore
from service_kit.fields import MAX_ID
from service_kit.problem_responses import Problem


class WaitlistService:
    """Entries as the region's reader has them."""

    def __init__(self, store: WaitlistStore) -> None:
        self._store = store

    async def entry(self, person_id: int, entry_id: int) -> WaitlistEntry:
        """One entry. Raises Problem NOT_FOUND, also where it is another person's."""
        row = await self._store.entry(entry_id, person_id)
        if row is None:
            raise Problem(problems.NOT_FOUND, f"You have no entry {entry_id} on a waitlist.")
        return waitlist_entry_from_row(row)

    async def entries(self, person_id: int, *, before: int | None, page_size: int) -> WaitlistPage:
        """A page of entries, newest first, of those with ids below `before`."""
        rows = await self._store.entries(
            person_id, before=MAX_ID if before is None else before, limit=page_size + 1
        )
        return waitlist_page(rows, page_size=page_size)

"""What the waitlist decides for those who wait: who may join, in which place, and what leaving means."""

from contracts import problems
from contracts.waitlist import WaitlistEntry, WaitlistPage, waitlist_entry_from_row, waitlist_page
from service_kit.database import Connection, Pool, Row
from service_kit.fields import MAX_ID
from service_kit.pipelines import pipelined_transaction
from service_kit.problem_responses import Problem
from write_api.offered_seats import Decline, OfferSeats
from write_api.waitlist.offers import WaitlistOffers
from write_api.waitlist.schemas import WaitlistJoin
from write_api.waitlist.store import WaitlistStore

MAX_IN_LINE = 10_000
"""Of a ticket type: who is farther back than that waits for nothing, and each place costs a row's reading."""
_TRIES_TO_LEAVE = 3


class WaitlistService:
    """Joins, leaves and shows entries; a person only ever meets their own."""

    def __init__(
        self,
        pool: Pool,
        store: WaitlistStore,
        *,
        sale: OfferSeats,
        decline: Decline,
        offers: WaitlistOffers,
        max_in_line: int = MAX_IN_LINE,
    ) -> None:
        self._pool = pool
        self._store = store
        self._sale = sale
        self._decline = decline
        self._offers = offers
        self._max_in_line = max_in_line

    async def join(self, person_id: int, body: WaitlistJoin) -> tuple[WaitlistEntry, bool]:
        """The person's entry, and whether it is new: who waits for the same already is answered that.

        Raises Problem NOT_FOUND, INVALID_REQUEST, SEATS_ARE_FREE, EVENT_NOT_BOOKABLE, PER_PERSON_LIMIT,
        WAITLIST_FULL, and CONFLICT where the person waits for another number of seats.
        """
        # Whoever wants the same waits for the line, so what can be sent together is.
        async with self._pool.connection() as connection, pipelined_transaction(connection):
            ticket_type_id = await self._sale.ticket_type_of(connection, body.event_id, body.ticket_type_id)
            await self._store.lock_line(connection, ticket_type_id)
            entry_id = await self._entry_of_before(connection, person_id, body, ticket_type_id)
            is_new = entry_id is None
            if entry_id is None:
                await self._sale.require_waiting(
                    connection,
                    event_id=body.event_id,
                    ticket_type_id=ticket_type_id,
                    person_id=person_id,
                    quantity=body.quantity,
                )
                entry_id = await self._insert(connection, person_id, body, ticket_type_id)
            reading = await self._store.begin_entry(connection, entry_id, person_id)
        entry = _own(entry_id, await reading())
        if is_new:
            self._offers.kick(body.event_id)  # seats may have come free before anybody could see who waits
        return entry, is_new

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

    async def _entry_of_before(
        self, connection: Connection, person_id: int, body: WaitlistJoin, ticket_type_id: int
    ) -> int | None:
        """The entry with which the person waits for the same. Raises Problem CONFLICT."""
        of_person = (body.event_id, ticket_type_id, person_id)
        before = await self._store.live_entry(connection, *of_person)
        if before is not None and before.is_over:
            # What was offered was taken or not; the row says so from here on, or was just made to.
            await self._store.settle_offer(connection, body.event_id, before.id)
            before = await self._store.live_entry(connection, *of_person)
        if before is None:
            return None
        if before.is_over:
            raise Problem(
                problems.CONFLICT, "Your offer has just lapsed: ask again in a moment.", entry_id=before.id
            )
        if before.quantity != body.quantity:
            raise Problem(
                problems.CONFLICT,
                f"You wait for {before.quantity} of these seats: leave that entry first.",
                entry_id=before.id,
            )
        return before.id

    async def _insert(
        self, connection: Connection, person_id: int, body: WaitlistJoin, ticket_type_id: int
    ) -> int:
        """Raises Problem WAITLIST_FULL."""
        waiting = await self._store.count_line(
            connection, body.event_id, ticket_type_id, limit=self._max_in_line
        )
        if waiting >= self._max_in_line:
            raise Problem(
                problems.WAITLIST_FULL,
                f"{waiting} others wait for these seats, and no more are taken.",
                waiting=waiting,
            )
        return await self._store.insert(
            connection,
            event_id=body.event_id,
            ticket_type_id=ticket_type_id,
            person_id=person_id,
            quantity=body.quantity,
        )

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

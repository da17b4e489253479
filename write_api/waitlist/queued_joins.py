"""Those who join the lines of one event at once are served by one transaction, in the order of arrival.

When a hot event has sold out, thousands want to wait for it at the same moment. Each for itself would hold
the event's lines for several round trips, while the others wait for that with all the connections there are.
A batch holds them for two: all that it locks and reads, then all that it writes, with the commit.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from service_kit.database import Pool
from service_kit.pipelines import pipelined_transaction
from service_kit.problem_responses import Problem
from write_api.event_queues import EventQueues
from write_api.offered_seats import OfferSeats
from write_api.waitlist.joins import Join, Joined, judge_joins
from write_api.waitlist.offers import WaitlistOffers
from write_api.waitlist.store import WaitlistStore

MAX_IN_LINE = 10_000
"""Of a ticket type: who is farther back than that waits for nothing, and each place costs a row's reading."""
MAX_BATCH = 200
MAX_WAITING = 4096

_TO_BLAME = (psycopg.IntegrityError, psycopg.DataError)
"""What is wrong with one of them, such as an account that was just removed, and not with the database."""


class _Joining(NamedTuple):
    asked: Join
    answer: "asyncio.Future[Joined]"


class JoinQueues:
    """A queue an event. What is answered is not confirmed yet: that is waited for on the way out."""

    def __init__(
        self,
        pool: Pool,
        store: WaitlistStore,
        *,
        sale: OfferSeats,
        offers: WaitlistOffers,
        max_in_line: int = MAX_IN_LINE,
        max_batch: int = MAX_BATCH,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._pool = pool
        self._store = store
        self._sale = sale
        self._offers = offers
        self._max_in_line = max_in_line
        self._queues: EventQueues[_Joining] = EventQueues(
            self._serve, name="joins", to_blame=_TO_BLAME, max_batch=max_batch, max_waiting=max_waiting
        )

    async def join(self, event_id: int, join: Join) -> Joined:
        """The person's entry, and whether it is new: who waits for the same already is answered that.

        Raises Problem NOT_FOUND, INVALID_REQUEST, SEATS_ARE_FREE, EVENT_NOT_BOOKABLE, PER_PERSON_LIMIT,
        WAITLIST_FULL, and CONFLICT where the person waits for another number of seats.

        Raises TEMPORARILY_UNAVAILABLE at once, with nothing done, where too many wait already.
        """
        answer: asyncio.Future[Joined] = asyncio.get_running_loop().create_future()
        return await self._queues.answer_to(event_id, _Joining(join, answer), answer)

    @property
    def waiting(self) -> int:
        """How many have no answer yet."""
        return self._queues.waiting

    async def close(self) -> None:
        """Waits until all are answered; nobody may join any more."""
        await self._queues.close()

    async def _serve(self, event_id: int, batch: Sequence[_Joining]) -> None:
        outcomes = await self._join_all(event_id, [one.asked for one in batch])
        if any(not isinstance(outcome, Problem) and outcome[1] for outcome in outcomes):
            self._offers.kick(event_id)  # seats may have come free before anybody could see who waits
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            if answer.done():
                continue
            if isinstance(outcome, Problem):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)

    async def _join_all(self, event_id: int, joins: Sequence[Join]) -> list[Joined | Problem]:
        """What each hears. Raises Problem NOT_FOUND where there is no such event; psycopg.Error."""
        person_ids = {join.person_id for join in joins}
        async with self._pool.connection() as connection, pipelined_transaction(connection):
            await self._store.lock_lines(connection, event_id)
            reading = await self._store.begin_lines(connection, event_id, person_ids)
            rules = await self._sale.waiting_rules(connection, event_id, person_ids)
            judged = judge_joins(rules, await reading(), joins, max_in_line=self._max_in_line)
            entering = await self._store.begin_to_enter(connection, event_id, judged)
        return judged.told(await entering())

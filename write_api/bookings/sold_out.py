"""Sold out, from memory: whoever asks in vain costs neither the database nor a wait at the gate.

What is remembered was read under the locks of a batch that passed the answer gate, so it is confirmed, and a
quarter of a second later it is forgotten: so this process hears of seats that came free in another. Of those
that come free in this process it is told at once. A tenth of a second after the batch, one request is served
by the database all the same, so that the memory is renewed before it ends.

Who repeats a request must hear of the booking that they have, so the names of all keyed bookings of such an
event are remembered too, as hashes: two that are equal by chance cost one question to the database.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts import problems
from service_kit.hot_route import answer_of
from service_kit.problem_responses import problem_response
from service_kit.whole_answers import RawHeaders
from write_api.bookings.grants import Grant, Outcome, Sale, Wish
from write_api.bookings.refusals import problem_of
from write_api.bookings.rules import Refusal, chosen_ticket_type, refusal_to_book
from write_api.bookings.served import Served

REMEMBERED_SECONDS = 0.25
RENEWED_AFTER_SECONDS = 0.1
"""A renewal costs as much as a hundred refusals. The rest is for it to be confirmed, also far away; where
that does not suffice, everybody waits for the database."""
MAX_FORGOTTEN = 10_000
MAX_KEYED_EVENTS = 100
"""Of which the names of keyed bookings are kept: some 6 MB for an event of 100,000 seats."""


class KeysSince(NamedTuple):
    """Keyed bookings of an event after one that was known: their names, and the last of them."""

    last_booking_id: int
    names: Sequence[tuple[int, str]]


@dataclass(slots=True)
class _Keyed:
    """The keyed bookings of an event, up to one."""

    last_booking_id: int = 0
    hashes: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Memory:
    """An event of which ticket types were sold out, as of a batch."""

    sale: Sale
    sold_out: frozenset[int]
    confirmed: RawHeaders
    since: float
    is_renewed: bool = False
    refusals: dict[tuple[int | None, int], Served | None] = field(default_factory=dict)


class SoldOut:
    """Which events are sold out, for `seconds` after a batch has seen it and was confirmed."""

    def __init__(
        self, *, seconds: float = REMEMBERED_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._memories: dict[int, _Memory] = {}
        self._forgets = 0
        self._forgotten: dict[int, int] = {}
        self._all_forgotten = 0
        self._keyed: OrderedDict[int, _Keyed] = OrderedDict()

    def last_keyed(self, event_id: int) -> int:
        """The last booking with a key that is known of an event; 0 where none is."""
        keyed = self._keyed.get(event_id)
        return 0 if keyed is None else keyed.last_booking_id

    def mark(self) -> int:
        """Taken before a batch reads: what is forgotten from then on, it may not have seen."""
        return self._forgets

    def know_keys(self, event_id: int, since: int, keys: KeysSince) -> None:
        """A batch read, under the event's locks, which keyed bookings there are after booking `since`."""
        if since == 0:
            self._keyed.pop(event_id, None)
            while len(self._keyed) >= MAX_KEYED_EVENTS:
                self._memories.pop(self._keyed.popitem(last=False)[0], None)
            self._keyed[event_id] = _Keyed()
        keyed = self._keyed.get(event_id)
        if keyed is not None and keyed.last_booking_id >= since:
            keyed.last_booking_id = max(keyed.last_booking_id, keys.last_booking_id)
            keyed.hashes.update(map(hash, keys.names))

    def remember(
        self,
        event_id: int,
        mark: int,
        sale: Sale,
        sold_out: frozenset[int],
        confirmed: RawHeaders,
    ) -> None:
        """A batch has left no seat of these ticket types, and was confirmed just now."""
        if event_id not in self._keyed or self._forgotten.get(event_id, self._all_forgotten) > mark:
            return
        self._memories[event_id] = _Memory(sale, sold_out, confirmed, since=self._clock())

    def forget(self, event_id: int) -> None:
        """Seats of the event came free in this process."""
        self._memories.pop(event_id, None)
        self._forgets += 1
        if len(self._forgotten) >= MAX_FORGOTTEN:
            self._forgotten.clear()
            self._all_forgotten = self._forgets
        self._forgotten[event_id] = self._forgets

    def forget_before(self, event_id: int, mark: int) -> int:
        """A batch with this mark was granted seats, so what is remembered is older; its mark from then on."""
        is_latest = self._forgotten.get(event_id, self._all_forgotten) <= mark
        self.forget(event_id)
        return self._forgets if is_latest else mark

    def refusal(self, event_id: int, wish: Wish) -> Served | None:
        """The answer to a wish that is in vain; None where the database has to be asked."""
        memory = self._memories.get(event_id)
        if memory is None:
            return None
        if wish.name is not None and hash(wish.name) in self._keyed[event_id].hashes:
            return None
        age_seconds = self._clock() - memory.since
        if age_seconds >= self._seconds:
            del self._memories[event_id]
            return None
        asked = (wish.ticket_type_id, wish.quantity)
        if asked not in memory.refusals:
            memory.refusals[asked] = _refusal(memory, wish)
        served = memory.refusals[asked]
        # By somebody who asks in vain: a batch that only sells what is left renews nothing.
        if served is not None and age_seconds >= RENEWED_AFTER_SECONDS and not memory.is_renewed:
            memory.is_renewed = True
            return None
        return served


def sold_out_after(sale: Sale, outcomes: Iterable[Outcome]) -> frozenset[int]:
    """The ticket types of which a batch leaves no seat.

    Not those with a limit per person, where the refusal depends on who asks.
    """
    remaining = sale.remaining_after({id(one): one for one in outcomes if isinstance(one, Grant)}.values())
    limited = {one.id for one in sale.ticket_types if one.per_person_limit is not None}
    return frozenset(one for one, seats in remaining.items() if seats == 0 and one not in limited)


def _refusal(memory: _Memory, wish: Wish) -> Served | None:
    """By the rules of a batch; None where they would say something else than that it is sold out."""
    ticket_type = chosen_ticket_type(memory.sale.ticket_types, wish.ticket_type_id)
    if isinstance(ticket_type, Refusal) or ticket_type.id not in memory.sold_out:
        return None
    refusal = refusal_to_book(
        memory.sale.event, ticket_type, remaining=0, quantity=wish.quantity, now=memory.sale.now
    )
    if refusal is None or refusal.kind is not problems.NOT_ENOUGH_SEATS:
        return None
    problem = problem_of(refusal)
    return Served(problem, memory.confirmed, answer_of(problem_response(problem)))

"""What a batch has read of a sale, for as long as nothing of it has changed: the next one decides by it.

So a batch of which everybody gets seats decides before it asks for any lock. Its one statement under the
locks finds out whether what was assumed still holds, and does nothing where it does not; then the batch is
decided anew by what is read under the locks. Nobody is refused by an assumption.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from write_api.bookings.grants import Grant, Sale, Wish, grant_in_order

MAX_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class AssumedSale:
    """A sale in which nobody waits and nobody is limited, `until` when the rules say the same of each time.

    None: for good.
    """

    sale: Sale
    until: datetime | None

    def grants(self, wishes: Sequence[Wish]) -> list[Grant] | None:
        """What each gets; None where that is not for an assumption to say.

        That is where anybody is refused, comes twice, or names who comes, and where a ticket type is sold out
        by it, since a batch that sells out reads more.
        """
        if any(wish.attendees for wish in wishes):
            return None
        outcomes = grant_in_order(self.sale, wishes)
        grants = [one for one in outcomes if isinstance(one, Grant)]
        if len({id(one) for one in grants}) != len(wishes):
            return None
        remaining = self.sale.remaining_after(grants)
        return grants if all(remaining[one.ticket_type.id] > 0 for one in grants) else None

    def with_remaining(self, remaining: Mapping[int, int]) -> "AssumedSale":
        """The same, with so many seats left of some ticket types."""
        return replace(self, sale=replace(self.sale, remaining={**self.sale.remaining, **remaining}))


class AssumedSales:
    """Those of the events that were asked for last."""

    def __init__(self, *, max_events: int = MAX_EVENTS) -> None:
        self._max_events = max_events
        self._sales: OrderedDict[int, AssumedSale] = OrderedDict()

    def get(self, event_id: int) -> AssumedSale | None:
        """What is assumed of an event, if anything is."""
        return self._sales.get(event_id)

    def put(self, event_id: int, assumed: AssumedSale | None) -> None:
        """From now on this is assumed, or nothing."""
        self._sales.pop(event_id, None)
        if assumed is not None:
            self._sales[event_id] = assumed
            if len(self._sales) > self._max_events:
                self._sales.popitem(last=False)


def assume(sale: Sale, grants: Sequence[Grant]) -> AssumedSale | None:
    """What the next batch may assume after one that read this and granted that; None where it has to read."""
    if sale.awaited or any(one.per_person_limit is not None for one in sale.ticket_types):
        return None
    turns = [
        time
        for one in sale.ticket_types
        for time in (sale.event.starts_at, one.sales_start_at, one.sales_end_at)
        if time is not None and time > sale.now
    ]
    remaining = sale.remaining_after(grants)
    return AssumedSale(
        replace(sale, remaining=remaining, made_before={}, seats_before={}), min(turns, default=None)
    )

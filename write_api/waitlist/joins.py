"""What becomes of those who join the lines of an event at once: pure, in the order in which they came.

It is as if each had joined in a transaction of their own, one after the other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts import problems
from contracts.waitlist import WaitlistEntry, waitlist_entry_from_row
from service_kit.database import Row
from service_kit.problem_responses import Problem
from write_api.offered_seats import WaitingRules

Whose = tuple[int, int]
"""A ticket type and a person, who has at most one live entry in its line."""


@dataclass(frozen=True, slots=True)
class Join:
    """Somebody who wants to wait for seats of an event; of its only ticket type where none is named."""

    person_id: int
    quantity: int
    ticket_type_id: int | None = None

    @property
    def weight(self) -> int:
        """How many rows it takes."""
        return 1


@dataclass(frozen=True, slots=True)
class LiveEntry:
    """An entry that waits or was offered seats, as its row says.

    An offer that `is_over` was taken, declined or has lapsed; where its booking `has_ended`, the row may say
    so, else the sweep of holds has not come by yet.
    """

    id: int
    is_over: bool
    has_ended: bool


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of an event, which nobody else can join now.

    How many wait by ticket type, and what those have who join.
    """

    waiting: Mapping[int, int]
    live: Mapping[Whose, LiveEntry]


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody's live entry is the answer, once it can be read: one that `is_new`, or that they had."""

    whose: Whose
    is_new: bool


@dataclass(frozen=True, slots=True)
class JudgedJoins:
    """What becomes of each; new entries are written in this order."""

    joins: Sequence[Join]
    outcomes: Sequence[Place | Problem]
    settled_ids: Sequence[int]
    """Entries whose offers have ended, of people who wait anew."""

    @property
    def entering(self) -> list[tuple[Whose, int]]:
        """Who gets a new entry, and for how many seats."""
        placed = zip(self.outcomes, self.joins, strict=True)
        return [(one.whose, join.quantity) for one, join in placed if isinstance(one, Place) and one.is_new]

    @property
    def answered(self) -> list[Whose]:
        """Whose entries are answered, each once."""
        return list({one.whose: one for one in self.outcomes if isinstance(one, Place)})

    def told(self, rows: Mapping[Whose, Row]) -> "list[Joined | Problem]":
        """What each hears, with the entries of `answered` as they are now."""
        return [
            _told(join, one, rows.get(one.whose)) if isinstance(one, Place) else one
            for one, join in zip(self.outcomes, self.joins, strict=True)
        ]


Joined = tuple[WaitlistEntry, bool]
"""Somebody's entry, and whether it is new."""


def judge_joins(rules: WaitingRules, lines: Lines, joins: Sequence[Join], *, max_in_line: int) -> JudgedJoins:
    """Decides about those who join, in their order; at most `max_in_line` wait for a ticket type.

    The rules are the same for the last as for the first: who waits takes no seats. Nor does it matter to the
    others for how many somebody new waits, for that is more than are left, or others waited for those before.
    """
    waiting = Counter(lines.waiting)
    placed = {whose for whose, entry in lines.live.items() if not entry.is_over}
    settled_ids = []
    outcomes: list[Place | Problem] = []
    for join in joins:
        ticket_type_id = rules.ticket_type_of(join.ticket_type_id)
        if isinstance(ticket_type_id, Problem):
            outcomes.append(ticket_type_id)
            continue
        whose = (ticket_type_id, join.person_id)
        if whose in placed:
            outcomes.append(Place(whose, is_new=False))
            continue
        before = lines.live.get(whose)
        refusal = (
            _lapsed(before)
            or rules.refusal_to_wait(ticket_type_id, person_id=join.person_id, quantity=join.quantity)
            or _full(waiting[ticket_type_id], max_in_line)
        )
        if refusal is not None:
            outcomes.append(refusal)
            continue
        if before is not None:
            settled_ids.append(before.id)
        placed.add(whose)
        waiting[ticket_type_id] += 1
        outcomes.append(Place(whose, is_new=True))
    return JudgedJoins(joins, outcomes, settled_ids)


def _lapsed(before: LiveEntry | None) -> Problem | None:
    if before is None or before.has_ended:
        return None
    detail = "Your offer has just lapsed: ask again in a moment."
    return Problem(problems.CONFLICT, detail, entry_id=before.id)


def _full(waiting: int, max_in_line: int) -> Problem | None:
    if waiting < max_in_line:
        return None
    detail = f"{waiting} others wait for these seats, and no more are taken."
    return Problem(problems.WAITLIST_FULL, detail, waiting=waiting)


def _told(join: Join, place: Place, row: Row | None) -> Joined | Problem:
    if row is None:
        return Problem(problems.NOT_FOUND, "Your entry was removed, with all that was yours.")
    if row["quantity"] != join.quantity:
        detail = f"You wait for {row['quantity']} of these seats: leave that entry first."
        return Problem(problems.CONFLICT, detail, entry_id=row["id"])
    return waitlist_entry_from_row(row), place.is_new

"""Which status of an event may follow which: the whole rule, in one place.

inactive <-> active        put on sale, taken off sale
inactive, active -> cancelled, and cancelled it stays
"""

from contracts.event import EventStatus

_FOLLOWING: dict[EventStatus, frozenset[EventStatus]] = {
    "inactive": frozenset({"inactive", "active", "cancelled"}),
    "active": frozenset({"active", "inactive", "cancelled"}),
    "cancelled": frozenset({"cancelled"}),
}


def may_become(status: EventStatus, wanted: EventStatus) -> bool:
    """Whether an event of this status may be given the wanted one; to stay as it is is always fine."""
    return wanted in _FOLLOWING[status]


def action_of(status: EventStatus, wanted: EventStatus) -> str:
    """What the audit log calls a change of an event that leads from one status to another, or keeps it."""
    if status == wanted:
        return "event-changed"
    return {"active": "event-published", "inactive": "event-withdrawn", "cancelled": "event-cancelled"}[
        wanted
    ]

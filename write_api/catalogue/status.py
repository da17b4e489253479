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

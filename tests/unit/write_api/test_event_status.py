"""Which status of an event may follow which."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from contracts.event import EventStatus
from write_api.catalogue.status import may_become

STATUSES: tuple[EventStatus, ...] = get_args(EventStatus)


@given(st.lists(st.sampled_from(STATUSES), min_size=1))
def test_a_cancelled_event_stays_cancelled_whatever_is_asked(wishes: list[EventStatus]) -> None:
    status: EventStatus = "inactive"
    seen: list[EventStatus] = []
    for wish in wishes:
        if may_become(status, wish):
            status = wish
        seen.append(status)
    if "cancelled" in seen:
        assert set(seen[seen.index("cancelled") :]) == {"cancelled"}


def test_everything_else_is_allowed() -> None:
    for status in ("inactive", "active"):
        assert all(may_become(status, wanted) for wanted in STATUSES)

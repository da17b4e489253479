"""An entry of a waitlist as every API answers it to its owner: a row of `read_side.waitlist_entries`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from contracts.page import page_of

WaitlistStatus = Literal["waiting", "offered", "accepted", "passed", "left", "closed"]


class WaitlistEntry(BaseModel):
    """Seats that somebody waits for, as that somebody sees it."""

    id: int
    event_id: int
    ticket_type_id: int
    quantity: int
    status: WaitlistStatus = Field(
        description="`waiting`; `offered`: confirm the booking; `accepted`: you did; `passed`: you did not in"
        " time, or may not have the seats; `left`: you left or declined; `closed`: the event began or was"
        " cancelled."
    )
    place: int | None = Field(description="Your place in line while you wait: 1 is the first.")
    booking_id: int | None = Field(
        description="The offer: a booking that is held for you. Confirm it, or cancel it to decline."
    )
    offer_expires_at: datetime | None = Field(description="Until when the offer is held, or was, UTC.")
    joined_at: datetime


class WaitlistPage(BaseModel):
    """Some of your entries, newest first."""

    entries: list[WaitlistEntry]
    next_before: int | None = Field(description="`before` for the next page; null on the last.")


def waitlist_entry_from_row(row: Mapping[str, Any]) -> WaitlistEntry:
    """The entry of a row of `read_side.waitlist_entries`."""
    return WaitlistEntry(**{name: row[name] for name in WaitlistEntry.model_fields})


def waitlist_page(rows: Sequence[Mapping[str, Any]], *, page_size: int) -> WaitlistPage:
    """A page of at most `page_size`, from rows newest first; one row more tells that another page follows."""
    page, next_before = page_of(rows, page_size=page_size)
    return WaitlistPage(entries=[waitlist_entry_from_row(row) for row in page], next_before=next_before)

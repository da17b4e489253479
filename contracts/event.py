"""An event as every API answers it, made from one row of `read_side.event_documents`."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from contracts.booking_policy import BookingPolicy, policy_from_row
from contracts.money import minor_units

EventStatus = Literal["inactive", "active", "cancelled"]


class Venue(BaseModel):
    """Where an event takes place; its coordinates are WGS 84 degrees."""

    name: str
    city: str | None
    country: str | None
    latitude: float | None
    longitude: float | None


class TicketType(BaseModel):
    """A kind of seat with its price in the event's currency, in minor units."""

    id: int
    name: str
    price_minor: int
    capacity: int
    seats_remaining: int
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    per_person_limit: int | None = Field(description="Seats of it that one person may have at a time.")
    oversell_seats: int = Field(
        description="Seats that are sold beyond the capacity; what is left counts them too."
    )


class Event(BaseModel):
    """An event. `location` and `price` repeat what the simplest way to make an event takes."""

    id: int
    host_id: int = Field(description="Who made it; whose it is, its organisation decides.")
    name: str
    description: str
    category: str
    topics: list[str]
    languages: list[str]
    artists: list[str]
    website: str | None
    status: EventStatus
    start_at: datetime = Field(description="UTC.")
    end_at: datetime | None = Field(description="UTC.")
    start_at_local: datetime = Field(description="The same instant in the event's time zone.")
    time_zone: str
    is_online: bool
    location: str = Field(description="The venue's name, or 'Online'.")
    venue: Venue | None
    currency: str
    price: float | None = Field(description="The lowest price in the currency's main unit.")
    price_minor: int | None = Field(description="The lowest price in minor units: exact.")
    price_minor_max: int | None
    capacity: int
    available_seats: int = Field(description="Seats left; an estimate on pages, exact when you book.")
    ticket_types: list[TicketType]
    hold_seconds: int | None = Field(
        description="How long a booking holds its seats; null: as long as the platform's, five minutes."
    )
    policy: BookingPolicy = Field(description="What new bookings keep; each shows the one that it has.")
    created_at: datetime
    updated_at: datetime


# Python keeps only the last eight zones; reading one again costs more than all else here.
_zone = lru_cache(maxsize=1024)(ZoneInfo)

_SAME_NAME = (
    "id", "host_id", "name", "description", "category", "topics", "languages", "artists", "website", "status",
    "time_zone", "is_online", "currency", "price_minor_max", "capacity", "hold_seconds", "created_at",
    "updated_at",
)  # fmt: skip


def event_from_row(row: Mapping[str, Any]) -> Event:
    """The event of a row of `read_side.event_documents`."""
    venue = None
    if row["venue_name"] is not None:
        venue = Venue(
            name=row["venue_name"], **{k: row[k] for k in ("city", "country", "latitude", "longitude")}
        )
    lowest = row["price_minor_min"]
    return Event(
        **{name: row[name] for name in _SAME_NAME},
        start_at=row["starts_at"],
        end_at=row["ends_at"],
        start_at_local=row["starts_at"].astimezone(_zone(row["time_zone"])),
        location=venue.name if venue else "Online",
        venue=venue,
        price=None if lowest is None else lowest / 10 ** minor_units(row["currency"]),
        price_minor=lowest,
        available_seats=row["seats_remaining"],
        policy=policy_from_row(row["policy"]),
        ticket_types=[TicketType(**ticket_type) for ticket_type in row["ticket_types"]],
    )


def may_see(status: EventStatus, *, is_host: bool) -> bool:
    """Whether somebody sees an event of this status; `is_host` is whoever `read_side.event_hosts` names.

    An inactive event is its hosts' alone; to others it is as if it were not there.
    """
    return is_host or status != "inactive"

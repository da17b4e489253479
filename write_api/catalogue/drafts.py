"""A new event as the tables want it, made from the body of a request; pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from contracts.booking_policy import BookingPolicy
from contracts.money import to_minor
from write_api.catalogue.policies import policy_of
from write_api.catalogue.schemas import DEFAULT_TIME_ZONE, EventCreate, TicketTypeBody, VenueBody

ONLY_TICKET_TYPE = "Standard"


class Place(NamedTuple):
    """A venue by all that tells it from another one of the same host."""

    name: str
    city: str | None
    country: str | None
    latitude: float | None
    longitude: float | None
    time_zone: str


@dataclass(frozen=True, slots=True)
class TicketTypeDraft:
    """A ticket type to be made; `label_prefix` starts the label of each of its seats."""

    name: str
    price_minor: int
    capacity: int
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    per_person_limit: int | None
    oversell_seats: int
    label_prefix: str

    @property
    def seats(self) -> int:
        """How many seats are made: with those beyond the capacity."""
        return self.capacity + self.oversell_seats


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event to be made: its own columns by name, whose it shall be if that is said, what belongs to it.

    Without a `policy` it has the platform's.
    """

    organisation_id: int | None
    columns: dict[str, Any]
    place: Place | None
    policy: BookingPolicy | None
    artists: tuple[str, ...]
    ticket_types: tuple[TicketTypeDraft, ...]

    @property
    def import_reference(self) -> str | None:
        """The organisation's own name for the event."""
        reference: str | None = self.columns["import_reference"]
        return reference

    @property
    def seats(self) -> int:
        """How many seats it has in all."""
        return sum(ticket_type.seats for ticket_type in self.ticket_types)


def place_of(location: str | None, venue: VenueBody | None, time_zone: str | None) -> Place | None:
    """The venue that a body names, fully or by `location` alone; None where it names none."""
    if venue is not None:
        return Place(
            venue.name,
            venue.city,
            venue.country,
            venue.latitude,
            venue.longitude,
            venue.time_zone or time_zone or DEFAULT_TIME_ZONE,
        )
    if location is not None:
        return Place(location, location, None, None, None, time_zone or DEFAULT_TIME_ZONE)
    return None


def draft_of(body: EventCreate) -> EventDraft:
    """The draft of a valid body."""
    place = place_of(body.location, body.venue, body.time_zone)
    policy = policy_of(body.policy)
    columns = {
        "name": body.name,
        "description": body.description,
        "category": body.category,
        "topics": body.topics,
        "languages": body.languages,
        "website": body.website,
        "status": body.status,
        "starts_at": body.start_at,
        "ends_at": body.end_at,
        "time_zone": body.time_zone or (place.time_zone if place else DEFAULT_TIME_ZONE),
        "is_online": body.is_online,
        "currency": body.currency,
        "hold_seconds": body.hold_seconds,
        "policy_version": 0 if policy is None else 1,
        "import_reference": body.import_reference,
    }
    return EventDraft(body.organisation_id, columns, place, policy, tuple(body.artists), _ticket_types(body))


def _ticket_types(body: EventCreate) -> tuple[TicketTypeDraft, ...]:
    """Seats are labelled 1 to n; where there are several types, after the name of theirs."""
    if body.ticket_types is None:
        assert body.available_seats is not None  # noqa: S101 - the schema demands one or the other
        assert body.price is not None  # noqa: S101
        only = TicketTypeBody(name=ONLY_TICKET_TYPE, price=body.price, capacity=body.available_seats)
        return (_ticket_type(only, body.currency, label_prefix=""),)
    several = len(body.ticket_types) > 1
    return tuple(
        _ticket_type(ticket_type, body.currency, label_prefix=f"{ticket_type.name} " if several else "")
        for ticket_type in body.ticket_types
    )


def _ticket_type(body: TicketTypeBody, currency: str, *, label_prefix: str) -> TicketTypeDraft:
    return TicketTypeDraft(
        name=body.name,
        price_minor=to_minor(body.price, currency),
        capacity=body.capacity,
        sales_start_at=body.sales_start_at,
        sales_end_at=body.sales_end_at,
        per_person_limit=body.per_person_limit,
        oversell_seats=body.oversell_seats,
        label_prefix=label_prefix,
    )

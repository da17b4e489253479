"""The bodies of the catalogue's requests and answers; an event is answered as `contracts.event.Event`."""

import re
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from contracts.event import EventStatus
from contracts.money import MAX_PRICE_MINOR, is_currency, to_minor
from service_kit.fields import Id, Instant, Line, RequestBody, Text
from write_api.catalogue.policies import PolicyBody
from write_api.seat_blocks import MAX_SEATS_PER_EVENT

MAX_BULK_EVENTS = 200
MAX_TICKET_TYPES = 50
MAX_NAMES = 50
MIN_HOLD_SECONDS = 10  # less is no time to confirm in
MAX_HOLD_SECONDS = 86_400
DEFAULT_CURRENCY = "USD"
DEFAULT_TIME_ZONE = "UTC"
MAX_PRICE_DECIMALS = 4  # more than any currency has; the currency's own number is checked with it

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}", re.ASCII)


@cache
def _time_zones() -> frozenset[str]:
    """The names of the IANA database that comes with our environment: the same on every machine."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _is_time_zone(value: str) -> str:
    if value not in _time_zones():
        raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin")
    return value


def _is_currency(value: str) -> str:
    if not is_currency(value):
        raise ValueError("must be a currency code of ISO 4217, such as USD")
    return value


def _is_language(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError("must be a language tag, such as en or pt-BR")
    return value.lower()


def _is_number(value: object) -> object:
    """Text is not a number here, and `true` is none anywhere."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - what pydantic turns into a refusal
    return value


def _is_web_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#\"<>\\]+[^\s\"<>\\]*", value):
        raise ValueError("must be a web address that starts with http:// or https://")
    return value


def _without_repetitions(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Price = Annotated[
    Decimal,
    BeforeValidator(_is_number),
    Field(ge=0, le=MAX_PRICE_MINOR, decimal_places=MAX_PRICE_DECIMALS),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": MAX_PRICE_MINOR}),
]
"""An amount in the currency's main unit, taken exactly as written."""

_Degrees = Annotated[float, BeforeValidator(_is_number)]
Latitude = Annotated[_Degrees, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[_Degrees, Field(ge=-180, le=180, allow_inf_nan=False)]
TimeZone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_is_time_zone)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_is_currency)]
Language = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=35), AfterValidator(_is_language)
]
Names = Annotated[list[Line], Field(max_length=MAX_NAMES), AfterValidator(_without_repetitions)]
Languages = Annotated[list[Language], Field(max_length=MAX_NAMES), AfterValidator(_without_repetitions)]
Website = Annotated[
    Line,
    StringConstraints(max_length=2000),
    AfterValidator(_is_web_address),
    WithJsonSchema({"type": "string"}),
]
Category = Annotated[Line, StringConstraints(max_length=64)]
SeatCount = Annotated[StrictInt, Field(ge=1, le=MAX_SEATS_PER_EVENT)]
OversellSeats = Annotated[
    StrictInt,
    Field(ge=0, le=MAX_SEATS_PER_EVENT, description="Seats that are sold beyond the capacity."),
]
HoldSeconds = Annotated[
    StrictInt,
    Field(
        ge=MIN_HOLD_SECONDS,
        le=MAX_HOLD_SECONDS,
        description="How long a booking holds its seats until it is confirmed. Default: the platform's.",
    ),
]
Location = Annotated[Line, Field(description="A place by name: becomes the venue's name and city.")]


class VenueBody(RequestBody):
    """Where an event takes place; degrees of WGS 84, both or none."""

    name: Line
    city: Line | None = None
    country: Line | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    time_zone: TimeZone | None = Field(default=None, description="Default: the event's, else UTC.")

    @model_validator(mode="after")
    def _is_a_point_or_none(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together")
        return self


class TicketTypeBody(RequestBody):
    """A kind of seat, with its price and its number of seats."""

    name: Line
    price: Price
    capacity: SeatCount
    sales_start_at: Instant | None = None
    sales_end_at: Instant | None = None
    per_person_limit: SeatCount | None = Field(
        default=None, description="How many seats of it one person may have at a time. Default: any number."
    )
    oversell_seats: OversellSeats = 0

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.sales_start_at and self.sales_end_at and self.sales_end_at <= self.sales_start_at:
            raise ValueError("sales_end_at must be after sales_start_at")
        return self


class TicketTypeUpdate(RequestBody):
    """What to change of a ticket type; what is left out stays. Bookings keep their prices and seats."""

    name: Line | None = None
    price: Price | None = Field(default=None, description="For new bookings, in the currency's main unit.")
    capacity: SeatCount | None = Field(default=None, description="Not below what is held or sold.")
    oversell_seats: OversellSeats | None = None
    sales_start_at: Instant | None = Field(default=None, description="null removes it.")
    sales_end_at: Instant | None = Field(default=None, description="null removes it.")
    per_person_limit: SeatCount | None = Field(default=None, description="null removes it.")

    @model_validator(mode="after")
    def _removes_only_what_may_be_absent(self) -> Self:
        for name in self.model_fields_set - {"sales_start_at", "sales_end_at", "per_person_limit"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} can't be null; leave it out to keep it")
        return self


class EventCreate(RequestBody):
    """A new event: with `available_seats` and `price`, or with `ticket_types`."""

    name: Line
    start_at: Instant
    category: Category
    location: Location | None = None
    venue: VenueBody | None = None
    available_seats: SeatCount | None = None
    price: Price | None = Field(default=None, description="In the currency's main unit.")
    ticket_types: list[TicketTypeBody] | None = Field(default=None, min_length=1, max_length=MAX_TICKET_TYPES)
    currency: Currency = DEFAULT_CURRENCY
    description: Text = ""
    topics: Names = Field(default_factory=list)
    languages: Languages = Field(default_factory=list)
    artists: Names = Field(default_factory=list)
    website: Website | None = None
    end_at: Instant | None = None
    time_zone: TimeZone | None = Field(default=None, description="Default: the venue's, else UTC.")
    is_online: StrictBool = False
    status: EventStatus = "inactive"
    hold_seconds: HoldSeconds | None = None
    policy: PolicyBody | None = Field(default=None, description="Default: the platform's.")
    import_reference: Line | None = Field(
        default=None,
        description="The organisation's own name for the event: creating it again gives the same event.",
    )
    organisation_id: Id | None = Field(
        default=None, description="Whose event it is. Default: your own organisation's."
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if self.location is not None and self.venue is not None:
            raise ValueError("give location or venue, not both")
        if not self.is_online and self.location is None and self.venue is None:
            raise ValueError("give location or venue, or is_online")
        if self.end_at is not None and self.end_at < self.start_at:
            raise ValueError("end_at must not be before start_at")
        return self

    @model_validator(mode="after")
    def _has_seats(self) -> Self:
        if self.ticket_types is None:
            if self.available_seats is None or self.price is None:
                raise ValueError("give available_seats and price, or ticket_types")
            to_minor(self.price, self.currency)
            return self
        if self.available_seats is not None or self.price is not None:
            raise ValueError("give available_seats and price, or ticket_types, not both")
        if len({ticket_type.name for ticket_type in self.ticket_types}) < len(self.ticket_types):
            raise ValueError("ticket types need different names")
        if sum(one.capacity + one.oversell_seats for one in self.ticket_types) > MAX_SEATS_PER_EVENT:
            raise ValueError(f"an event has at most {MAX_SEATS_PER_EVENT} seats")
        for ticket_type in self.ticket_types:
            to_minor(ticket_type.price, self.currency)
        return self


_FIXED = ("available_seats", "price", "currency", "ticket_types", "import_reference", "organisation_id")


class EventUpdate(RequestBody):
    """What to change of an event; what is left out stays."""

    name: Line | None = None
    start_at: Instant | None = None
    category: Category | None = None
    location: Location | None = None
    venue: VenueBody | None = None
    description: Text | None = None
    topics: Names | None = None
    languages: Languages | None = None
    artists: Names | None = None
    website: Website | None = Field(default=None, description="null removes it.")
    end_at: Instant | None = Field(default=None, description="null removes it.")
    time_zone: TimeZone | None = None
    is_online: StrictBool | None = None
    status: EventStatus | None = None
    hold_seconds: HoldSeconds | None = Field(
        default=None, description="Counts for new bookings; null: the platform's."
    )
    policy: PolicyBody | None = Field(
        default=None, description="All of it, counts for new bookings; null: the platform's."
    )

    @model_validator(mode="before")
    @classmethod
    def _leaves_seats_alone(cls, value: Any) -> Any:
        fixed = [name for name in _FIXED if isinstance(value, dict) and name in value]
        if fixed:
            raise ValueError(
                f"can't be changed after the event was made: {', '.join(fixed)};"
                " seats and prices are those of its ticket types"
            )
        return value

    @model_validator(mode="after")
    def _removes_only_what_may_be_absent(self) -> Self:
        nullable = {"website", "end_at", "hold_seconds", "policy"}
        for name in self.model_fields_set - nullable:
            if getattr(self, name) is None:
                raise ValueError(f"{name} can't be null; leave it out to keep it")
        if self.location is not None and self.venue is not None:
            raise ValueError("give location or venue, not both")
        return self


class EventBulk(RequestBody):
    """Up to 200 events with up to 100,000 seats in all; each stands alone."""

    events: list[Annotated[dict[str, Any], WithJsonSchema({"$ref": "#/components/schemas/EventCreate"})]] = (
        Field(min_length=1, max_length=MAX_BULK_EVENTS)
    )


class BulkResult(BaseModel):
    """What became of one event of a bulk request."""

    index: int = Field(description="Its position in the request, from 0.")
    status: Literal["created", "existing", "refused"]
    id: int | None
    problem: Annotated[
        dict[str, Any] | None,
        WithJsonSchema({"anyOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]}),
    ]


class BulkAnswer(BaseModel):
    """One result an event, in the order of the request."""

    results: list[BulkResult]

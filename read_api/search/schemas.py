"""What a search takes and answers."""

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from contracts.event import Event
from contracts.money import MAX_PRICE_MINOR
from service_kit.fields import Instant, RequestBody

MAX_PAGE_SIZE = 100
MAX_DEPTH = 10_000
DEFAULT_PAGE_SIZE = 20
DEFAULT_RADIUS_KM = 50.0
MAX_RADIUS_KM = 20_040.0  # half of the way around the Earth

Sort = Literal["relevance", "date", "distance", "price"]
LanguageTag = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}$", max_length=30)
]
Page = Annotated[int, Field(ge=1, le=MAX_DEPTH, description="The first page is 1.")]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)]


def _may_be_empty(value: str) -> str | None:
    """An input field that was left empty is no criterion."""
    return value.strip() or None


def _is_number(value: object) -> object:
    """JSON knows numbers, strings and booleans apart, and so do we; 7.0 is the integer 7 (JSON Schema)."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports ValueError alone
    return value


# Any characters may be searched for: folding keeps the letters and digits among them.
SearchText = Annotated[
    str, StringConstraints(max_length=200), AfterValidator(_may_be_empty), Field(examples=["jazz"])
]
JsonNumber = BeforeValidator(_is_number)
Price = Annotated[int, JsonNumber, Field(ge=0, le=MAX_PRICE_MINOR)]


def _day_or_instant(value: object) -> date | datetime:
    if isinstance(value, str) and _DAY.match(value):
        return date.fromisoformat(value)
    return _INSTANT.validate_python(value)


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
DayOrInstant = Annotated[
    date | datetime,
    PlainValidator(_day_or_instant),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]


class Near(RequestBody):
    """A point (WGS 84 degrees) and how far from it an event may be."""

    latitude: Annotated[float, JsonNumber, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, JsonNumber, Field(ge=-180, le=180, allow_inf_nan=False)]
    radius_km: Annotated[float, JsonNumber, Field(gt=0, le=MAX_RADIUS_KM, allow_inf_nan=False)] = (
        DEFAULT_RADIUS_KM
    )


class Paging(RequestBody):
    """Which part of the hits is answered."""

    page: Page = 1
    page_size: PageSize = DEFAULT_PAGE_SIZE

    @model_validator(mode="after")
    def _is_not_too_deep(self) -> Self:
        if self.page * self.page_size > MAX_DEPTH:
            raise ValueError(f"page * page_size must not exceed {MAX_DEPTH}: narrow the search instead")
        return self


class Criteria(Paging):
    """Any of these, and all of those given must hold. Without any, every event is a hit."""

    page: Annotated[Page, JsonNumber] = 1
    page_size: Annotated[PageSize, JsonNumber] = DEFAULT_PAGE_SIZE
    text: SearchText | None = Field(
        default=None, description="Words of name, description, artists, venue, city or topics."
    )
    name: SearchText | None = Field(
        default=None, description="Words of the event's name; the last may be unfinished."
    )
    location: SearchText | None = Field(
        default=None, description="Words of the venue's name, its city or country."
    )
    category: SearchText | None = Field(default=None, description="The category, in any case.")
    start_from: Instant | None = Field(default=None, description="Starts then or later.")
    start_to: Instant | None = Field(default=None, description="Starts then or earlier.")
    is_online: bool | None = Field(default=None, strict=True)
    price_minor_min: Price | None = Field(
        default=None, description="Some ticket costs this or more, in minor units."
    )
    price_minor_max: Price | None = Field(default=None, description="Some ticket costs this or less.")
    available_only: bool = Field(default=False, strict=True, description="Only where seats are left.")
    languages: Annotated[list[LanguageTag], Field(max_length=20)] = Field(
        default=[], description="In any of these languages."
    )
    near: Near | None = None
    sort: Sort = Field(default="relevance", description="In every order, events that are over come last.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.start_from and self.start_to and self.start_from > self.start_to:
            raise ValueError("start_from must not be after start_to")
        if (
            self.price_minor_min is not None
            and self.price_minor_max is not None
            and self.price_minor_min > self.price_minor_max
        ):
            raise ValueError("price_minor_min must not be over price_minor_max")
        if self.sort == "distance" and self.near is None:
            raise ValueError("sorting by distance needs near")
        return self


class EventsQuery(Paging):
    """The search by query string."""

    search: SearchText | None = Field(default=None, description="As `text` of the search by body.")
    location: SearchText | None = None
    category: SearchText | None = None
    start_from: Instant | None = None
    start_to: Instant | None = None
    sort: Literal["relevance", "date", "price"] = "relevance"


class ArtistQuery(Paging):
    """The search for who appears where and when."""

    artist: SearchText | None = Field(default=None, description="Words of an artist's or the event's name.")
    location: SearchText | None = None
    dateTime: DayOrInstant | None = Field(  # noqa: N815 - the name that the user's documents give it
        default=None,
        description="A date: events starting on that day, where they take place. "
        "A date and time: events starting then or within 24 hours.",
    )


class SearchAnswer(BaseModel):
    """One page of hits, and how many there are."""

    total: int
    page: int
    page_size: int
    events: list[Event]
    took_ms: int = Field(description="What Elasticsearch took, in milliseconds.")


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """The first and last moment of a day on a clock without a zone, to the second."""
    return datetime.combine(day, time.min), datetime.combine(day, time(23, 59, 59))

"""Makes an event body of a record in the conference format (the one of confs.tech's open data)."""

from datetime import date, datetime, time
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from cli.places import Gazetteer

CATEGORY = "CONFERENCE"
UNKNOWN_PLACE = "To be announced"
_OPENS = time(9)
_CLOSES = time(18)

_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class Conference(BaseModel):
    """A conference; members that we have no use for (hashtags, calls for papers) are left aside."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    name: _Words
    start_date: date
    end_date: date | None = None
    url: str | None = None
    city: _Words | None = None
    country: _Words | None = None
    online: bool = False
    languages: list[str] = Field(default_factory=list)
    topics: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end_date is not None and self.end_date < self.start_date:
            raise ValueError("end_date is before start_date")
        return self


def conference_event(
    conference: Conference, places: Gazetteer, *, seats: int, price: float, currency: str
) -> dict[str, Any]:
    """The body for POST /api/v1/events: from 9:00 on the first day to 18:00 on the last, in the city's time.

    The venue keeps the name as it was written; its city and country take GeoNames' names where it knows the
    city, so that `München` and `Munich` count as one. A city that it doesn't know has no coordinates and UTC.
    """
    city = places.city(conference.city, conference.country) if conference.city else None
    zone = ZoneInfo(city.time_zone if city else "UTC")
    last_day = conference.end_date or conference.start_date
    event: dict[str, Any] = {
        "name": conference.name,
        "category": CATEGORY,
        "start_at": datetime.combine(conference.start_date, _OPENS, zone).isoformat(),
        "end_at": datetime.combine(last_day, _CLOSES, zone).isoformat(),
        "time_zone": zone.key,
        "is_online": conference.online,
        "languages": [language.strip().lower() for language in conference.languages],
        "topics": conference.topics,
        "available_seats": seats,
        "price": price,
        "currency": currency,
    }
    if conference.url:
        event["website"] = conference.url.strip().replace(" ", "%20")  # as a browser would read it
    if conference.city or not conference.online:
        code = places.country_code(conference.country) if conference.country else None
        event["venue"] = {
            "name": conference.city or conference.country or UNKNOWN_PLACE,
            "city": city.name if city else conference.city,
            "country": places.country_name(code) if code else conference.country,
            "time_zone": zone.key,
        }
        if city:
            event["venue"] |= {"latitude": city.latitude, "longitude": city.longitude}
    return event

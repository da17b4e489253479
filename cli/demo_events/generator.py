"""Makes demo events: the same seed and number give the same event on the same day, on every machine."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from cli.demo_events.prices import currency_of, local_price
from cli.demo_events.texts import CategoryTexts, LanguageTexts, languages
from cli.places import City, gazetteer

DAYS_AHEAD = 548  # 18 months
CITIES_PER_COUNTRY = 14
SUBURB_KILOMETRES = 20
ONLINE_SHARE = 0.12  # of the categories below
FREE_SHARE = 0.03
SEVERAL_TICKET_TYPES_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Habits:
    """What is usual for a category: its share, start times, length in hours, further days, price, seats."""

    weight: int
    starts: Sequence[time]
    hours: float
    days: tuple[int, int]
    dollars: tuple[int, int]
    seats: tuple[int, int]
    price_factors: Sequence[float]
    """Of each of several ticket types."""


_EVENING = (time(19), time(19, 30), time(20), time(20, 30), time(21))
_MATCH = (time(17, 30), time(18), time(19), time(20))
_MORNING = (time(9), time(9, 30), time(10))
_HABITS = {
    "MUSIC": Habits(30, _EVENING, 2.5, (0, 0), (15, 90), (60, 500), (1.0, 1.4, 2.2)),
    "SPORT": Habits(18, _MATCH, 2, (0, 0), (10, 70), (150, 600), (1.3, 1.0, 0.8)),
    "THEATRE": Habits(16, _EVENING[:3], 2, (0, 0), (14, 65), (40, 250), (1.5, 1.2, 0.8)),
    "CONFERENCE": Habits(14, _MORNING, 8, (0, 2), (60, 450), (40, 300), (1.0, 0.5, 1.4)),
    "COMEDY": Habits(12, _EVENING[2:], 1.5, (0, 0), (12, 40), (20, 150), (1.0, 1.4)),
    "EXHIBITION": Habits(10, _MORNING[2:], 8, (20, 120), (6, 22), (30, 200), (1.0, 0.6)),
}
_ONLINE_CATEGORIES = ("CONFERENCE", "COMEDY")


def demo_events(*, seed: int, count: int, today: date) -> Iterator[dict[str, Any]]:
    """`count` bodies for POST /api/v1/events, dated over the 18 months after `today`."""
    for number in range(1, count + 1):
        yield demo_event(seed=seed, number=number, today=today)


def demo_event(*, seed: int, number: int, today: date) -> dict[str, Any]:
    """Event `number` of a seed; it does not depend on how many others are made."""
    chance = random.Random(f"frontrow-demo-{seed}-{number}")  # noqa: S311 - believable, not secret
    spoken = languages()
    language = chance.choices(spoken, [one.weight for one in spoken])[0]
    category = chance.choices(list(_HABITS), [habits.weight for habits in _HABITS.values()])[0]
    habits, texts = _HABITS[category], language.categories[category]
    places = _places(language.tag)
    city, rival = _two_cities(chance, places)
    starts_at, ends_at = _times(chance, habits, category, ZoneInfo(city.time_zone), today)
    currency = currency_of(city.country_code)
    is_online = category in _ONLINE_CATEGORIES and chance.random() < ONLINE_SHARE
    slots = _slots(chance, language, city, rival, starts_at.year)
    slots["venue"] = chance.choice(texts.venues).format_map(slots)
    event: dict[str, Any] = {
        "name": chance.choice(_templates(texts.names, is_online)).format_map(slots),
        "description": chance.choice(_templates(texts.descriptions, is_online)).format_map(slots),
        "category": category,
        "languages": [language.tag],
        "artists": _artists(category, slots),
        "topics": _topics(category, slots),
        "start_at": starts_at.isoformat(),
        "end_at": ends_at.isoformat(),
        "time_zone": city.time_zone,
        "currency": currency,
        "is_online": is_online,
        "status": "active",
        "import_reference": f"demo-{seed}-{number}",
        **_seats(chance, habits, texts, currency),
    }
    if not is_online:
        event["venue"] = _venue(slots["venue"], city)
    return event


@cache
def _places(tag: str) -> tuple[City, ...]:
    """The cities where a language's events take place: the largest of each country, suburbs left out."""
    language = next(one for one in languages() if one.tag == tag)
    chosen: list[City] = []
    for code in language.countries:
        in_country: list[City] = []
        allowed = language.only_cities.get(code)
        largest_first = sorted(_cities_by_country().get(code, ()), key=lambda city: -city.population)
        for city in largest_first:
            if len(in_country) == CITIES_PER_COUNTRY:
                break
            is_named = not language.only_named_cities or city.name in language.cities
            is_allowed = allowed is None or city.name in allowed
            if is_named and is_allowed and not any(_is_suburb(city, larger) for larger in in_country):
                in_country.append(city)
        chosen += in_country
    return tuple(chosen)


@cache
def _cities_by_country() -> dict[str, list[City]]:
    found: dict[str, list[City]] = {}
    for city in gazetteer().cities():
        if city.population >= 100_000:
            found.setdefault(city.country_code, []).append(city)
    return found


def _is_suburb(city: City, larger: City) -> bool:
    """Whether it lies within 20 km of a larger one (a degree is 111 km; flat is good enough here)."""
    north = (city.latitude - larger.latitude) * 111
    east = (city.longitude - larger.longitude) * 111 * math.cos(math.radians(city.latitude))
    return math.hypot(north, east) < SUBURB_KILOMETRES


def _two_cities(chance: random.Random, places: Sequence[City]) -> tuple[City, City]:
    """A city, and another of its country; by the root of their size, so that smaller ones come up too."""
    city = chance.choices(places, [math.sqrt(place.population) for place in places])[0]
    others = [place for place in places if place.country_code == city.country_code and place != city]
    return city, chance.choice(others or [city])


def _times(
    chance: random.Random, habits: Habits, category: str, zone: ZoneInfo, today: date
) -> tuple[datetime, datetime]:
    """Start and end in local time; conferences begin on Monday to Thursday."""
    first_day = today + timedelta(days=chance.randint(2, DAYS_AHEAD))
    if category == "CONFERENCE":
        first_day += timedelta(days=(7 - first_day.weekday()) % 7 if first_day.weekday() > 3 else 0)
    starts_at = datetime.combine(first_day, chance.choice(habits.starts), zone)
    last_day = first_day + timedelta(days=chance.randint(*habits.days))
    ends_at = datetime.combine(last_day, starts_at.time(), zone) + timedelta(hours=habits.hours)
    return starts_at, ends_at


def _slots(
    chance: random.Random, language: LanguageTexts, city: City, rival: City, year: int
) -> dict[str, str]:
    slots = {word: chance.choice(choices) for word, choices in language.words.items()}
    slots["city"] = language.cities.get(city.name, city.name)
    slots["rival"] = language.cities.get(rival.name, rival.name)
    slots["year"] = str(year)
    return slots


def _templates(templates: Sequence[str], is_online: bool) -> Sequence[str]:
    """For an event online, those that name no place, if there are any."""
    placeless = [text for text in templates if "{city}" not in text and "{venue}" not in text]
    return placeless if is_online and placeless else templates


def _artists(category: str, slots: dict[str, str]) -> list[str]:
    by_category = {"MUSIC": "artist", "COMEDY": "person"}
    return [slots[by_category[category]]] if category in by_category else []


def _topics(category: str, slots: dict[str, str]) -> list[str]:
    by_category = {"MUSIC": "genre", "SPORT": "sport", "CONFERENCE": "topic"}
    return [slots[by_category[category]].lower()] if category in by_category else []


def _venue(name: str, city: City) -> dict[str, Any]:
    """A venue a little off the city's centre; the same name is at the same place whenever it comes up."""
    place = random.Random(f"{name}-{city.name}")  # noqa: S311
    return {
        "name": name,
        "city": city.name,
        "country": city.country,
        "latitude": round(city.latitude + place.uniform(-0.03, 0.03), 5),
        "longitude": round(city.longitude + place.uniform(-0.03, 0.03), 5),
        "time_zone": city.time_zone,
    }


def _seats(chance: random.Random, habits: Habits, texts: CategoryTexts, currency: str) -> dict[str, Any]:
    """Seats and prices: one kind for most, several for some; a few events are free, a few are small."""
    capacity = chance.randint(*habits.seats) if chance.random() > 0.08 else chance.randint(3, 12)
    dollars = chance.uniform(*habits.dollars)
    if chance.random() < FREE_SHARE:
        return {"available_seats": capacity, "price": 0}
    if capacity < 30 or chance.random() > SEVERAL_TICKET_TYPES_SHARE:
        return {"available_seats": capacity, "price": float(local_price(dollars, currency))}
    shares = (0.6, 0.3, 0.1)
    return {
        "ticket_types": [
            {
                "name": ticket,
                "price": float(local_price(dollars * factor, currency)),
                "capacity": max(1, int(capacity * share)),
            }
            for ticket, share, factor in zip(texts.tickets, shares, habits.price_factors, strict=False)
        ]
    }

"""Demo events are believable, the same everywhere, and taken by the API."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demo_events.generator import DAYS_AHEAD, demo_event, demo_events
from cli.demo_events.prices import currency_of, local_price
from cli.demo_events.texts import CATEGORIES, LanguageTexts, languages
from cli.places import gazetteer
from contracts.money import to_minor
from write_api.catalogue.schemas import MAX_BULK_EVENTS, EventCreate

TODAY = date(2027, 3, 1)
EVENTS = list(demo_events(seed=1, count=300, today=TODAY))


def test_every_event_is_one_that_the_api_takes() -> None:
    for event in EVENTS:
        assert EventCreate.model_validate(event).status == "active"


@given(seed=st.integers(0, 10**6), number=st.integers(1, 10**6))
def test_any_seed_and_number_give_a_good_event_and_always_the_same(seed: int, number: int) -> None:
    event = demo_event(seed=seed, number=number, today=TODAY)
    EventCreate.model_validate(event)
    assert event == demo_event(seed=seed, number=number, today=TODAY)
    assert event["import_reference"] == f"demo-{seed}-{number}"


def test_the_first_events_do_not_depend_on_how_many_follow() -> None:
    assert list(demo_events(seed=1, count=10, today=TODAY)) == EVENTS[:10]


def test_another_seed_gives_other_events() -> None:
    names = [event["name"] for event in EVENTS]
    assert [event["name"] for event in demo_events(seed=2, count=300, today=TODAY)] != names


def test_all_kinds_languages_and_many_places_come_up() -> None:
    assert {event["category"] for event in EVENTS} == set(CATEGORIES)
    assert {event["languages"][0] for event in EVENTS} == {language.tag for language in languages()}
    assert len({event["venue"]["city"] for event in EVENTS if "venue" in event}) > 60
    assert len({event["currency"] for event in EVENTS}) > 8
    assert any(event["is_online"] for event in EVENTS)
    assert any(len(event.get("ticket_types", ())) > 2 for event in EVENTS)
    assert any("festival" in event["name"].lower() for event in EVENTS)


def test_events_start_within_eighteen_months_at_hours_when_people_go_out() -> None:
    for event in EVENTS:
        start = datetime.fromisoformat(event["start_at"])
        assert timedelta(0) < start.date() - TODAY <= timedelta(days=DAYS_AHEAD + 4)
        assert 9 <= start.hour <= 21
        assert start.utcoffset() == start.astimezone(ZoneInfo(event["time_zone"])).utcoffset()
        assert datetime.fromisoformat(event["end_at"]) > start


def test_a_venue_is_near_its_city_in_the_right_country_and_zone() -> None:
    for event in EVENTS:
        if "venue" in event:
            venue = event["venue"]
            city = gazetteer().city(venue["city"], venue["country"])
            assert city is not None
            assert abs(city.latitude - venue["latitude"]) < 0.04
            assert venue["time_zone"] == city.time_zone
            assert event["currency"] == currency_of(city.country_code)


@pytest.mark.parametrize("language", languages(), ids=lambda language: language.tag)
def test_every_template_of_every_language_has_words_for_its_slots(language: LanguageTexts) -> None:
    slots = {word: choices[0] for word, choices in language.words.items()}
    slots |= {"city": "Ulm", "rival": "Bonn", "year": "2027", "venue": "Hall"}
    for texts in language.categories.values():
        for template in (*texts.names, *texts.descriptions, *texts.venues):
            assert "{" not in template.format_map(slots)
        assert len(set(texts.tickets)) == len(texts.tickets) > 1


@given(
    dollars=st.floats(0.01, 10_000),
    country=st.sampled_from(sorted({c for one in languages() for c in one.countries})),
)
def test_every_price_is_one_that_the_currency_can_pay(dollars: float, country: str) -> None:
    currency = currency_of(country)
    assert to_minor(local_price(dollars, currency), currency) > 0


def test_a_request_of_demo_events_stays_within_the_apis_bounds() -> None:
    seats = [
        event["available_seats"]
        if "available_seats" in event
        else sum(t["capacity"] for t in event["ticket_types"])
        for event in EVENTS
    ]
    assert max(seats) * MAX_BULK_EVENTS <= 200_000
    assert min(seats) > 0


def test_the_day_of_the_demo_moves_with_the_calendar() -> None:
    today = datetime.now(UTC).date()
    first = demo_event(seed=1, number=1, today=today)
    assert datetime.fromisoformat(first["start_at"]).date() > today

"""Cities by the names that people write."""

from zoneinfo import available_timezones

import pytest

from cli.places import gazetteer


@pytest.mark.parametrize(
    ("name", "country", "found", "time_zone"),
    [
        ("Berlin", "Germany", "Berlin", "Europe/Berlin"),
        ("münchen", "Germany", "Munich", "Europe/Berlin"),
        ("Munchen", "DE", "Munich", "Europe/Berlin"),
        ("Bangalore", "India", "Bengaluru", "Asia/Kolkata"),
        ("Dallas, TX", "U.S.A.", "Dallas", "America/Chicago"),
        ("Portland, ME", "U.S.A.", "Portland", "America/New_York"),
        ("Portland, OR", "U.S.A.", "Portland", "America/Los_Angeles"),
        ("Amsterdam", "Netherlands", "Amsterdam", "Europe/Amsterdam"),
        ("Edinburgh", "Scotland", "Edinburgh", "Europe/London"),
        ("SAO PAULO", "Brazil", "São Paulo", "America/Sao_Paulo"),
        ("St. Gallen", "Switzerland", "Sankt Gallen", "Europe/Zurich"),
        ("Hà Nội", "Viet Nam", "Hanoi", "Asia/Bangkok"),
        ("London", None, "London", "Europe/London"),
    ],
)
def test_a_city_is_found_by_name_and_country(
    name: str, country: str | None, found: str, time_zone: str
) -> None:
    city = gazetteer().city(name, country)
    assert city is not None
    assert (city.name, city.time_zone) == (found, time_zone)


@pytest.mark.parametrize(
    ("name", "country"), [("Nowhere-on-Sea", "U.K."), ("Berlin", "Atlantis"), ("", "Germany"), ("Berlin", "")]
)
def test_what_is_not_known_is_not_guessed(name: str, country: str) -> None:
    assert gazetteer().city(name, country) is None


def test_of_cities_with_one_name_it_is_the_larger() -> None:
    city = gazetteer().city("Springfield", "U.S.A.")
    assert city is not None
    assert city.population == max(one.population for one in gazetteer().cities() if one.name == "Springfield")


def test_every_city_has_a_place_and_a_known_time_zone() -> None:
    assert {city.time_zone for city in gazetteer().cities()} <= available_timezones()
    for city in gazetteer().cities():
        assert -90 <= city.latitude <= 90
        assert -180 <= city.longitude <= 180

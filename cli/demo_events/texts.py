"""The words that demo events are made of: one TOML file a language, in the folder `texts`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

CATEGORIES = ("MUSIC", "SPORT", "THEATRE", "CONFERENCE", "COMEDY", "EXHIBITION")


@dataclass(frozen=True)
class CategoryTexts:
    """Templates of one category in one language: names, descriptions, venues, ticket types."""

    names: Sequence[str]
    descriptions: Sequence[str]
    venues: Sequence[str]
    tickets: Sequence[str]


@dataclass(frozen=True)
class LanguageTexts:
    """A language: how many events it gets, where it is at home, its words for the slots of templates."""

    tag: str
    weight: int
    countries: Sequence[str]
    only_named_cities: bool
    only_cities: Mapping[str, Sequence[str]]
    cities: Mapping[str, str]
    """What the language calls a city, by GeoNames' name; the others keep that name."""
    words: Mapping[str, Sequence[str]]
    categories: Mapping[str, CategoryTexts]


@cache
def languages() -> tuple[LanguageTexts, ...]:
    """All languages, in the order of their tags."""
    folder = files("cli.demo_events").joinpath("texts")
    found = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda f: f.name)
    return tuple(
        _language(file.name.removesuffix(".toml"), file.read_text(encoding="utf-8")) for file in found
    )


def _language(tag: str, text: str) -> LanguageTexts:
    content = tomllib.loads(text)
    return LanguageTexts(
        tag=tag,
        weight=content["weight"],
        countries=content["countries"],
        only_named_cities=content.get("only_named_cities", False),
        only_cities=content.get("only_cities", {}),
        cities=content.get("cities", {}),
        words=content["words"],
        categories={name: CategoryTexts(**content[name]) for name in CATEGORIES},
    )

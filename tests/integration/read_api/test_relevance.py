"""How good the ranking is, on real names: 5,425 conferences, searched as people would.

The figure is the mean reciprocal rank: 1 where the event that was meant always comes first. The bounds lie
a little under what was measured when they were written; "textbook" is one fuzzy query over all fields, the
negative control that the two passes must beat.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from contracts.search_document import MAPPINGS, SETTINGS, document_from_row
from contracts.text import fold
from read_api.search.query import FEW_HITS, Search, search_body
from tests.conftest import Platform
from tests.people import unique
from tests.search_index import elasticsearch_of
from tests.unit.contracts.test_search_document import a_row

CONFERENCES = Path(__file__).parents[4] / "shared/data/conferences.jsonl"
SAMPLE = 150
# Before all of them: nothing is over, so that only words decide.
NOW = datetime(2012, 1, 1, tzinfo=UTC)
BOUNDS = {"exact": 0.98, "typo": 0.97, "word missing, with city": 0.90, "beginning": 0.72}


@dataclass
class Library:
    """The conferences in an index of their own, with the mapping of ours."""

    elasticsearch: Elasticsearch
    index: str
    conferences: list[dict[str, Any]]

    def two_passes(self, text: str) -> list[str]:
        """Names of the first ten hits, found as read_api finds them."""
        for tolerant in (False, True):
            body = search_body(
                Search(text=text, page_size=10), viewer_id=None, languages=("en",), now=NOW, tolerant=tolerant
            )
            hits = self.elasticsearch.search(index=self.index, body=body)["hits"]
            if hits["total"]["value"] >= FEW_HITS:
                break
        return [hit["_source"]["event"]["name"] for hit in hits["hits"]]

    def textbook(self, text: str) -> list[str]:
        fields = ["name_words^3", "city_words", "topic_words"]
        query = {"multi_match": {"query": fold(text), "fields": fields, "fuzziness": "AUTO"}}
        hits = self.elasticsearch.search(index=self.index, query=query, size=10)["hits"]["hits"]
        return [hit["_source"]["event"]["name"] for hit in hits]


@pytest.fixture(scope="module")
def library(platform: Platform) -> Iterator[Library]:
    if not CONFERENCES.exists():
        pytest.skip(f"{CONFERENCES.name} is not on this machine")
    conferences = [json.loads(line) for line in CONFERENCES.read_text(encoding="utf-8").splitlines()]
    index = unique("relevance")
    with elasticsearch_of(platform) as elasticsearch:
        elasticsearch.indices.create(index=index, mappings=MAPPINGS, settings=SETTINGS)
        for start in range(0, len(conferences), 1000):
            operations: list[Any] = []
            for number, conference in enumerate(conferences[start : start + 1000], start + 1):
                operations += [{"index": {"_id": str(number)}}, document_from_row(row_of(conference, number))]
            assert not elasticsearch.bulk(index=index, operations=operations)["errors"]
        elasticsearch.indices.refresh(index=index)
        yield Library(elasticsearch, index, conferences)
        elasticsearch.indices.delete(index=index)


def row_of(conference: dict[str, Any], number: int) -> dict[str, Any]:
    city = conference["city"]
    return a_row(
        id=number,
        name=conference["name"],
        description="",
        category="CONFERENCE",
        topics=conference["topics"],
        languages=conference["languages"],
        starts_at=datetime.fromisoformat(conference["start_date"] or "2020-01-01").replace(tzinfo=UTC),
        venue_name=city,
        city=city,
        country=conference["country"],
        is_online=city is None,
        artists=[],
    )


def with_typo(word: str, chance: random.Random) -> str:
    """`word` with one letter wrong, added, left out or swapped, not its first."""
    at = chance.randrange(1, len(word) - 1)
    letter = chance.choice("aeiourst")
    return chance.choice(
        [
            word[:at] + letter + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ]
    )


def questions(library: Library) -> dict[str, list[tuple[str, str]]]:
    """(what is typed, the name that is meant) by kind; the same on every run."""
    chance = random.Random(7)
    asked: dict[str, list[tuple[str, str]]] = {kind: [] for kind in BOUNDS}
    located = [conference for conference in library.conferences if conference["city"]]
    for conference in chance.sample(located, SAMPLE):
        name = conference["name"]
        words = name.split()
        asked["exact"].append((name, name))
        asked["beginning"].append((name[: max(4, len(name) * 2 // 3)], name))
        long_words = [at for at, word in enumerate(words) if len(word) >= 5 and word.isalpha()]
        if long_words:
            wrong = chance.choice(long_words)
            typed = [with_typo(word, chance) if at == wrong else word for at, word in enumerate(words)]
            asked["typo"].append((" ".join(typed), name))
        if len(words) >= 3:
            missing = chance.randrange(len(words))
            rest = [word for at, word in enumerate(words) if at != missing]
            asked["word missing, with city"].append((f"{' '.join(rest)} {conference['city']}", name))
    return asked


def mean_reciprocal_rank(find: Callable[[str], list[str]], asked: list[tuple[str, str]]) -> float:
    def reciprocal_rank(typed: str, meant: str) -> float:
        names = [name.casefold() for name in find(typed)]
        return 1 / (names.index(meant.casefold()) + 1) if meant.casefold() in names else 0.0

    return sum(reciprocal_rank(typed, meant) for typed, meant in asked) / len(asked)


def test_what_was_meant_comes_first(library: Library) -> None:
    asked = questions(library)
    figures = {kind: mean_reciprocal_rank(library.two_passes, asked[kind]) for kind in BOUNDS}
    textbook = {kind: mean_reciprocal_rank(library.textbook, asked[kind]) for kind in BOUNDS}
    for kind in BOUNDS:
        print(f"{kind:26} {figures[kind]:.3f} (textbook {textbook[kind]:.3f}, n {len(asked[kind])})")
    assert {kind: figures[kind] for kind in BOUNDS if figures[kind] < BOUNDS[kind]} == {}
    assert sum(figures.values()) > sum(textbook.values())


def test_nonsense_finds_nothing(library: Library) -> None:
    for text in ("qzxv wpkr", "blorptastic", "asdfgh jkl"):
        assert library.two_passes(text) == []

"""From a search to a query of Elasticsearch: pure functions, no connection.

Exactness before tolerance. The exact pass wants every word, in any of the fields that are asked, as it is
or with another ending; the last word may be unfinished. Only where that finds little does a second query
also take words with typos; what matches exactly stays in front.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from contracts.text import fold, folded_words, language_code, stems
from read_api.search.schemas import Near, Sort, day_bounds

Clause = dict[str, Any]

# Further words of a very long text decide nothing, and each costs clauses: Elasticsearch takes at least
# 1,024 of them, and a word with typos becomes a clause for each known word that it may mean.
MAX_QUERY_WORDS = 32
MAX_TOLERANT_WORDS = 12
MAX_TYPO_CLAUSES = 700
MAX_EXPANSIONS = 50
# Below so many exact hits the second query runs: enough that a good hit isn't buried among guesses.
FEW_HITS = 3
# What is over keeps its order, behind everything that is not: scores differ by far less than this factor.
_OVER_WEIGHT = 1e-6
_EXACT_BOOST = 10.0
_NEVER: Clause = {"match_none": {}}


@dataclass(frozen=True, slots=True)
class Field:
    """A text field: its weight, and whether unfinished words are looked up in it."""

    name: str
    boost: float
    has_prefixes: bool = True


NAME_FIELDS = (Field("name_words", 3.0), Field("name_stems", 2.0, has_prefixes=False))
ARTIST_FIELDS = (Field("artist_words", 3.0), *NAME_FIELDS)
LOCATION_FIELDS = (Field("venue_words", 1.5), Field("city_words", 2.0), Field("country_words", 1.0))
TEXT_FIELDS = (
    *ARTIST_FIELDS,
    *LOCATION_FIELDS,
    Field("topic_words", 1.5),
    Field("description_words", 0.6, has_prefixes=False),
    Field("description_stems", 0.5, has_prefixes=False),
)


@dataclass(frozen=True, slots=True)
class Search:
    """A search from whichever address: what must hold, in which order, which part."""

    text: str | None = None
    name: str | None = None
    artist: str | None = None
    location: str | None = None
    category: str | None = None
    start_from: datetime | None = None
    start_to: datetime | None = None
    local_day: date | None = None
    is_online: bool | None = None
    price_minor_min: int | None = None
    price_minor_max: int | None = None
    available_only: bool = False
    languages: tuple[str, ...] = ()
    near: Near | None = None
    sort: Sort = "relevance"
    page: int = 1
    page_size: int = 20

    @property
    def has_words(self) -> bool:
        """Whether tolerance can find more: there are words to have typos."""
        return any((self.text, self.name, self.artist, self.location))


def search_body(
    search: Search,
    *,
    viewer_id: int | None,
    languages: Sequence[str],
    now: datetime,
    tolerant: bool = False,
) -> dict[str, Any]:
    """The body of a search request: a page of `event` members, and the exact total.

    `viewer_id` sees their own inactive events too; `languages` are those that words are stemmed by.
    """
    texts = [
        _words_clause(text, fields, languages, tolerant=tolerant)
        for text, fields in (
            (search.text, TEXT_FIELDS),
            (search.name, NAME_FIELDS),
            (search.artist, ARTIST_FIELDS),
            (search.location, LOCATION_FIELDS),
        )
        if text is not None
    ]
    conditions = [*_visible_to(viewer_id), *_filters(search)]
    if search.sort == "relevance" and texts:
        matching: Clause = {"bool": {"must": texts, "filter": conditions}}
    else:
        matching = {"constant_score": {"filter": {"bool": {"filter": [*texts, *conditions]}}}}
    over = {"range": {"over_at": {"lt": now.replace(second=0, microsecond=0).isoformat()}}}
    return {
        "query": {
            "function_score": {
                "query": matching,
                "functions": [{"filter": over, "weight": _OVER_WEIGHT}],
                "boost_mode": "multiply",
            }
        },
        "sort": [{"_score": "desc"}, *_order(search), {"start_at": "asc"}, {"id": "asc"}],
        "from": (search.page - 1) * search.page_size,
        "size": search.page_size,
        "_source": ["event"],
        "track_total_hits": True,
    }


def _words_clause(text: str, fields: Sequence[Field], languages: Sequence[str], *, tolerant: bool) -> Clause:
    """What a text must match. Without any word in it, nothing does."""
    words = folded_words(text)[:MAX_QUERY_WORDS]
    if not words:
        return _NEVER
    exact = _exact(words, fields, languages)
    if not tolerant:
        return exact
    exact["bool"]["boost"] = _EXACT_BOOST
    return {"bool": {"should": [exact, _tolerant(words, fields)], "minimum_should_match": 1}}


def _exact(words: Sequence[str], fields: Sequence[Field], languages: Sequence[str]) -> Clause:
    """Every word in some field, or the whole as the event's name written with other spaces."""
    each = [_word(word, fields, languages, may_be_unfinished=False) for word in words[:-1]]
    each.append(_word(words[-1], fields, languages, may_be_unfinished=True))
    phrase = " ".join(words)
    alternatives: list[Clause] = [{"bool": {"must": each}}]
    if any(field.name == "name_words" for field in fields):
        alternatives += [
            {"term": {"name_key": {"value": phrase, "boost": 20.0}}},
            {"prefix": {"name_key": {"value": phrase, "boost": 5.0}}},
            {"term": {"name_joined": {"value": "".join(words), "boost": 15.0}}},
        ]
    if len(words) > 1:
        alternatives += [
            {"match_phrase": {field.name: {"query": phrase, "boost": 2.0 * field.boost}}}
            for field in fields
            if field.has_prefixes
        ]
    return {"bool": {"should": alternatives, "minimum_should_match": 1}}


def _word(word: str, fields: Sequence[Field], languages: Sequence[str], *, may_be_unfinished: bool) -> Clause:
    queries: list[Clause] = []
    for field in fields:
        sought = " ".join(stems([word], languages)) if field.name.endswith("_stems") else word
        queries.append({"match": {field.name: {"query": sought, "boost": field.boost}}})
        if may_be_unfinished and field.has_prefixes:
            queries.append({"prefix": {field.name: {"value": word, "boost": field.boost}}})
    return {"dis_max": {"queries": queries, "tie_breaker": 0.1}}


def _tolerant(words: Sequence[str], fields: Sequence[Field]) -> Clause:
    """Most words with up to two typos by length, or the name as a whole with up to two.

    The first letter is seldom wrong in short words, and then opens far too many others.
    """
    tried = [field for field in fields if field.has_prefixes]
    expansions = min(MAX_EXPANSIONS, MAX_TYPO_CLAUSES // (min(len(words), MAX_TOLERANT_WORDS) * len(tried)))
    each = [
        {
            "dis_max": {
                "queries": [_with_typos(word, field, expansions) for field in tried],
                "tie_breaker": 0.1,
            }
        }
        for word in words[:MAX_TOLERANT_WORDS]
    ]
    alternatives: list[Clause] = [{"bool": {"should": each, "minimum_should_match": "2<75%"}}]
    whole = "".join(words)
    if len(whole) > 4 and any(field.name == "name_words" for field in fields):
        typos = 1 if len(whole) < 8 else 2
        alternatives.append(
            {
                "fuzzy": {
                    "name_joined": {"value": whole, "fuzziness": typos, "prefix_length": 1, "boost": 10.0}
                }
            }
        )
    return {"bool": {"should": alternatives, "minimum_should_match": 1}}


def _with_typos(word: str, field: Field, expansions: int) -> Clause:
    return {
        "match": {
            field.name: {
                "query": word,
                "fuzziness": "AUTO:4,8",
                "prefix_length": 0 if len(word) > 5 else 1,
                "fuzzy_transpositions": True,
                "max_expansions": expansions,
                "boost": field.boost,
            }
        }
    }


def _visible_to(viewer_id: int | None) -> list[Clause]:
    """Active events, and the inactive ones of whoever asks. Never what was removed."""
    alternatives: list[Clause] = [{"term": {"status": "active"}}]
    if viewer_id is not None:
        own = [{"term": {"host_id": viewer_id}}, {"term": {"status": "inactive"}}]
        alternatives.append({"bool": {"filter": own}})
    return [{"term": {"removed": False}}, {"bool": {"should": alternatives, "minimum_should_match": 1}}]


def _filters(search: Search) -> list[Clause]:
    filters: list[Clause] = []
    if search.category is not None:
        category = fold(search.category)
        filters.append({"term": {"category_key": category}} if category else _NEVER)
    filters += _range("start_at", _iso(search.start_from), _iso(search.start_to))
    if search.local_day is not None:
        first, last = day_bounds(search.local_day)
        filters += _range("start_at_local", first.isoformat(), last.isoformat())
    if search.is_online is not None:
        filters.append({"term": {"is_online": search.is_online}})
    filters += _range("prices_minor", search.price_minor_min, search.price_minor_max)
    if search.available_only:
        filters.append({"range": {"seats_remaining": {"gt": 0}}})
    if search.languages:
        codes = sorted({language_code(language) for language in search.languages})
        filters.append({"terms": {"language_codes": codes}})
    if search.near is not None:
        distance = f"{search.near.radius_km}km"
        filters.append({"geo_distance": {"distance": distance, "place": _point(search.near)}})
    return filters


def _order(search: Search) -> list[Clause]:
    """What decides among equal scores, before the start. Where it isn't relevance, scores only say "over"."""
    if search.sort == "price":
        return [{"prices_minor": {"order": "asc", "mode": "min", "missing": "_last"}}]
    if search.sort == "distance" and search.near is not None:
        return [{"_geo_distance": {"place": _point(search.near), "order": "asc", "unit": "km"}}]
    return []


def _range(field: str, at_least: object | None, at_most: object | None) -> list[Clause]:
    bounds = {name: value for name, value in (("gte", at_least), ("lte", at_most)) if value is not None}
    return [{"range": {field: bounds}}] if bounds else []


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _point(near: Near) -> Mapping[str, float]:
    return {"lat": near.latitude, "lon": near.longitude}

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.search_document import MAPPINGS
from read_api.search.query import MAX_TYPO_CLAUSES, Search, search_body
from read_api.search.schemas import ArtistQuery, Criteria, EventsQuery, Near

NOW = datetime(2027, 1, 1, 12, 30, 45, tzinfo=UTC)


def body_of(search: Search, *, viewer_id: int | None = None, tolerant: bool = False) -> dict[str, Any]:
    return search_body(search, viewer_id=viewer_id, languages=("en",), now=NOW, tolerant=tolerant)


def clauses(value: Any, kind: str) -> list[Any]:
    """Every clause of a kind, wherever it stands in the query."""
    if isinstance(value, list):
        return [one for item in value for one in clauses(item, kind)]
    if not isinstance(value, dict):
        return []
    found = [value[kind]] if kind in value else []
    return found + [one for item in value.values() for one in clauses(item, kind)]


SEARCHES = st.builds(
    Search,
    text=st.none() | st.text(max_size=200),
    name=st.none() | st.text(max_size=40),
    artist=st.none() | st.text(max_size=40),
    location=st.none() | st.text(max_size=40),
    category=st.none() | st.text(max_size=20),
    start_from=st.none() | st.just(NOW),
    local_day=st.none() | st.dates(),
    is_online=st.none() | st.booleans(),
    price_minor_min=st.none() | st.integers(0, 10**12),
    available_only=st.booleans(),
    near=st.none() | st.just(Near(latitude=1.0, longitude=2.0)),
    sort=st.sampled_from(["relevance", "date", "distance", "price"]),
    page=st.integers(1, 100),
    page_size=st.integers(1, 100),
)


@given(SEARCHES, st.none() | st.integers(1, 9), st.booleans())
def test_every_search_is_a_bounded_query_of_fields_that_exist(
    search: Search, viewer_id: int | None, tolerant: bool
) -> None:
    body = body_of(search, viewer_id=viewer_id, tolerant=tolerant)
    json.dumps(body).encode()
    assert body["from"] + body["size"] <= 10_000
    for kind in ("match", "term", "terms", "prefix", "range", "match_phrase", "fuzzy"):
        for clause in clauses(body["query"], kind):
            assert set(clause) <= set(MAPPINGS["properties"])
    assert len(clauses(body, "match")) + len(clauses(body, "prefix")) < 1000


@given(SEARCHES, st.none() | st.integers(1, 9), st.booleans())
def test_removed_and_others_inactive_events_are_filtered_from_every_search(
    search: Search, viewer_id: int | None, tolerant: bool
) -> None:
    body = body_of(search, viewer_id=viewer_id, tolerant=tolerant)
    lists = [one for one in clauses(body, "filter") if isinstance(one, list)]
    filters = next(one for one in lists if {"term": {"removed": False}} in one)
    visible = filters[filters.index({"term": {"removed": False}}) + 1]["bool"]["should"]
    assert visible[0] == {"term": {"status": "active"}}
    own = {"bool": {"filter": [{"term": {"host_id": viewer_id}}, {"term": {"status": "inactive"}}]}}
    assert visible[1:] == ([own] if viewer_id is not None else [])


def test_the_exact_pass_knows_no_typos_and_the_tolerant_one_does() -> None:
    search = Search(text="radiohed tour")
    assert not [one for one in clauses(body_of(search), "match") if "fuzziness" in json.dumps(one)]
    tolerant = body_of(search, tolerant=True)
    assert [one for one in clauses(tolerant, "match") if "fuzziness" in json.dumps(one)]
    assert clauses(tolerant, "fuzzy")


def test_words_with_typos_never_become_more_clauses_than_elasticsearch_takes() -> None:
    body = body_of(Search(text=" ".join(f"w{number}ord" for number in range(40))), tolerant=True)
    typed = [next(iter(one.values())) for one in clauses(body, "match")]
    assert sum(one["max_expansions"] for one in typed if "fuzziness" in one) <= MAX_TYPO_CLAUSES


def test_only_the_last_word_may_be_unfinished() -> None:
    prefixes = clauses(body_of(Search(name="big event1")), "prefix")
    assert {field: one["value"] for prefix in prefixes for field, one in prefix.items()} == {
        "name_words": "event1",
        "name_key": "big event1",
    }


def test_words_are_folded_like_documents() -> None:
    body = json.dumps(body_of(Search(name="ÉMILIE & Co", location="Łódź", category="Rock & Pop")))
    for word in ("emilie and co", "lodz", "rock and pop"):
        assert word in body


@pytest.mark.parametrize("given_text", [{"text": "!!!"}, {"category": "…"}, {"location": "—"}])
def test_a_criterion_without_any_word_finds_nothing(given_text: dict[str, str]) -> None:
    assert clauses(body_of(Search(**given_text)), "match_none")  # type: ignore[arg-type]


def test_bounds_of_time_are_inclusive() -> None:
    ranges = clauses(body_of(Search(start_from=NOW, start_to=NOW)), "range")
    assert {"start_at": {"gte": NOW.isoformat(), "lte": NOW.isoformat()}} in ranges
    day = clauses(body_of(Search(local_day=date(2027, 11, 1))), "range")
    assert {"start_at_local": {"gte": "2027-11-01T00:00:00", "lte": "2027-11-01T23:59:59"}} in day


def test_what_is_over_comes_last_in_every_order() -> None:
    for sort in ("relevance", "date", "price", "distance"):
        search = Search(text="x", sort=sort, near=Near(latitude=1, longitude=2))  # type: ignore[arg-type]
        body = body_of(search)
        assert body["query"]["function_score"]["functions"][0]["weight"] < 1e-3
        assert body["sort"][0] == {"_score": "desc"}
        assert body["sort"][-2:] == [{"start_at": "asc"}, {"id": "asc"}]


def test_scores_of_other_orders_only_say_whether_it_is_over() -> None:
    body = body_of(Search(text="x", sort="date"))
    assert "constant_score" in body["query"]["function_score"]["query"]


@pytest.mark.parametrize(
    "criteria",
    [
        {"page": 101, "page_size": 100},
        {"page": 0},
        {"page_size": 101},
        {"page": "1"},
        {"page": True},
        {"unknown": 1},
        {"start_from": "2027-01-02T00:00:00Z", "start_to": "2027-01-01T00:00:00Z"},
        {"start_from": "2027-01-02"},
        {"start_from": 1},
        {"price_minor_min": 2, "price_minor_max": 1},
        {"price_minor_min": 1.5},
        {"sort": "distance"},
        {"sort": "luck"},
        {"near": {"latitude": 91, "longitude": 0}},
        {"near": {"latitude": 1, "longitude": True}},
        {"near": {"latitude": float("nan"), "longitude": 0}},
        {"near": {"latitude": 1}},
        {"languages": ["english please"]},
        {"text": "x" * 201},
        {"available_only": 1},
    ],
)
def test_a_search_that_makes_no_sense_is_refused(criteria: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Criteria.model_validate(criteria)


def test_limits_themselves_are_allowed() -> None:
    assert Criteria.model_validate({"page": 100, "page_size": 100}).page == 100
    assert Criteria.model_validate({"price_minor_min": 1, "price_minor_max": 1}).price_minor_min == 1


def test_an_empty_field_is_no_criterion() -> None:
    assert Criteria.model_validate({"text": "  "}).text is None
    assert EventsQuery.model_validate({"search": ""}).search is None


@pytest.mark.parametrize("value", ["2027-11-01", "2027-11-01T10:00:00Z"])
def test_date_time_is_a_day_or_an_instant(value: str) -> None:
    parsed = ArtistQuery.model_validate({"dateTime": value}).dateTime
    assert isinstance(parsed, datetime) == ("T" in value)


@pytest.mark.parametrize("value", ["soon", "20271101", "1893456000", "2027-13-01", "2027-11-01T10:00:00"])
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        ArtistQuery.model_validate({"dateTime": value})

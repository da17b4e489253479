import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.event import Event, event_from_row
from contracts.search_document import MAPPINGS, document_from_row, schema_hash, tombstone

NOW = datetime(2027, 11, 1, 10, 0, tzinfo=UTC)


def a_row(**changes: Any) -> dict[str, Any]:
    """A row of read_side.event_documents with every column filled."""
    return {
        "id": 13, "host_id": 2, "name": "Émilie & the Concerts", "description": "Singing in Paris",
        "category": "MUSIC", "topics": ["Indie Rock"], "languages": ["FR"], "website": "https://example.org",
        "status": "active",
        "starts_at": NOW, "ends_at": None, "time_zone": "Asia/Ho_Chi_Minh", "is_online": False,
        "currency": "USD", "created_at": NOW, "updated_at": NOW, "venue_name": "L'Olympia",
        "city": "Paris", "country": "France",
        "latitude": 48.87, "longitude": 2.33, "artists": ["Émilie Simon", "Air"],
        "ticket_types": [
            {"id": 1, "name": "Standing", "price_minor": 1050, "capacity": 8, "seats_remaining": 3,
             "sales_start_at": None, "sales_end_at": "2027-11-01T09:00:00+00:00",
             "per_person_limit": None, "oversell_seats": 0},
            {"id": 2, "name": "Seated", "price_minor": 9900, "capacity": 2, "seats_remaining": 2,
             "sales_start_at": None, "sales_end_at": None, "per_person_limit": 4,
             "oversell_seats": 1},
        ],
        "price_minor_min": 1050, "price_minor_max": 9900, "capacity": 10, "seats_remaining": 5,
        "hold_seconds": 600, "policy": {
            "version": 3, "cancel_allowed": True, "cancel_until_seconds": 3600,
            "refund_policy": [{"seconds_before_start": 86400, "percent": 50}], "edit_allowed": True,
            "edit_until_seconds": 0, "transfer_allowed": False, "transfer_until_seconds": 0,
        },
        **changes,
    }  # fmt: skip


def test_mapping_and_document_have_the_same_fields() -> None:
    fields = set(document_from_row(a_row())) | set(tombstone(13, NOW))
    assert fields == set(MAPPINGS["properties"])


def test_each_value_is_of_its_mapped_type() -> None:
    document = document_from_row(a_row()) | {"removed_at": tombstone(13, NOW)["removed_at"]}
    python_types: dict[str, type] = {
        "long": int, "boolean": bool, "keyword": str, "text": str, "date": str, "geo_point": dict,
        "object": dict,
    }  # fmt: skip
    for name, mapping in MAPPINGS["properties"].items():
        value = document[name]
        for item in value if isinstance(value, list) else [value]:
            assert type(item) is python_types[mapping["type"]], name


def test_the_document_answers_a_hit_as_the_event_page_does() -> None:
    row = a_row()
    document = json.loads(json.dumps(document_from_row(row)))
    assert Event.model_validate(document["event"]) == event_from_row(row)


def test_times_are_utc_and_the_local_time_is_the_venues() -> None:
    document = document_from_row(a_row())
    assert document["start_at"] == "2027-11-01T10:00:00.000+00:00"
    assert document["start_at_local"] == "2027-11-01T17:00:00"
    assert document["over_at"] == document["start_at"]
    assert (
        document_from_row(a_row(ends_at=NOW.replace(hour=12)))["over_at"] == "2027-11-01T12:00:00.000+00:00"
    )


def test_words_are_folded_and_stemmed_in_the_documents_language() -> None:
    document = document_from_row(a_row())
    assert document["name_words"] == "emilie and the concerts"
    assert document["name_joined"] == "emilieandtheconcerts"
    assert document["name_stems"].split()[-1] == "concert"
    assert document["category_key"] == "music"
    assert document["topic_words"] == ["music", "indie rock"]
    assert document["prices_minor"] == [1050, 9900]


def test_an_online_event_without_anything_optional_is_a_document_too() -> None:
    row = a_row(
        **dict.fromkeys(["venue_name", "city", "country", "latitude", "longitude", "website"]),
        is_online=True, artists=[], ticket_types=[], price_minor_min=None, price_minor_max=None,
        capacity=0, seats_remaining=0, topics=[], languages=[], description="",
    )  # fmt: skip
    document = document_from_row(row)
    assert document["place"] is None
    assert document["event"]["location"] == "Online"


@given(st.text(max_size=200), st.text(max_size=500))
def test_any_name_gives_the_same_document_twice_and_no_oversized_keyword(name: str, description: str) -> None:
    row = a_row(name=name, description=description)
    document = document_from_row(row)
    assert document == document_from_row(row)
    assert len(document["name_key"].encode()) < 32_766  # Lucene refuses longer terms


def test_the_schema_hash_is_stable_within_one_version() -> None:
    assert schema_hash() == schema_hash.__wrapped__()
    assert len(schema_hash()) == 10

"""The search document: built from one row, and the one mapping that it fits.

Live indexing, backfill and reconcile all build it here, and `read_api` answers from its `event` member.
The mapping uses only what every Elasticsearch distribution has: no analysis plugins, scripts or runtime
fields. Text arrives folded (`contracts/text.py`) and is split at spaces.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from contracts.event import Event, event_from_row
from contracts.text import fold, folded_words, joined, language_code, stemmed_languages, stems

# Raised when documents change in a way that neither mapping nor Event's schema shows, such as folding.
DOCUMENT_FORMAT = 1

_KEYWORD = {"type": "keyword"}
_LONG = {"type": "long"}
_DATE = {"type": "date"}
_WORDS = {"type": "text", "analyzer": "whitespace"}
# Prefixes of up to 10 characters are terms of their own: as-you-type costs a term lookup, not a scan.
_PREFIXED_WORDS = {**_WORDS, "index_prefixes": {"min_chars": 1, "max_chars": 10}}

MAPPINGS: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "id": _LONG,
        "removed": {"type": "boolean"},
        "removed_at": _DATE,
        # What is searched by words.
        "name_key": _KEYWORD,
        "name_joined": _KEYWORD,
        "name_words": _PREFIXED_WORDS,
        "name_stems": _WORDS,
        "artist_words": _PREFIXED_WORDS,
        "venue_words": _PREFIXED_WORDS,
        "city_words": _PREFIXED_WORDS,
        "country_words": _PREFIXED_WORDS,
        "topic_words": _PREFIXED_WORDS,
        "description_words": _WORDS,
        "description_stems": _WORDS,
        # What is filtered and sorted by.
        "host_id": _LONG,
        "status": _KEYWORD,
        "category_key": _KEYWORD,
        "language_codes": _KEYWORD,
        "is_online": {"type": "boolean"},
        "start_at": _DATE,
        "start_at_local": {"type": "date", "format": "yyyy-MM-dd'T'HH:mm:ss"},
        "over_at": _DATE,
        "place": {"type": "geo_point"},
        "currency": _KEYWORD,
        "prices_minor": _LONG,
        "seats_remaining": _LONG,
        # What is answered: contracts.event.Event, kept as it is.
        "event": {"type": "object", "enabled": False},
    },
}

SETTINGS: dict[str, Any] = {
    "number_of_shards": 1,
    "number_of_replicas": 0,
    # The indexer refreshes as soon as there is something to see; this is only for when it died before it did.
    "refresh_interval": "30s",
}


@cache
def schema_hash() -> str:
    """Ten characters that change when documents or their mapping do: part of the index's name.

    Kept, for the schema of an event takes some milliseconds to make, and each write to the index asks.
    """
    schema = [MAPPINGS, SETTINGS, Event.model_json_schema(), DOCUMENT_FORMAT]
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:10]


def document_from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The document of one row of `read_side.event_documents`, as JSON has it: `_source`, field by field."""
    event = event_from_row(row)
    languages = stemmed_languages(event.languages)
    name_words = folded_words(event.name)
    description_words = folded_words(event.description)
    venue = event.venue
    return {
        "id": event.id,
        "removed": False,
        "name_key": " ".join(name_words),
        "name_joined": joined(event.name),
        "name_words": " ".join(name_words),
        "name_stems": " ".join(stems(name_words, languages)),
        "artist_words": [fold(artist) for artist in event.artists],
        "venue_words": fold(venue.name) if venue else None,
        "city_words": fold(venue.city) if venue and venue.city else None,
        "country_words": fold(venue.country) if venue and venue.country else None,
        "topic_words": [fold(topic) for topic in (event.category, *event.topics)],
        "description_words": " ".join(description_words),
        "description_stems": " ".join(stems(description_words, languages)),
        "host_id": event.host_id,
        "status": event.status,
        "category_key": fold(event.category),
        "language_codes": [language_code(language) for language in event.languages],
        "is_online": event.is_online,
        "start_at": _utc(event.start_at),
        "start_at_local": event.start_at_local.strftime("%Y-%m-%dT%H:%M:%S"),
        "over_at": _utc(event.end_at or event.start_at),
        "place": _place(venue.latitude, venue.longitude) if venue else None,
        "currency": event.currency,
        "prices_minor": sorted({ticket_type.price_minor for ticket_type in event.ticket_types}),
        "seats_remaining": event.available_seats,
        "event": event.model_dump(mode="json"),
    }


def tombstone(event_id: int, removed_at: datetime) -> dict[str, Any]:
    """The document of an event that is gone: no query finds it, and its version keeps late writes out."""
    return {"id": event_id, "removed": True, "removed_at": _utc(removed_at)}


def _place(latitude: float | None, longitude: float | None) -> dict[str, float] | None:
    return None if latitude is None or longitude is None else {"lat": latitude, "lon": longitude}


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds")

"""What the indexer makes of changes: versions that never go back, tombstones, dead letters, fan-out."""

import time
from typing import Any

import psycopg
import pytest
from elasticsearch import Elasticsearch, NotFoundError

from contracts.document_version import split_version
from contracts.names import EVENTS_ALIAS
from contracts.search_document import document_from_row
from indexer.dead_letters import DeadLetter, DeadLetters, read_dead_letters
from indexer.index_writer import IndexWriter, Versioned, documents_of
from indexer.reader import Reader
from tests.conftest import Platform
from tests.people import Person, unique, wait_for
from tests.search_index import wait_until_exact


def stored(elasticsearch: Elasticsearch, event_id: int) -> dict[str, Any] | None:
    """The document and its version, as of now."""
    try:
        found = elasticsearch.get(index=EVENTS_ALIAS, id=str(event_id))
    except NotFoundError:
        return None
    return {"version": found["_version"], **found["_source"]}


def remove(platform: Platform, event_id: int) -> None:
    """No API removes an event; an operator may."""
    with psycopg.connect(platform.database_url("postgres", "main")) as connection:
        connection.execute("DELETE FROM events WHERE id = %s", [event_id])


def removed_event(platform: Platform, host: Person, elasticsearch: Elasticsearch) -> dict[str, Any]:
    """An event that was indexed and is a tombstone now."""
    event = host.create_event()
    wait_for("the event is indexed", lambda: stored(elasticsearch, event["id"]))
    remove(platform, event["id"])
    wait_for("the tombstone", lambda: (stored(elasticsearch, event["id"]) or {}).get("removed"))
    return event


def test_a_document_carries_the_version_of_what_was_read(
    host: Person, elasticsearch: Elasticsearch, reader: Reader
) -> None:
    event = host.create_event()
    document = wait_for("the event is indexed", lambda: stored(elasticsearch, event["id"]))
    generation, lsn = split_version(document["version"])
    now_generation, now_lsn = split_version(reader.version())
    assert (1, 0) < (generation, lsn) <= (now_generation, now_lsn)


def test_a_late_older_write_is_refused_and_counts_as_done(
    host: Person, elasticsearch: Elasticsearch, reader: Reader
) -> None:
    event = host.create_event()
    wait_for("the event is indexed", lambda: stored(elasticsearch, event["id"]))
    (row,) = reader.events([event["id"]]).rows
    old = Versioned(event["id"], reader.version(), document_from_row({**row, "name": "old state"}))
    newer_name = unique("newer")
    host.client.put(f"/api/v1/events/{event['id']}", json={"name": newer_name}).raise_for_status()
    wait_for("the edit is indexed", lambda: stored(elasticsearch, event["id"])["event"]["name"] == newer_name)  # type: ignore[index]
    result = IndexWriter(elasticsearch).write([old])
    assert result.newer_there == result.acknowledged == {event["id"]}
    assert stored(elasticsearch, event["id"])["event"]["name"] == newer_name  # type: ignore[index]


def test_a_removed_event_vanishes_from_search_at_once(
    platform: Platform, host: Person, elasticsearch: Elasticsearch
) -> None:
    name = unique("short-lived")
    event = host.create_event(name=name)
    wait_for("the event is found", lambda: host.search(name=name))
    remove(platform, event["id"])
    wait_for("the event is not found", lambda: not host.search(name=name))
    assert (stored(elasticsearch, event["id"]) or {})["removed"] is True


def test_a_tombstone_outlives_elasticsearch_and_keeps_a_late_write_out(
    platform: Platform, host: Person, elasticsearch: Elasticsearch, reader: Reader
) -> None:
    """The control: a second event, whose document is deleted instead, comes back."""
    entombed, deleted = host.create_event()["id"], host.create_event()["id"]
    wait_for("both are indexed", lambda: stored(elasticsearch, deleted))
    late = documents_of([entombed, deleted], reader.events([entombed, deleted]))[0]
    for event_id in (entombed, deleted):
        remove(platform, event_id)
        wait_for("the tombstone", lambda one=event_id: (stored(elasticsearch, one) or {}).get("removed"))  # type: ignore[misc]
    version = (stored(elasticsearch, deleted) or {})["version"]
    elasticsearch.delete(index=EVENTS_ALIAS, id=str(deleted), version=version + 1, version_type="external")
    writer = IndexWriter(elasticsearch)
    assert writer.write(late).newer_there == {entombed, deleted}, "a deletion is remembered for a while"
    elasticsearch.indices.flush(index=EVENTS_ALIAS)
    platform.kill("elasticsearch")
    platform.up("elasticsearch")
    result = writer.write(late)
    assert result.newer_there == {entombed}
    assert result.written == {deleted}, "the control: what was deleted came back"
    assert (stored(elasticsearch, entombed) or {})["removed"] is True
    wait_until_exact(platform, elasticsearch)  # by the reconcile after Elasticsearch's restart


def test_one_bad_document_goes_to_dead_letters_and_the_rest_goes_on(
    platform: Platform, elasticsearch: Elasticsearch, host: Person, reader: Reader
) -> None:
    events = [host.create_event()["id"] for _ in range(3)]
    for event_id in events:
        wait_for("the event is indexed", lambda one=event_id: stored(elasticsearch, one))  # type: ignore[misc]
    seen = reader.version()
    wait_for("the version moves on", lambda: reader.version() > seen)
    documents, _ = documents_of(events, reader.events(events))
    documents[1].document["unmapped"] = "nobody knows this field"
    documents[2].document["start_at"] = "soon"
    result = IndexWriter(elasticsearch).write(documents)
    assert result.written == {events[0]}
    reasons = {one.event_id: one.reason for one in result.refused}
    assert "unmapped" in reasons[events[1]]
    assert "start_at" in reasons[events[2]]
    letters = DeadLetters(platform.address("kafka"))
    letters.put([DeadLetter(one.event_id, one.reason, one.version) for one in result.refused])
    letters.close()
    read = {
        letter["event_id"]: letter["reason"] for letter in read_dead_letters(platform.address("kafka"), 10)
    }
    assert reasons.items() <= read.items()


def test_a_row_that_is_no_document_is_a_dead_letter_and_later_changes_are_indexed(
    platform: Platform, elasticsearch: Elasticsearch, host: Person
) -> None:
    bad, good = host.create_event(), host.create_event()
    wait_for("both are indexed", lambda: stored(elasticsearch, good["id"]))
    with psycopg.connect(platform.database_url("postgres", "main")) as connection:
        connection.execute("UPDATE events SET time_zone = 'No/Where' WHERE id = %s", [bad["id"]])
    kafka = platform.address("kafka")

    def its_letter() -> Any:
        return [one for one in read_dead_letters(kafka, 50) if one["event_id"] == bad["id"]]

    letter = wait_for("the dead letter", its_letter)[0]
    assert "ZoneInfoNotFoundError" in letter["reason"]
    name = unique("goes-on")
    host.client.put(f"/api/v1/events/{good['id']}", json={"name": name}).raise_for_status()
    wait_for("the next change is indexed", lambda: host.search(name=name))
    remove(platform, bad["id"])  # or every reconcile of this session would bury it again
    wait_for("the tombstone", lambda: (stored(elasticsearch, bad["id"]) or {}).get("removed"))


@pytest.mark.parametrize("kind", ["venue", "artist"])
def test_a_renamed_venue_or_artist_reaches_all_its_events(
    platform: Platform, host: Person, elasticsearch: Elasticsearch, kind: str
) -> None:
    before, after = unique("before"), unique("after")
    details = {"location": before} if kind == "venue" else {"artists": [before]}
    events = {host.create_event(**details)["id"] for _ in range(3)}
    wait_for("all are found", lambda: {hit["id"] for hit in host.search(text=before)} == events)
    with psycopg.connect(platform.database_url("postgres", "main")) as connection:
        table = "venues" if kind == "venue" else "artists"
        connection.execute(f"UPDATE {table} SET name = %s WHERE name = %s", [after, before])
    wait_for(
        "all are found by the new name", lambda: {hit["id"] for hit in host.search(text=after)} == events
    )


def test_seats_left_are_indexed_about_once_a_second_and_end_right(
    host: Person, elasticsearch: Elasticsearch
) -> None:
    event = host.create_event(available_seats=500)
    wait_for("the event is indexed", lambda: stored(elasticsearch, event["id"]))
    versions: set[int] = set()
    began = time.monotonic()
    for _ in range(60):
        assert host.book(event["id"]).status_code == 201
        versions.add((stored(elasticsearch, event["id"]) or {})["version"])
    wait_for("the last", lambda: (stored(elasticsearch, event["id"]) or {})["seats_remaining"] == 440)
    took_seconds = time.monotonic() - began
    assert len(versions) <= took_seconds + 3

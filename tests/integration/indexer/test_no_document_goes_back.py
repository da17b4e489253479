"""A late write of an older document changes nothing; without versions the same watch sees it go back."""

from typing import Any

from elasticsearch import Elasticsearch

from indexer.index_writer import IndexWriter, Versioned, documents_of
from indexer.reader import Reader
from tests.conftest import Platform
from tests.index_watch import Watch
from tests.people import Person, wait_for
from tests.search_index import wait_until_exact


class WithoutVersions(IndexWriter):
    """The control: whoever writes last wins."""

    def action(self, one: Versioned) -> dict[str, Any]:
        """The document's id, and nothing that says how old it is."""
        return {"_id": str(one.event_id)}


def test_a_late_write_is_refused_and_without_versions_the_watch_sees_a_document_go_back(
    platform: Platform, elasticsearch: Elasticsearch, reader: Reader, host: Person
) -> None:
    watch = Watch("eu")
    event_id = host.create_event(name="edited 1")["id"]
    wait_for("it is replayed", lambda: reader.events([event_id]).rows)
    late, _ = documents_of([event_id], reader.events([event_id]))
    host.client.put(f"/api/v1/events/{event_id}", json={"name": "edited 2"}).raise_for_status()

    def sees_the_edit() -> bool:
        watch.look(elasticsearch, [event_id])
        return watch.seen.get(event_id, (0, 0))[1] == 2

    wait_for("the edit is indexed", sees_the_edit)
    assert IndexWriter(elasticsearch).write(late).newer_there == {event_id}
    watch.look(elasticsearch, [event_id])
    assert watch.went_back == []

    assert WithoutVersions(elasticsearch).write(late).written == {event_id}
    watch.look(elasticsearch, [event_id])
    assert len(watch.went_back) == 1
    # Further tests want a sound index: an edit indexes the event again.
    host.client.put(f"/api/v1/events/{event_id}", json={"name": "edited 3"}).raise_for_status()
    wait_until_exact(platform, elasticsearch)

"""Another schema fills an index of its own, and takes over in one step."""

import pytest
from elasticsearch import Elasticsearch

from contracts.names import EVENTS_ALIAS
from indexer.index_admin import IndexAdmin
from indexer.reader import Reader
from indexer.reconcile import Reconciler
from tests.conftest import Platform
from tests.people import Person
from tests.search_index import expected_documents, wait_until_exact

OTHER_HASH = "0123456789"


def test_a_new_schema_is_served_once_it_is_filled_and_the_old_index_is_kept(
    platform: Platform,
    host: Person,
    elasticsearch: Elasticsearch,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = host.create_event()["name"]
    wait_until_exact(platform, elasticsearch)
    admin = IndexAdmin(elasticsearch)
    served = admin.served()
    for module in ("index_writer", "index_admin"):
        monkeypatch.setattr(f"indexer.{module}.schema_hash", lambda: OTHER_HASH)
    try:
        admin.ensure()
        assert admin.served() == served
        refusals: list[object] = []
        reconciler = Reconciler(source=reader, elasticsearch=elasticsearch, on_refusals=refusals.extend)
        drift = reconciler.run()
        assert (drift.missing, refusals) == (len(expected_documents(platform)), [])
        admin.serve_current()
        assert admin.served() == [f"events-{OTHER_HASH}-1"]
        assert host.search(name=name)
        assert elasticsearch.indices.exists(index=served[0])
    finally:
        monkeypatch.undo()
        admin.serve_current()
        elasticsearch.indices.delete(index=f"events-{OTHER_HASH}-1")
    assert admin.served() == served
    assert host.search(name=name)


def test_making_sure_of_the_index_again_changes_nothing(elasticsearch: Elasticsearch) -> None:
    admin = IndexAdmin(elasticsearch)
    before = admin.identity()
    admin.ensure()
    assert admin.identity() == before
    assert list(elasticsearch.indices.get_alias(name=EVENTS_ALIAS)) == [before.name]

"""Reconcile finds and repairs what it did not cause; commands say so."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from contracts.names import EVENTS_ALIAS
from contracts.search_document import tombstone
from indexer.commands import indexer_commands
from indexer.index_writer import Refusal
from indexer.reader import Reader
from indexer.reconcile import Drift, Reconciler
from indexer.settings import IndexerSettings
from tests.conftest import Platform
from tests.people import Person, wait_for
from tests.search_index import (
    differences,
    expected_documents,
    stored_documents,
    wait_until_exact,
    wait_until_quiet,
)

PHANTOM_ID = 9_000_000_000_000_001


@pytest.fixture
def settings(platform: Platform) -> IndexerSettings:
    return IndexerSettings(
        region="eu",
        listen="127.0.0.1:1",
        reader_database=platform.database_url("frontrow_read", "reader"),
        capture_database=platform.database_url("frontrow_capture", "reader"),
        connector_password=f"${{file:{platform.home}/eu/connect/capture.properties:password}}",
        kafka=platform.address("kafka"),
        connect=f"http://{platform.address('connect')}",
        elasticsearch=f"http://{platform.address('elasticsearch')}",
    )


def reconcile(elasticsearch: Elasticsearch, reader: Reader, **options: Any) -> tuple[Drift, list[Refusal]]:
    refusals: list[Refusal] = []
    reconciler = Reconciler(
        source=reader, elasticsearch=elasticsearch, on_refusals=refusals.extend, **options
    )
    return reconciler.run(), refusals


def break_by_hand(elasticsearch: Elasticsearch, stale_id: int, missing_id: int) -> None:
    """One stale, one missing and one phantom document, none of which live indexing will ever touch."""
    wait_until_quiet(elasticsearch)
    document = elasticsearch.get(index=EVENTS_ALIAS, id=str(stale_id))["_source"]
    elasticsearch.index(index=EVENTS_ALIAS, id=str(stale_id), document={**document, "name_words": "stale"})
    elasticsearch.index(index=EVENTS_ALIAS, id=str(PHANTOM_ID), document={**document, "id": PHANTOM_ID})
    elasticsearch.delete(index=EVENTS_ALIAS, id=str(missing_id))


def test_missing_stale_and_phantom_documents_are_repaired_and_counted(
    platform: Platform, host: Person, elasticsearch: Elasticsearch, reader: Reader
) -> None:
    stale_id, missing_id = (host.create_event()["id"] for _ in range(2))
    wait_until_exact(platform, elasticsearch)
    break_by_hand(elasticsearch, stale_id, missing_id)
    broken = differences(expected_documents(platform), stored_documents(elasticsearch))
    assert set(broken) == {stale_id, missing_id, PHANTOM_ID}
    drift, refusals = reconcile(elasticsearch, reader, page_size=7)
    assert (drift.missing, drift.stale, drift.phantom, refusals) == (1, 1, 1, [])
    assert drift.events == len(expected_documents(platform))
    assert differences(expected_documents(platform), stored_documents(elasticsearch)) == {}
    again, _ = reconcile(elasticsearch, reader, page_size=7)
    assert again.repaired == 0


def test_tombstones_are_purged_after_a_day_and_not_before(
    elasticsearch: Elasticsearch, reader: Reader
) -> None:
    old_id, new_id = 9_000_000_000_000_002, 9_000_000_000_000_003
    now = datetime.now(UTC)
    for event_id, age in ((old_id, timedelta(hours=25)), (new_id, timedelta(hours=23))):
        document = tombstone(event_id, now - age)
        elasticsearch.index(index=EVENTS_ALIAS, id=str(event_id), document=document)
    drift, _ = reconcile(elasticsearch, reader)
    assert drift.purged == 1
    stored = stored_documents(elasticsearch)
    assert old_id not in stored
    assert stored[new_id]["removed"] is True


def test_pages_of_any_size_see_the_same_index(
    platform: Platform, host: Person, elasticsearch: Elasticsearch, reader: Reader
) -> None:
    for _ in range(3):
        host.create_event()
    wait_until_exact(platform, elasticsearch)
    count = len(expected_documents(platform))
    for page_size in (1, count, count + 1):
        drift, _ = reconcile(elasticsearch, reader, page_size=page_size)
        assert (drift.events, drift.repaired) == (count, 0)


def test_the_commands_repair_and_report(
    platform: Platform, host: Person, elasticsearch: Elasticsearch, settings: IndexerSettings
) -> None:
    app, runner = indexer_commands(lambda _: settings), CliRunner()
    stale_id, missing_id = (host.create_event()["id"] for _ in range(2))
    wait_until_exact(platform, elasticsearch)
    break_by_hand(elasticsearch, stale_id, missing_id)
    repaired = runner.invoke(app, ["reconcile", "--json"])
    assert repaired.exit_code == 0, repaired.output
    facts = json.loads(repaired.stdout)
    assert (facts["missing"], facts["stale"], facts["phantom"]) == (1, 1, 1)

    def status() -> dict[str, Any]:
        answer = runner.invoke(app, ["status", "--json"])
        return {**json.loads(answer.stdout), "exit_code": answer.exit_code}

    wait_for("the index is well", lambda: status()["exit_code"] == 0)
    facts = status()
    assert facts["events"] == len(expected_documents(platform))
    assert (facts["slot"], facts["connector"], facts["proved_complete"]) == ("active", "RUNNING", True)
    replayed = runner.invoke(app, ["replay", "--json"])
    assert replayed.exit_code == 0, replayed.output


def test_a_command_says_what_it_can_not_reach(settings: IndexerSettings) -> None:
    nowhere = settings.model_copy(update={"elasticsearch": "http://127.0.0.1:1"})
    answer = CliRunner().invoke(indexer_commands(lambda _: nowhere), ["reconcile"])
    assert answer.exit_code == 2
    assert "can't be worked on now" in answer.output
    assert "Traceback" not in answer.output

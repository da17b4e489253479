"""Each engine between PostgreSQL and a search is killed under a stream of writes: the index becomes exact."""

import shutil
from contextlib import closing

import psutil
import pytest

from contracts.names import EVENTS_ALIAS
from tests.conftest import Platform
from tests.faults.writes import go_on, stream_of_writes
from tests.people import People, unique, wait_for
from tests.search_index import (
    differences,
    elasticsearch_of,
    expected_documents,
    stored_documents,
    wait_until_exact,
    wait_until_quiet,
)
from tests.soak import soak_only


@pytest.mark.parametrize(
    "component",
    [
        "indexer",
        "kafka",
        "elasticsearch",
        *(pytest.param(one, marks=soak_only) for one in ("connect", "reader")),
    ],
)
def test_the_index_becomes_exact_after_a_kill_under_writes(platform: Platform, component: str) -> None:
    with elasticsearch_of(platform) as elasticsearch:
        with stream_of_writes(platform) as writes:
            go_on(writes)
            pid = platform.kill(component)
            go_on(writes)
            # PostgreSQL takes a dead process that nobody has reaped yet for a running one.
            wait_for(f"{component} is reaped", lambda: not psutil.pid_exists(pid))
            platform.up()
            go_on(writes)
        wait_until_exact(platform, elasticsearch)
        assert expected_documents(platform)


def test_an_index_that_was_deleted_is_filled_again(platform: Platform) -> None:
    with elasticsearch_of(platform) as elasticsearch:
        with stream_of_writes(platform) as writes:
            go_on(writes)
            (index,) = elasticsearch.indices.get_alias(name=EVENTS_ALIAS)
            elasticsearch.indices.delete(index=index)
            go_on(writes)
        wait_until_exact(platform, elasticsearch)


def test_a_kafka_that_lost_everything_costs_no_change(platform: Platform) -> None:
    with elasticsearch_of(platform) as elasticsearch:
        with stream_of_writes(platform) as writes:
            go_on(writes)
            # With them go the topic, the group's offsets, the connector and how far it had come.
            for component in ("connect", "kafka"):
                platform.kill(component)
            shutil.rmtree(platform.home / "eu/kafka")
            go_on(writes)
            platform.up()
            go_on(writes)
        wait_until_exact(platform, elasticsearch)


def test_the_comparison_sees_a_document_that_was_broken_on_purpose(platform: Platform) -> None:
    people = People(platform.gateway_url, platform.link_key)
    host = people.sign_up("host")
    event_id, phantom_id = host.create_event()["id"], 9_000_000_000_000_000
    with closing(people), elasticsearch_of(platform) as elasticsearch:
        wait_until_exact(platform, elasticsearch)
        wait_until_quiet(elasticsearch)
        right = stored_documents(elasticsearch)[event_id]
        elasticsearch.index(index=EVENTS_ALIAS, id=str(event_id), document={**right, "seats_remaining": 4711})
        elasticsearch.index(index=EVENTS_ALIAS, id=str(phantom_id), document={**right, "id": phantom_id})
        wrong = differences(expected_documents(platform), stored_documents(elasticsearch))
        assert wrong == {event_id: "differs in seats_remaining", phantom_id: "phantom"}
        elasticsearch.delete(index=EVENTS_ALIAS, id=str(event_id))
        elasticsearch.delete(index=EVENTS_ALIAS, id=str(phantom_id))
        wrong = differences(expected_documents(platform), stored_documents(elasticsearch))
        assert wrong == {event_id: "missing"}
        # Further tests want a sound index: an edit indexes the event again.
        host.client.put(f"/api/v1/events/{event_id}", json={"name": unique("mended")}).raise_for_status()
        wait_until_exact(platform, elasticsearch)

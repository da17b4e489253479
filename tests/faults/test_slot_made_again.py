"""The slot of change capture is lost under writes: what was committed meanwhile is found all the same."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from elasticsearch import Elasticsearch

from contracts.names import CAPTURE_SLOT
from indexer.app import live_indexing
from indexer.capture import Capture
from indexer.connector import Connector, ConnectorState, connector_config
from indexer.progress import Progress
from indexer.proof import Proof
from indexer.reader import Reader
from indexer.settings import IndexerSettings
from indexer.state import IndexerState
from tests.conftest import REGION, Platform
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
from tests.slots import drop_slot


class KeepsOffsets(Connector):
    """The control: the connector goes on from where it had come with the old slot."""

    def forget_offsets(self) -> None:
        """Leaves them."""


def drop_capture_slot(platform: Platform) -> None:
    drop_slot(platform.database_url("postgres", "reader"), CAPTURE_SLOT)


def make_slot_by_hand(platform: Platform) -> None:
    with psycopg.connect(platform.database_url("postgres", "reader"), autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [CAPTURE_SLOT])


@contextmanager
def indexer_dead(platform: Platform) -> Iterator[None]:
    """Killed while the block runs, back afterwards."""
    platform.kill("indexer")
    try:
        yield
    finally:
        platform.up("indexer")


def slot(platform: Platform) -> tuple[bool, bool] | None:
    """(active, made by the indexer) of the slot, or None where there is none."""
    with psycopg.connect(platform.database_url("postgres", "reader")) as connection:
        return connection.execute(
            "SELECT active, two_phase FROM pg_replication_slots WHERE slot_name = %s", [CAPTURE_SLOT]
        ).fetchone()


def indexer_says(platform: Platform) -> dict[str, Any]:
    details: dict[str, Any] = httpx.get(f"http://{platform.address('indexer')}/health/ready").json()[
        "details"
    ]
    return details


def last_repair(platform: Platform) -> dict[str, Any]:
    return indexer_says(platform)["last_repair"] or {}


def test_a_slot_dropped_while_nobody_reads_it_costs_no_change(platform: Platform) -> None:
    with elasticsearch_of(platform) as elasticsearch:
        with stream_of_writes(platform) as writes:
            go_on(writes)
            platform.kill("connect")
            drop_capture_slot(platform)
            go_on(writes)
            platform.up()
            wait_for("the slot is made again", lambda: slot(platform) == (True, True))
            go_on(writes)
        wait_until_exact(platform, elasticsearch)
    wait_for("status tells", lambda: "capture slot" in last_repair(platform).get("what", ""))


def test_a_slot_that_somebody_else_made_again_costs_no_change(platform: Platform) -> None:
    """An operator, or Debezium: the indexer never sees that the slot was gone."""
    with elasticsearch_of(platform) as elasticsearch:
        with stream_of_writes(platform) as writes:
            go_on(writes)
            with indexer_dead(platform):
                drop_capture_slot(platform)
                go_on(writes)
                make_slot_by_hand(platform)
                go_on(writes)
            wait_for("the slot is made again", lambda: slot(platform) == (True, True))
            go_on(writes)
        wait_until_exact(platform, elasticsearch)
    wait_for("status tells", lambda: "somebody else" in last_repair(platform).get("what", ""))


def test_a_slot_dropped_under_a_running_connector_costs_no_change(platform: Platform) -> None:
    before = last_repair(platform)
    with elasticsearch_of(platform) as elasticsearch:
        with stream_of_writes(platform) as writes:
            go_on(writes)
            drop_capture_slot(platform)
            go_on(writes)
            wait_for("the repair", lambda: last_repair(platform) != before)
            go_on(writes)
        wait_until_exact(platform, elasticsearch)
    assert "capture slot" in last_repair(platform)["what"]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


class Lone:
    """Live indexing and capture in this process, without the caretaker: nobody reconciles."""

    def __init__(self, platform: Platform, stack: ExitStack, connector_kind: type[Connector]) -> None:
        self.platform = platform
        self.settings = settings_of(platform)
        self.elasticsearch = stack.enter_context(elasticsearch_of(platform))
        people = People(platform.gateway_url, platform.link_key)
        stack.callback(people.close)
        self.host = people.sign_up("host")
        self.connector = connector_kind(
            self.settings.connect,
            connector_config(self.settings.capture_database, self.settings.connector_password),
        )
        stack.callback(self.connector.close)
        reader = Reader(self.settings.reader_database, name="frontrow-tests")
        stack.callback(reader.close)
        self.capture = Capture(
            reader=reader,
            capture_url=self.settings.capture_database,
            connector=self.connector,
            disprove=lambda: None,
            on_repair=lambda _: None,
        )

    def edit(self, event_id: int) -> None:
        change = {"name": unique("edited")}
        self.host.client.put(f"/api/v1/events/{event_id}", json=change).raise_for_status()

    def wrong(self) -> dict[int, str]:
        return differences(expected_documents(self.platform), stored_documents(self.elasticsearch))

    @contextmanager
    def following(self) -> Iterator[tuple[int, int]]:
        """(an event, another one), while this process takes the indexer's place."""
        events = self.host.create_event()["id"], self.host.create_event()["id"]
        wait_until_exact(self.platform, self.elasticsearch)
        with indexer_dead(self.platform), followed(self.settings, self.elasticsearch):
            self.edit(events[1])
            wait_until_exact(self.platform, self.elasticsearch)
            yield events

    def reconcile(self) -> None:
        self.platform.command("indexer", "reconcile")
        wait_until_exact(self.platform, self.elasticsearch)


def test_without_a_reconcile_what_was_committed_without_a_slot_is_missed_silently(
    platform: Platform, stack: ExitStack
) -> None:
    """The control: everything else as it should be."""
    lone = Lone(platform, stack, Connector)
    with lone.following() as (lost, later):
        lone.connector.stop()
        drop_capture_slot(platform)
        lone.edit(lost)
        lone.capture.check()
        wait_for("capture streams", lone.capture.streams)
        lone.edit(later)
        wait_for("what comes later is indexed", lambda: later not in lone.wrong())
        wait_until_quiet(lone.elasticsearch)
        assert lost in lone.wrong()
    assert lost in lone.wrong(), "the proof stands, so nobody notices"
    lone.reconcile()


def test_with_the_old_offset_kept_nothing_comes_any_more(platform: Platform, stack: ExitStack) -> None:
    """The control: this Debezium refuses an offset that is older than its slot."""
    lone = Lone(platform, stack, KeepsOffsets)
    with lone.following() as (lost, later):
        lone.connector.stop()
        drop_capture_slot(platform)
        lone.edit(lost)
        lone.capture.check()
        state = wait_for("the connector fails", lambda: failure(lone.connector))
        assert "trying to read change stream starting at" in str(state.trace)
        lone.edit(later)
        assert not lone.capture.streams()
        assert {lost, later} <= lone.wrong().keys()
    # The indexer finds a connector that fails again and again, and makes the slot anew.
    wait_until_exact(platform, lone.elasticsearch)
    wait_for("status tells", lambda: "keeps failing" in last_repair(platform).get("what", ""))


def failure(connector: Connector) -> ConnectorState | None:
    state = connector.state()
    return state if state is not None and state.failed and state.trace else None


def test_a_connector_without_an_offset_goes_on_where_its_slot_stands(
    platform: Platform, stack: ExitStack
) -> None:
    """Why deleting the offsets costs nothing."""
    lone = Lone(platform, stack, Connector)
    with lone.following() as (missed_by_nobody, _):
        lone.connector.stop()
        lone.connector.forget_offsets()
        lone.edit(missed_by_nobody)
        lone.capture.check()
        wait_until_exact(platform, lone.elasticsearch)


def settings_of(platform: Platform) -> IndexerSettings:
    """The settings of the platform's indexer, whose place is taken."""
    return IndexerSettings(
        region=REGION,
        listen=platform.address("indexer"),
        reader_database=platform.database_url("frontrow_read", "reader"),
        capture_database=platform.database_url("frontrow_capture", "reader"),
        connector_password=f"${{file:{platform.home}/eu/connect/capture.properties:password}}",
        kafka=platform.address("kafka"),
        connect=f"http://{platform.address('connect')}",
        elasticsearch=f"http://{platform.address('elasticsearch')}",
    )


@contextmanager
def followed(settings: IndexerSettings, elasticsearch: Elasticsearch) -> Iterator[None]:
    """Live indexing in this process, believing in the proof that it finds; nobody takes care of the rest."""
    stop, state, proof = threading.Event(), IndexerState(), Proof(Progress(elasticsearch))
    assert proof.stands(Progress(elasticsearch).proved_against() or {}, proof.doubts())
    run: Callable[[], None] = live_indexing(settings, elasticsearch, proof, state, stop).run
    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()

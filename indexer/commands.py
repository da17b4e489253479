"""`frontrow indexer ...`: what an operator asks of the index of one region.

Exit codes: 0 all is well, 1 something needs attention (it is printed), 2 an engine can't be reached.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer
from elasticsearch import Elasticsearch
from kafka.errors import KafkaError

from contracts.names import CAPTURE_SLOT, EVENTS_ALIAS
from indexer.app import create_elasticsearch
from indexer.connector import ConnectError, Connector, connector_config
from indexer.dead_letters import read_dead_letters
from indexer.index_admin import IndexAdmin
from indexer.index_writer import ELASTICSEARCH_ERRORS, BusyError, IndexWriter, Refusal, documents_of
from indexer.progress import Progress
from indexer.reader import NotOpenError, Reader, SlotState
from indexer.reconcile import Reconciler
from indexer.settings import IndexerSettings

NEEDS_ATTENTION = 1
UNREACHABLE = 2
LATE_MS = 10_000
REPLAY_PAGE = 500
MAX_REPLAYED = 10_000
_UNREACHABLE_ERRORS: tuple[type[Exception], ...] = (
    psycopg.Error,
    NotOpenError,
    KafkaError,
    ConnectError,
    BusyError,
    *ELASTICSEARCH_ERRORS,
)

RegionOption = Annotated[str, typer.Option("--region", help="The region whose index is meant.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
LimitOption = Annotated[
    int, typer.Option("--limit", min=1, max=MAX_REPLAYED, help="Look at so many of the last dead letters.")
]


def indexer_commands(settings_of: Callable[[str], IndexerSettings]) -> typer.Typer:
    """The commands; `settings_of` gives the indexer's settings in a region, wherever those are kept."""
    app = typer.Typer(
        name="indexer", help="The search index of a region.", no_args_is_help=True, rich_markup_mode=None
    )

    @app.command(epilog="Example: frontrow indexer status --region eu")
    def status(region: RegionOption = "eu", as_json: JsonOption = False) -> None:
        """Say how fresh the index is, and what it hangs on."""
        with _reachable():
            facts = _status(settings_of(region))
        _print(facts, as_json=as_json)
        if not _is_well(facts):
            raise typer.Exit(NEEDS_ATTENTION)

    @app.command(epilog="Example: frontrow indexer reconcile --json")
    def reconcile(region: RegionOption = "eu", as_json: JsonOption = False) -> None:
        """Compare the whole index with the region's reader, and repair what differs; harmless at any time."""
        with _reachable():
            facts, refusals = _reconcile(settings_of(region))
        _print(facts, as_json=as_json)
        _end(refusals)

    @app.command(epilog="Example: frontrow indexer replay --limit 100")
    def replay(region: RegionOption = "eu", limit: LimitOption = 1000, as_json: JsonOption = False) -> None:
        """Read the events of dead letters again, and index them as they are now."""
        with _reachable():
            facts, refusals = _replay(settings_of(region), limit)
        _print(facts, as_json=as_json)
        _end(refusals)

    return app


def _status(settings: IndexerSettings) -> dict[str, Any]:
    with _engines(settings) as (reader, elasticsearch):
        live = Progress(elasticsearch).live() or {}
        proved = Progress(elasticsearch).proved_against()
        slot = reader.slot(CAPTURE_SLOT)
        connector = _connector_state(settings)
        return {
            "region": settings.region,
            "index_age_ms": _age_ms(live.get("confirmed_at")),
            "index": IndexAdmin(elasticsearch).served(),
            "events": _count(elasticsearch, removed=False),
            "tombstones": _count(elasticsearch, removed=True),
            "proved_complete": proved is not None,
            "slot": _slot_word(slot),
            "connector": connector,
        }


def _slot_word(slot: SlotState | None) -> str:
    if slot is None:
        return "missing"
    if slot.is_lost or not slot.is_ours:
        return "lost"
    return "active" if slot.active else "idle"


def _is_well(facts: Mapping[str, Any]) -> bool:
    age_ms = facts["index_age_ms"]
    return (
        age_ms is not None
        and age_ms < LATE_MS
        and facts["proved_complete"]
        and facts["slot"] == "active"
        and facts["connector"] == "RUNNING"
    )


def _reconcile(settings: IndexerSettings) -> tuple[dict[str, Any], list[Refusal]]:
    refusals: list[Refusal] = []
    with _engines(settings) as (reader, elasticsearch):
        drift = Reconciler(source=reader, elasticsearch=elasticsearch, on_refusals=refusals.extend).run()
    return {"region": settings.region, **drift.as_dict()}, refusals


def _replay(settings: IndexerSettings, limit: int) -> tuple[dict[str, Any], list[Refusal]]:
    letters = list(read_dead_letters(settings.kafka, limit))
    event_ids = sorted({letter["event_id"] for letter in letters if letter["event_id"] is not None})
    refusals: list[Refusal] = []
    with _engines(settings) as (reader, elasticsearch):
        writer = IndexWriter(elasticsearch)
        for start in range(0, len(event_ids), REPLAY_PAGE):
            page = event_ids[start : start + REPLAY_PAGE]
            documents, unreadable = documents_of(page, reader.events(page))
            result = writer.write(documents)
            if result.retry:
                raise BusyError(result.retry_reason or "Elasticsearch is busy")
            refusals += [*unreadable, *result.refused]
        writer.refresh()
    facts = {
        "region": settings.region,
        "dead_letters": len(letters),
        "unreadable_messages": sum(letter["event_id"] is None for letter in letters),
        "events": len(event_ids),
        "indexed": len(event_ids) - len(refusals),
    }
    return facts, refusals


@contextmanager
def _engines(settings: IndexerSettings) -> Iterator[tuple[Reader, Elasticsearch]]:
    reader = Reader(settings.reader_database, name="frontrow-indexer-command")
    with create_elasticsearch(settings.elasticsearch) as elasticsearch:
        try:
            yield reader, elasticsearch
        finally:
            reader.close()


def _connector_state(settings: IndexerSettings) -> str:
    connector = Connector(
        settings.connect, connector_config(settings.capture_database, settings.connector_password)
    )
    try:
        state = connector.state()
    finally:
        connector.close()
    if state is None:
        return "missing"
    return "FAILED" if state.failed else state.connector


def _count(elasticsearch: Elasticsearch, *, removed: bool) -> int:
    return int(elasticsearch.count(index=EVENTS_ALIAS, query={"term": {"removed": removed}})["count"])


def _age_ms(confirmed_at: str | None) -> int | None:
    if confirmed_at is None:
        return None
    age = datetime.now(UTC) - datetime.fromisoformat(confirmed_at)
    return max(0, int(age.total_seconds() * 1000))


@contextmanager
def _reachable() -> Iterator[None]:
    """Turns an engine that can't be reached into one line and its exit code."""
    try:
        yield
    except _UNREACHABLE_ERRORS as error:
        reason = " ".join(str(error).split())[:300]
        typer.echo(f"The index can't be worked on now: {type(error).__name__}: {reason}", err=True)
        raise typer.Exit(UNREACHABLE) from None


def _print(facts: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{name.replace('_', ' '):20} {shown}")


def _end(refusals: list[Refusal]) -> None:
    for one in refusals:
        typer.echo(f"event {one.event_id}: {one.reason}", err=True)
    if refusals:
        raise typer.Exit(NEEDS_ATTENTION)

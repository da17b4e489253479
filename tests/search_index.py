"""A region's index as the tests see it: compared with PostgreSQL, and broken by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import psycopg
from elasticsearch import Elasticsearch
from psycopg.rows import dict_row

from contracts.names import EVENTS_ALIAS
from contracts.search_document import document_from_row
from indexer.app import create_elasticsearch
from indexer.progress import Progress
from tests.conftest import REGION, Platform
from tests.people import wait_for

PAGE_SIZE = 1000


def elasticsearch_of(platform: Platform, region: str = REGION) -> Elasticsearch:
    return create_elasticsearch(f"http://{platform.address('elasticsearch', region)}")


def expected_documents(platform: Platform) -> dict[int, dict[str, Any]]:
    """The document of every event that PostgreSQL's primary has."""
    with psycopg.connect(platform.database_url("postgres", "main"), row_factory=dict_row) as connection:
        rows = connection.execute("SELECT * FROM read_side.event_documents").fetchall()
    return {row["id"]: document_from_row(row) for row in rows}


def stored_documents(elasticsearch: Elasticsearch) -> dict[int, dict[str, Any]]:
    """Every document of the index by its `_id`, tombstones too, as of now."""
    elasticsearch.indices.refresh(index=EVENTS_ALIAS)
    found: dict[int, dict[str, Any]] = {}
    after: list[Any] | None = None
    while True:
        answer = elasticsearch.search(
            index=EVENTS_ALIAS,
            size=PAGE_SIZE,
            sort=[{"id": "asc"}],
            search_after=after,
            track_total_hits=False,
        )
        hits = answer["hits"]["hits"]
        found |= {int(hit["_id"]): hit["_source"] for hit in hits}
        if len(hits) < PAGE_SIZE:
            return found
        after = hits[-1]["sort"]


def differences(
    expected: Mapping[int, Mapping[str, Any]], stored: Mapping[int, Mapping[str, Any]]
) -> dict[int, str]:
    """What is wrong with the index by event id: nothing, where it holds exactly the expected fields."""
    wrong: dict[int, str] = {}
    for event_id, document in expected.items():
        if event_id not in stored:
            wrong[event_id] = "missing"
        elif stored[event_id] != document:
            fields = [name for name in {*document, *stored[event_id]}
                      if document.get(name) != stored[event_id].get(name)]  # fmt: skip
            wrong[event_id] = f"differs in {', '.join(sorted(fields))}"
    for event_id, document in stored.items():
        if event_id not in expected and not document.get("removed"):
            wrong[event_id] = "phantom"
    return wrong


def wait_until_exact(platform: Platform, elasticsearch: Elasticsearch) -> None:
    """Fails with what differs if the index isn't PostgreSQL's copy, field by field, within the deadline."""
    last: dict[int, str] = {}

    def is_exact() -> bool:
        nonlocal last
        try:
            last = differences(expected_documents(platform), stored_documents(elasticsearch))
        except Exception as error:  # noqa: BLE001 - engines may still be starting
            last = {0: repr(error)}
        return not last

    try:
        wait_for("the index is exact", is_exact)
    except AssertionError:
        raise AssertionError(f"{len(last)} differences: {dict(list(last.items())[:5])}") from None


def wait_until_quiet(elasticsearch: Elasticsearch) -> None:
    """Everything written so far is indexed, held-back seats too: live indexing will not touch it again."""
    now = datetime.now(UTC)

    def told() -> bool:
        live = Progress(elasticsearch).live()
        return live is not None and datetime.fromisoformat(live["confirmed_at"]) > now

    wait_for("the indexer has caught up", told)

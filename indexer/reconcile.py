"""Compares the whole index with the reader, page by page, and repairs it in both directions.

The same walk is backfill (the index is empty), rebuild (it is a new one) and drift check. It runs beside
live indexing: every repair carries the version that was read before its page, so it never puts an older
state over a newer one, and only what Elasticsearch accepted is counted as drift.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from elasticsearch import Elasticsearch

from contracts.search_document import tombstone
from indexer.backoff import Backoff
from indexer.index_writer import (
    BulkResult,
    BusyError,
    IndexWriter,
    Refusal,
    Versioned,
    documents_of,
    write_alias,
)
from indexer.reader import Snapshot

PAGE_SIZE = 500
STORED_PAGE_SIZE = 1000
SEARCH_TIMEOUT_SECONDS = 10.0
TOMBSTONE_DAYS = 1
MAX_PURGED_PAGES = 100  # the next reconcile goes on
MAX_TRIES = 8
_LAST_ID = 2**63 - 1


class DocumentSource(Protocol):
    """What reconcile needs of the reader."""

    def page(self, after_id: int, page_size: int) -> Snapshot:
        """At most `page_size` rows with greater ids, in order of id, and the version before them."""


@dataclass(slots=True)
class Drift:
    """What a reconcile found: events read, and documents repaired by kind."""

    events: int = 0
    missing: int = 0
    stale: int = 0
    phantom: int = 0
    purged: int = 0
    refused: int = 0

    @property
    def repaired(self) -> int:
        """How many documents were wrong and are right now."""
        return self.missing + self.stale + self.phantom

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


class Reconciler:
    """Walks reader and index side by side.

    `on_refusals` is given what Elasticsearch will never take; `after_page` is called between pages, and
    may raise to stop the walk.
    """

    def __init__(
        self,
        *,
        source: DocumentSource,
        elasticsearch: Elasticsearch,
        on_refusals: Callable[[Sequence[Refusal]], None],
        after_page: Callable[[Drift], None] = lambda _: None,
        wait: Callable[[float], object] = time.sleep,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self._source = source
        self._elasticsearch = elasticsearch.options(request_timeout=SEARCH_TIMEOUT_SECONDS)
        self._writer = IndexWriter(elasticsearch)
        self._on_refusals = on_refusals
        self._after_page = after_page
        self._wait = wait
        self._page_size = page_size

    def run(self) -> Drift:
        """One walk. Raises BusyError, ELASTICSEARCH_ERRORS, psycopg.Error, or what `after_page` raises."""
        drift = Drift()
        self._writer.refresh()
        after_id = 0
        while after_id < _LAST_ID:
            after_id = self._page(after_id, drift)
            self._after_page(drift)
        self._purge(drift)
        self._writer.refresh()
        return drift

    def _page(self, after_id: int, drift: Drift) -> int:
        """Repairs one page and answers the last id that it covers. Raises BusyError after MAX_TRIES.

        What Elasticsearch was too busy for is read again with the whole page, never sent again.
        """
        backoff = Backoff()
        for _ in range(MAX_TRIES):
            snapshot = self._source.page(after_id, self._page_size)
            full = len(snapshot.rows) == self._page_size
            up_to_id = int(snapshot.rows[-1]["id"]) if full else _LAST_ID
            result = self._repair(snapshot, after_id, up_to_id, drift)
            if not result.retry:
                drift.events += len(snapshot.rows)
                if result.refused:
                    drift.refused += len(result.refused)
                    self._on_refusals(result.refused)
                return up_to_id
            self._wait(backoff.failed())
            self._writer.refresh()
        raise BusyError(result.retry_reason or "Elasticsearch is busy")

    def _repair(self, snapshot: Snapshot, after_id: int, up_to_id: int, drift: Drift) -> BulkResult:
        """Makes the index's documents with ids in (after_id, up_to_id] those of the snapshot."""
        event_ids = [int(row["id"]) for row in snapshot.rows]
        documents, unreadable = documents_of(event_ids, snapshot)
        repairs = {one.event_id: one for one in documents}
        kinds = dict.fromkeys(event_ids, "missing")
        now = datetime.now(UTC)
        for event_id, stored in self._stored(after_id, up_to_id):
            if event_id not in kinds:
                if not stored.get("removed"):
                    kinds[event_id] = "phantom"
                    repairs[event_id] = Versioned(event_id, snapshot.version, tombstone(event_id, now))
            elif event_id in repairs and repairs[event_id].document == stored:
                del repairs[event_id]
            else:
                kinds[event_id] = "stale"
        result = self._writer.write(list(repairs.values()))
        result.refused += unreadable
        for event_id in result.written:
            setattr(drift, kinds[event_id], getattr(drift, kinds[event_id]) + 1)
        return result

    def _stored(self, after_id: int, up_to_id: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The index's documents with ids in (after_id, up_to_id], in order, tombstones too."""
        while True:
            answer = self._elasticsearch.search(
                index=write_alias(),
                query={"range": {"id": {"gt": after_id, "lte": up_to_id}}},
                sort=[{"id": "asc"}],
                size=STORED_PAGE_SIZE,
                track_total_hits=False,
            )
            hits = answer["hits"]["hits"]
            for hit in hits:
                after_id = int(hit["_source"]["id"])
                yield after_id, hit["_source"]
            if len(hits) < STORED_PAGE_SIZE:
                return

    def _purge(self, drift: Drift) -> None:
        """Removes tombstones older than a day: no write that old can still be under way."""
        before = datetime.now(UTC) - timedelta(days=TOMBSTONE_DAYS)
        old = [{"term": {"removed": True}}, {"range": {"removed_at": {"lt": before.isoformat()}}}]
        for _ in range(MAX_PURGED_PAGES):
            answer = self._elasticsearch.search(
                index=write_alias(),
                query={"bool": {"filter": old}},
                size=STORED_PAGE_SIZE,
                source=False,
                version=True,
            )
            hits = answer["hits"]["hits"]
            if not hits:
                return
            deletions = [
                {"delete": {"_id": hit["_id"], "version": hit["_version"] + 1, "version_type": "external"}}
                for hit in hits
            ]
            self._elasticsearch.bulk(index=write_alias(), operations=deletions, require_alias=True)
            self._writer.refresh()
            drift.purged += len(hits)

"""Writes versioned documents in bulk, and sorts what Elasticsearch answers for each.

A refusal because the index holds the same or a newer version is success. Nothing is ever sent again as it
was: what has to be retried is read again by whoever asked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from elasticsearch import ApiError, Elasticsearch, TransportError

from contracts.search_document import document_from_row, schema_hash, tombstone
from indexer.reader import Snapshot

MAX_DOCUMENTS = 1000
MAX_BODY_BYTES = 5 * 1024 * 1024
BULK_TIMEOUT_SECONDS = 10.0
# The index can't be written now: full queues, a node that starts or stops, an index being made again.
_RETRIED_STATUS = frozenset({404, 408, 429, 500, 502, 503, 504})

ELASTICSEARCH_ERRORS: tuple[type[Exception], ...] = (ApiError, TransportError)


class BusyError(Exception):
    """Elasticsearch refuses documents for the moment; the text says why."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A document as it was read, with the version of that reading."""

    event_id: int
    version: int
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Elasticsearch will never take this document as it is, and says why."""

    event_id: int
    version: int
    reason: str


@dataclass(slots=True)
class BulkResult:
    """What became of each document of a bulk, by event id."""

    written: set[int] = field(default_factory=set)
    newer_there: set[int] = field(default_factory=set)
    retry: set[int] = field(default_factory=set)
    refused: list[Refusal] = field(default_factory=list)
    retry_reason: str | None = None

    @property
    def acknowledged(self) -> set[int]:
        """The events whose newest known state is in the index."""
        return self.written | self.newer_there


def write_alias() -> str:
    """The alias through which documents of this code's schema are written."""
    return f"events-write-{schema_hash()}"


class IndexWriter:
    """Writes to the index of this code's schema. Raises ELASTICSEARCH_ERRORS when nothing can be said.

    The size of a bulk is halved when Elasticsearch says that it is too busy, and grows again when it isn't.
    """

    def __init__(self, elasticsearch: Elasticsearch) -> None:
        self._elasticsearch = elasticsearch.options(request_timeout=BULK_TIMEOUT_SECONDS)
        self._batch_size = MAX_DOCUMENTS

    @property
    def batch_size(self) -> int:
        """How many documents the next bulk should have at most."""
        return self._batch_size

    def write(self, documents: Sequence[Versioned]) -> BulkResult:
        """Writes all documents, in bulks of at most `batch_size` and 5 MB."""
        result = BulkResult()
        operations: list[Any] = []  # encoded already, which the client passes on
        sent: list[Versioned] = []
        size = 0
        for one in documents:
            action = msgspec.json.encode({"index": self.action(one)})
            body = msgspec.json.encode(one.document)
            if sent and (len(sent) >= self._batch_size or size + len(body) > MAX_BODY_BYTES):
                self._bulk(operations, sent, result)
                operations, sent, size = [], [], 0
            operations += (action, body)
            sent.append(one)
            size += len(action) + len(body) + 2
        if sent:
            self._bulk(operations, sent, result)
        return result

    def action(self, one: Versioned) -> dict[str, Any]:
        """How a bulk names a document: Elasticsearch refuses a version that isn't greater than its own."""
        return {"_id": str(one.event_id), "version": one.version, "version_type": "external"}

    def refresh(self) -> None:
        """Makes everything written searchable. Raises ELASTICSEARCH_ERRORS."""
        self._elasticsearch.indices.refresh(index=write_alias())

    def _bulk(self, operations: list[Any], sent: list[Versioned], result: BulkResult) -> None:
        try:
            # require_alias: where the index is lost, say so instead of making one with a guessed mapping.
            answer = self._elasticsearch.bulk(
                index=write_alias(),
                operations=operations,
                require_alias=True,
                filter_path="items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by",
            )
        except ApiError as error:
            if error.status_code in {413, 429, 503}:
                self._shrink()
            raise
        busy = False
        for one, item in zip(sent, answer["items"], strict=True):
            busy |= _sort_item(one, item["index"], result)
        if busy:
            self._shrink()
        else:
            self._batch_size = min(self._batch_size * 2, MAX_DOCUMENTS)

    def _shrink(self) -> None:
        self._batch_size = max(1, self._batch_size // 2)


def documents_of(event_ids: Iterable[int], snapshot: Snapshot) -> tuple[list[Versioned], list[Refusal]]:
    """(documents of `event_ids` in a snapshot, a tombstone where a row is missing; what can't be one).

    A row that no document can be made of (an unknown time zone, say) must not stop the others.
    """
    rows = {int(row["id"]): row for row in snapshot.rows}
    now = datetime.now(UTC)
    documents: list[Versioned] = []
    refusals: list[Refusal] = []
    for event_id in event_ids:
        try:
            row = rows.get(event_id)
            document = tombstone(event_id, now) if row is None else document_from_row(row)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the row is its own
            refusals.append(Refusal(event_id, snapshot.version, f"not a document: {type(error).__name__}"))
        else:
            documents.append(Versioned(event_id, snapshot.version, document))
    return documents, refusals


def _sort_item(one: Versioned, item: dict[str, Any], result: BulkResult) -> bool:
    """Puts one item of a bulk's answer where it belongs; answers whether Elasticsearch was too busy."""
    status = int(item["status"])
    if status < 300:
        result.written.add(one.event_id)
        return False
    if status == 409:
        result.newer_there.add(one.event_id)
        return False
    reason = _reason(item)
    if status in _RETRIED_STATUS:
        result.retry.add(one.event_id)
        result.retry_reason = reason
        return status in {429, 503}
    result.refused.append(Refusal(one.event_id, one.version, reason))
    return False


def _reason(item: dict[str, Any]) -> str:
    """Type and text of an item's error and its cause, at most 500 characters."""
    error = item.get("error") or {}
    cause = error.get("caused_by") or {}
    parts = [error.get("type"), error.get("reason"), cause.get("reason")]
    return ": ".join(str(part) for part in parts if part)[:500] or f"status {item['status']}"

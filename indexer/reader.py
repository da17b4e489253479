"""Reads documents from the region's PostgreSQL reader, each with the version of what was read."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from contracts.document_version import document_version
from service_kit.database import connection_url
from service_kit.deadline import cut_off_after
from service_kit.named_sql import load_queries

STATEMENT_TIMEOUT_SECONDS = 10
# Taken for a version with its rows by every reader of this process (docs/decisions/0084).
_TURN = threading.Lock()
# The server ends a statement in time; one that is frozen ends nothing, so its connection is given up.
ANSWER_TIMEOUT_SECONDS = STATEMENT_TIMEOUT_SECONDS + 2.0


class NotOpenError(Exception):
    """The database holds no generation yet: no primary has opened the platform."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Rows of `read_side.event_documents`, all of which hold every change up to `version`."""

    version: int
    rows: list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class SlotState:
    """The logical slot as the reader sees it."""

    active: bool
    is_lost: bool
    is_ours: bool
    replay_passed: bool


class Reader:
    """One connection to the reader, opened when needed and again after it broke; for one thread.

    Every method raises psycopg.Error when the reader can't be read within 12 s. Statements run in
    autocommit, so each sees what is committed when it starts.
    """

    def __init__(self, url: str, *, name: str, turn: threading.Lock = _TURN) -> None:
        self._url = connection_url(
            url,
            application_name=name,
            session_settings={"statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s", "TimeZone": "UTC"},
        )
        self._queries = load_queries("indexer")
        self._turn = turn
        self._connection: psycopg.Connection[dict[str, Any]] | None = None

    def version(self) -> int:
        """The version of whatever is read next. Raises NotOpenError."""
        (row,) = self._rows(self._queries["read_position"], {})
        if row["generation"] is None or row["replay_lsn"] is None:
            raise NotOpenError("no generation has been opened")
        return document_version(generation=row["generation"], replay_lsn=row["replay_lsn"])

    def events(self, event_ids: Sequence[int]) -> Snapshot:
        """The rows of `event_ids` that exist. Raises NotOpenError."""
        return self._snapshot("read_events", {"event_ids": list(event_ids)})

    def page(self, after_id: int, page_size: int) -> Snapshot:
        """At most `page_size` rows with greater ids, in order of id. Raises NotOpenError."""
        return self._snapshot("read_event_page", {"after_id": after_id, "page_size": page_size})

    def events_of_venue(self, venue_id: int, after_id: int, page_size: int) -> list[int]:
        """At most `page_size` ids of events at a venue, greater than `after_id`."""
        return self._event_ids("venue_event_page", venue_id, after_id, page_size)

    def events_of_artist(self, artist_id: int, after_id: int, page_size: int) -> list[int]:
        """At most `page_size` ids of events with an artist, greater than `after_id`."""
        return self._event_ids("artist_event_page", artist_id, after_id, page_size)

    def slot(self, name: str) -> SlotState | None:
        """The slot's state, or None where there is none."""
        rows = self._rows(self._queries["slot_state"], {"slot": name})
        return SlotState(**rows[0]) if rows else None

    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _snapshot(self, query: str, arguments: Mapping[str, Any]) -> Snapshot:
        with self._turn:
            version = self.version()
            return Snapshot(version, self._rows(self._queries[query], arguments))

    def _event_ids(self, query: str, changed_id: int, after_id: int, page_size: int) -> list[int]:
        arguments = {"changed_id": changed_id, "after_id": after_id, "page_size": page_size}
        return [row["event_id"] for row in self._rows(self._queries[query], arguments)]

    def _rows(self, statement: LiteralString, arguments: Mapping[str, Any]) -> list[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._url, autocommit=True, row_factory=dict_row)
        try:
            with cut_off_after(self._connection, ANSWER_TIMEOUT_SECONDS):
                return self._connection.execute(statement, arguments).fetchall()
        except psycopg.Error:
            self.close()
            raise

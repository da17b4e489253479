"""Asks the region's Elasticsearch."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elasticsearch import ApiError, AsyncElasticsearch, NotFoundError, TransportError

from contracts.consistency_token import Position
from contracts.index_progress import LIVE_DOCUMENT, PROGRESS_ALIAS
from contracts.names import EVENTS_ALIAS

SEARCH_TIMEOUT_SECONDS = 3.0
PROGRESS_TIMEOUT_SECONDS = 1.0
_BUSY_STATUS = frozenset({404, 408, 429, 500, 502, 503, 504})


class SearchUnavailableError(Exception):
    """Elasticsearch can't answer now: it is down, too busy, or has no index yet."""


@dataclass(frozen=True, slots=True)
class Hits:
    """A page of hits: the total, the `event` member of each, and the time that it took."""

    total: int
    events: list[Mapping[str, Any]]
    took_ms: int


class SearchStore:
    """Searches the alias that the indexer keeps."""

    def __init__(self, elasticsearch: AsyncElasticsearch) -> None:
        self._elasticsearch = elasticsearch

    async def search(self, body: Mapping[str, Any]) -> Hits:
        """Runs one search request. Raises SearchUnavailableError."""
        try:
            answer = await self._elasticsearch.options(request_timeout=SEARCH_TIMEOUT_SECONDS).search(
                index=EVENTS_ALIAS, body=dict(body), filter_path="took,hits.total.value,hits.hits._source"
            )
        except ApiError as error:
            if error.status_code in _BUSY_STATUS:
                raise SearchUnavailableError from error
            raise
        except TransportError as error:
            raise SearchUnavailableError from error
        hits = answer["hits"]
        events = [hit["_source"]["event"] for hit in hits.get("hits", ())]
        return Hits(int(hits["total"]["value"]), events, int(answer["took"]))

    async def position(self) -> Position | None:
        """Up to where in the log everything is searchable; None before the indexer's first word."""
        told = await self._told("generation", "lsn")
        return Position(told["generation"], told["lsn"]) if told and "lsn" in told else None

    async def confirmed_at(self) -> datetime | None:
        """When the newest searchable heartbeat was confirmed; None before the indexer's first word."""
        told = await self._told("confirmed_at")
        return datetime.fromisoformat(told["confirmed_at"]) if told else None

    async def _told(self, *fields: str) -> Mapping[str, Any] | None:
        """What the indexer last told of its progress. Raises the client's errors."""
        try:
            found = await self._elasticsearch.options(request_timeout=PROGRESS_TIMEOUT_SECONDS).get(
                index=PROGRESS_ALIAS, id=LIVE_DOCUMENT, source_includes=list(fields)
            )
        except NotFoundError:
            return None
        source: Mapping[str, Any] = found["_source"]
        return source

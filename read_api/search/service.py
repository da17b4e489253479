"""Decides how a search is answered: exactly, or with tolerance where that finds little."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from contracts import problems
from contracts.event import Event
from read_api.search.query import FEW_HITS, Search, search_body
from read_api.search.schemas import SearchAnswer
from read_api.search.store import Hits, SearchStore, SearchUnavailableError
from service_kit.problem_responses import Problem


class SearchService:
    """Searches for whoever asks."""

    def __init__(
        self, store: SearchStore, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._now = now

    async def search(
        self, search: Search, *, viewer_id: int | None, languages: Sequence[str]
    ) -> SearchAnswer:
        """One page. Raises Problem TEMPORARILY_UNAVAILABLE where Elasticsearch can't answer.

        Whether tolerance is needed depends on the exact pass's total, so all pages of a search agree on it.
        """
        asked: dict[str, Any] = {"viewer_id": viewer_id, "languages": languages, "now": self._now()}
        hits = await self._hits(search_body(search, **asked))
        took_ms = hits.took_ms
        if hits.total < FEW_HITS and search.has_words:
            hits = await self._hits(search_body(search, **asked, tolerant=True))
            took_ms += hits.took_ms
        return SearchAnswer(
            total=hits.total,
            page=search.page,
            page_size=search.page_size,
            events=[Event.model_validate(event) for event in hits.events],
            took_ms=took_ms,
        )

    async def _hits(self, body: dict[str, Any]) -> Hits:
        try:
            return await self._store.search(body)
        except SearchUnavailableError:
            raise Problem(
                problems.TEMPORARILY_UNAVAILABLE, "Search can't be answered now; event pages can."
            ) from None

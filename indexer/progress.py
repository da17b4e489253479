"""Tells how fresh the index is, and remembers against what it was last proved complete."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from contracts.change_event import Heartbeat
from contracts.index_progress import LIVE_DOCUMENT, PROGRESS_ALIAS, RECONCILED_DOCUMENT

TIMEOUT_SECONDS = 5.0


class Progress:
    """Reads and writes the progress documents. Raises the client's errors when Elasticsearch can't."""

    def __init__(self, elasticsearch: Elasticsearch) -> None:
        self._elasticsearch = elasticsearch.options(request_timeout=TIMEOUT_SECONDS)

    def tell(self, heartbeat: Heartbeat, version: int | None) -> None:
        """Everything before `heartbeat` is searchable; `version` is that of the last reading, if any."""
        document: dict[str, Any] = {
            "generation": heartbeat.generation,
            "beat": heartbeat.beat,
            "lsn": heartbeat.lsn,
            "confirmed_at": heartbeat.confirmed_at.isoformat(),
            "written_at": datetime.now(UTC).isoformat(),
        }
        if version is not None:
            document["version"] = version
        self._elasticsearch.index(
            index=PROGRESS_ALIAS, id=LIVE_DOCUMENT, document=document, require_alias=True
        )

    def live(self) -> Mapping[str, Any] | None:
        """What was last told, or None."""
        return self._get(LIVE_DOCUMENT)

    def proved_against(self) -> Mapping[str, Any] | None:
        """The ground on which the index was last proved complete, or None: it has to be proved."""
        document = self._get(RECONCILED_DOCUMENT)
        return document["proved_against"] if document else None

    def prove(self, ground: Mapping[str, Any], drift: Mapping[str, int]) -> None:
        """A reconcile that began on `ground` is done."""
        document = {
            "proved_against": dict(ground),
            "drift": dict(drift),
            "written_at": datetime.now(UTC).isoformat(),
        }
        self._elasticsearch.index(
            index=PROGRESS_ALIAS, id=RECONCILED_DOCUMENT, document=document, require_alias=True
        )

    def forget_proof(self) -> None:
        """Changes may be missed from now on, until the next reconcile."""
        try:
            self._elasticsearch.delete(index=PROGRESS_ALIAS, id=RECONCILED_DOCUMENT)
        except NotFoundError:
            return

    def _get(self, name: str) -> Mapping[str, Any] | None:
        try:
            found = self._elasticsearch.get(index=PROGRESS_ALIAS, id=name)
        except NotFoundError:
            return None
        source: Mapping[str, Any] = found["_source"]
        return source

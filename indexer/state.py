"""What the indexer says of itself: written by its threads, read by its health address."""

import logging
import threading
from datetime import UTC, datetime
from typing import Any

LATE_SECONDS = 10

_LOG = logging.getLogger(__name__)


class IndexerState:
    """Counts and the last error by part of the process; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._errors: dict[str, str] = {}
        self._confirmed_at: datetime | None = None
        self._consuming = False
        self._backfilling = False
        self._served = False
        self._repairing: str | None = None
        self._last_repair: dict[str, Any] | None = None
        self._documents_indexed = 0
        self._dead_letters = 0

    def failed(self, part: str, error: BaseException) -> None:
        """`part` could not do its work and will try again; logged where it is news."""
        text = f"{part}: {type(error).__name__}: {' '.join(str(error).split())}"[:300]
        with self._lock:
            is_news = self._errors.get(part) != text
            self._errors[part] = text
        if is_news:
            _LOG.warning("failed, tried again", extra={"part": part, "reason": text})

    def worked(self, part: str) -> None:
        """`part` did its work."""
        with self._lock:
            self._errors.pop(part, None)

    def consumes(self, consuming: bool) -> None:
        """Whether this process has the topic's partition."""
        self._consuming = consuming

    def backfills(self, backfilling: bool) -> None:
        """Whether a reconcile is under way."""
        self._backfilling = backfilling

    def repairs(self, what: str) -> None:
        """Something that live indexing stands on is wrong, and being mended; the text says what and why."""
        with self._lock:
            self._repairing = what

    def repaired(self) -> None:
        """All that was wrong is mended, and the index proved complete."""
        with self._lock:
            if self._repairing is not None:
                at = datetime.now(UTC).isoformat(timespec="seconds")
                self._repairing, self._last_repair = None, {"what": self._repairing, "at": at}

    def serves(self) -> None:
        """The index was proved complete at least once."""
        self._served = True

    def indexed(self, count: int) -> None:
        """So many documents were acknowledged by Elasticsearch."""
        with self._lock:
            self._documents_indexed += count

    def buried(self, count: int) -> None:
        """So many dead letters were written."""
        with self._lock:
            self._dead_letters += count

    def told(self, confirmed_at: datetime) -> None:
        """Everything before the heartbeat confirmed then is searchable."""
        self._confirmed_at = confirmed_at

    @property
    def ready(self) -> bool:
        """Whether the index serves and is being kept fresh."""
        return self._served and self._consuming

    def details(self) -> dict[str, Any]:
        """The details of the health answer."""
        with self._lock:
            errors = list(self._errors.values())
            age_ms = None
            if self._confirmed_at is not None:
                age_ms = max(0, int((datetime.now(UTC) - self._confirmed_at).total_seconds() * 1000))
            if not errors and age_ms is not None and age_ms > LATE_SECONDS * 1000:
                errors = [f"no heartbeat has come through for {age_ms // 1000} s"]
            return {
                "index_age_ms": age_ms,
                "phase": self._phase(bool(errors)),
                "repairing": self._repairing,
                "last_repair": self._last_repair,
                "documents_indexed": self._documents_indexed,
                "dead_letters": self._dead_letters,
                "last_error": errors[-1] if errors else None,
            }

    def _phase(self, failing: bool) -> str:
        if failing:
            return "retrying"
        if self._backfilling:
            return "backfilling"
        if self._repairing is not None:
            return "repairing"
        return "live" if self.ready else "starting"

"""What a region's indexer is doing, and what it mended last, as it says itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from regions.local.component import Site, health_details


@dataclass(frozen=True)
class IndexStatus:
    """The state of a region's index; None where it isn't told."""

    phase: str | None
    """`starting`, `backfilling`, `repairing`, `retrying` or `live`; None if the indexer is silent."""
    repairing: str | None
    """What is wrong and being mended."""
    last_error: str | None
    """Why it is trying again."""
    last_repair: Mapping[str, object] | None
    """What was mended last (`what`), and when that was done (`at`)."""


def index_status(site: Site) -> IndexStatus:
    """Ask the indexer; one question with a timeout."""
    details = health_details(f"http://{site.address('indexer')}/health/ready")
    last_repair = details.get("last_repair")
    return IndexStatus(
        phase=_text(details.get("phase")),
        repairing=_text(details.get("repairing")),
        last_error=_text(details.get("last_error")),
        last_repair=last_repair if isinstance(last_repair, dict) else None,
    )


def index_words(status: IndexStatus, age_ms: int | None) -> str:
    """Say for a person how old an index is, and what is being done about it."""
    age = f"index {age_ms} ms old" if age_ms is not None else "index age unknown"
    if status.phase is None:
        return f"{age}, its indexer is silent"
    because = status.repairing or status.last_error if status.phase != "live" else None
    doing = f"{age}, {status.phase}" + (f" ({because})" if because else "")
    mended = status.last_repair
    return f"{doing}, mended at {mended['at']}: {mended['what']}" if mended else doing


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None

"""What is known about tokens, on disk, so that a process can start and verify while its reader is gone."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SNAPSHOT_NAME = "token-knowledge.json"
MAX_SNAPSHOT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of keys and of revocations, and when they were read from the reader."""

    read_at: datetime
    key_rows: Sequence[Mapping[str, Any]]
    revocation_rows: Sequence[Mapping[str, Any]]


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """Replaces the snapshot in one step, readable by its owner alone. Raises OSError.

    The bytes are on disk before the name is: a crash leaves the old snapshot or the new one, never half.
    """
    content = {
        "read_at": snapshot.read_at.isoformat(),
        "keys": list(snapshot.key_rows),
        "revocations": list(snapshot.revocation_rows),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)  # a draft left by a crash may have had another mode
            file.write(json.dumps(content) + "\n")
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_snapshot(path: Path) -> Snapshot | None:
    """The snapshot; None where there is no usable one."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(MAX_SNAPSHOT_BYTES))
        read_at = datetime.fromisoformat(content["read_at"]).astimezone(UTC)
        return Snapshot(read_at, _rows(content["keys"]), _rows(content.get("revocations", [])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _rows(values: object) -> list[Mapping[str, Any]]:
    if not isinstance(values, list):
        raise TypeError("rows must be a list")
    return [row for row in values if isinstance(row, Mapping)]

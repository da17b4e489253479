"""The passwords and keys of one local platform: generated once, in a file that only its owner can read."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROLES = (
    "postgres",
    "frontrow_owner",
    "frontrow_write",
    "frontrow_read",
    "frontrow_capture",
    "frontrow_replication",
)


@dataclass(frozen=True)
class Credentials:
    """A password for each PostgreSQL role; keys of 32 bytes, in base64: what seals the keys that sign access
    tokens, what signs consistency tokens, and what signs links in mails.
    """

    passwords: Mapping[str, str]
    key_sealing_key: str
    consistency_key: str
    link_key: str

    def __repr__(self) -> str:  # a traceback or a log line must never show one
        return "Credentials(...)"


def load_credentials(path: Path) -> Credentials:
    """Read the credentials; those of a platform that was never started are empty."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Credentials(
        document.get("passwords", {}),
        document.get("key_sealing_key", ""),
        document.get("consistency_key", ""),
        document.get("link_key", ""),
    )


def create_credentials(path: Path) -> None:
    """Generate whatever is missing; the file appears whole, with mode 0600, and is never half written."""
    existing = load_credentials(path)
    complete = {
        "passwords": {role: existing.passwords.get(role) or secrets.token_urlsafe(24) for role in ROLES},
        "key_sealing_key": existing.key_sealing_key or _new_key(),
        "consistency_key": existing.consistency_key or _new_key(),
        "link_key": existing.link_key or _new_key(),
    }
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(complete, file, indent=2)
        file.flush()
        os.fsync(file.fileno())  # a lost file would lock everybody out of the data
    unfinished.replace(path)


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()

"""What was revoked before it expired: a few facts that each region reads and each token is held against.

A fact is needed only as long as a token that it could kill may live, so there are as many as people logged
out within the last minutes: a set that fits in memory, however many people there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Self

from contracts.token_claims import Identity


class RevocationRefusedError(ValueError):
    """A row is not a revocation; the message says why."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Kills a person's tokens issued until then, a session's, or one token. Times: seconds since 1970."""

    kind: str
    subject: str
    revoked_at: float
    expires_at: float

    @property
    def name(self) -> str:
        """What it is about: one of each name counts, the later one."""
        return f"{self.kind}:{self.subject}"


def revocation(row: Mapping[str, Any]) -> Revocation:
    """The revocation of a row {kind, subject, revoked_at, expires_at}. Raises RevocationRefusedError."""
    kind, subject = row.get("kind"), row.get("subject")
    if kind not in {"person", "session", "token"} or not isinstance(subject, str) or not subject:
        raise RevocationRefusedError("it must be of a person, a session or a token")
    times = row.get("revoked_at"), row.get("expires_at")
    if not all(isinstance(one, int | float) for one in times):
        raise RevocationRefusedError("its times must be seconds since 1970")
    return Revocation(kind, subject, float(row["revoked_at"]), float(row["expires_at"]))


@dataclass(frozen=True, slots=True)
class Revocations:
    """All revocations that are known and still needed; never changed, only replaced."""

    by_name: Mapping[str, Revocation] = field(default_factory=lambda: MappingProxyType({}))

    def revoke(self, identity: Identity) -> bool:
        """Whether the token of this identity is dead.

        A token says in whole seconds when it was issued; of those issued in the second of a revocation all
        are dead, and who logs in again within it gets a token that says the next one.
        """
        by_name = self.by_name
        if f"session:{identity.session_id}" in by_name or f"token:{identity.token_id}" in by_name:
            return True
        of_person = by_name.get(f"person:{identity.person_id}")
        return of_person is not None and identity.issued_at.timestamp() <= int(of_person.revoked_at)

    def with_news(self, news: Iterable[Revocation], *, now: datetime) -> Self:
        """These and the new ones, without those that no living token can meet; itself if nothing is new."""
        fresh = [one for one in news if self.by_name.get(one.name) != one]
        if not fresh:
            return self
        now_seconds = now.astimezone(UTC).timestamp()
        kept = {name: one for name, one in self.by_name.items() if one.expires_at > now_seconds}
        for one in fresh:
            before = kept.get(one.name)
            if one.expires_at > now_seconds and (before is None or before.revoked_at <= one.revoked_at):
                kept[one.name] = one
        return type(self)(MappingProxyType(kept))

    def rows(self) -> list[dict[str, Any]]:
        """As rows of `revocation`, for the snapshot on disk."""
        return [
            {
                "kind": one.kind,
                "subject": one.subject,
                "revoked_at": one.revoked_at,
                "expires_at": one.expires_at,
            }
            for one in self.by_name.values()
        ]

"""Links by which people without an account reach their bookings: made by write_api, verified in each region.

A link is bound to a person and to when it was made; nothing of it is stored. A revocation of the person kills
all links made until then, so it has to be kept for as long as links live.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from contracts.api_keys import Scope
from contracts.token_claims import MAX_ID, Identity
from mini_auth.verifier import KeysUnavailableError, KnowledgeSource, TokenRefusedError
from service_kit.signed_links import MAX_LINK_CHARACTERS, Link, LinkRefusedError, SignedLinks

GUEST_LINK_HEADER = "X-Guest-Link"
GUEST_LINK_SECONDS = 400 * 86_400
"""Bookings are made up to a year ahead, mostly; the receipt is looked for a few weeks longer."""
GUEST_ROLES = frozenset({"customer"})
GUEST_SCOPES: frozenset[Scope] = frozenset({"bookings:read", "bookings:write"})
_PURPOSE = "a guest's bookings"


class GuestLinkDesk:
    """Writes links under the regions' common `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._links = SignedLinks(secret, _PURPOSE)

    def write(self, person_id: int, *, now: datetime) -> tuple[str, datetime]:
        """A link that is good from `now` (aware) on, and until when it is."""
        issued_at = now.astimezone(UTC).replace(microsecond=0)
        expires_at = issued_at + timedelta(seconds=GUEST_LINK_SECONDS)
        return self._links.write(Link(person_id, int(issued_at.timestamp()), expires_at)), expires_at


class GuestLinkVerifier:
    """Judges links by the signature, the time, and what `feed` knows of revocations; asks nobody."""

    def __init__(
        self, feed: KnowledgeSource, secret: bytes, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._feed = feed
        self._links = SignedLinks(secret, _PURPOSE)
        self._clock = clock

    def verify(self, text: str) -> Identity:
        """The guest whose link it is. Raises TokenRefusedError; KeysUnavailableError before any knowledge."""
        if len(text) > MAX_LINK_CHARACTERS or not text.isascii():
            raise TokenRefusedError("The guest link is none of ours.")
        try:
            link = self._links.read(text, now=datetime.fromtimestamp(self._clock(), UTC))
        except LinkRefusedError as error:
            raise TokenRefusedError(f"The guest link is refused: {error}.") from None
        if self._feed.age_ms is None:
            raise KeysUnavailableError
        identity = _identity(link)
        if self._feed.knowledge.revocations.revoke(identity):
            raise TokenRefusedError("The guest link was revoked.")
        return identity


def _identity(link: Link) -> Identity:
    return Identity(
        person_id=min(link.subject, MAX_ID),
        roles=GUEST_ROLES,
        session_id=None,
        token_id=str(link.subject),
        issued_at=datetime.fromtimestamp(link.version, UTC),
        expires_at=link.expires_at,
        scopes=GUEST_SCOPES,
        is_guest=True,
    )

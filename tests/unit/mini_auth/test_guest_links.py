"""Links of guests: ours alone, for their time alone, and dead once the person is revoked."""

from datetime import UTC, datetime

import pytest

from mini_auth.guest_links import GUEST_LINK_SECONDS, GuestLinkDesk, GuestLinkVerifier
from mini_auth.verifier import KeysUnavailableError, TokenRefusedError
from service_kit.signed_links import Link, SignedLinks
from tests.tokens import Clock, Known, es256_key

SECRET = b"the key of links, 32 bytes of it"


class Region:
    """A verifier with what it knows and its clock."""

    def __init__(self, secret: bytes = SECRET) -> None:
        self.known, self.clock = Known(), Clock()
        self.known.hold(es256_key("key-1"))
        self.verifier = GuestLinkVerifier(self.known, secret, clock=self.clock)
        self.now = datetime.fromtimestamp(self.clock.now, UTC)
        self.link, self.expires_at = GuestLinkDesk(SECRET).write(7, now=self.now)


def test_a_link_tells_the_guest_until_it_expires() -> None:
    region = Region()
    identity = region.verifier.verify(region.link)
    assert (identity.person_id, identity.roles) == (7, {"customer"})
    assert identity.expires_at == region.expires_at
    region.clock.now += GUEST_LINK_SECONDS - 2
    assert region.verifier.verify(region.link).person_id == 7
    region.clock.now += 3
    with pytest.raises(TokenRefusedError, match="expired"):
        region.verifier.verify(region.link)


def test_a_revocation_of_the_person_kills_the_links_until_then_and_no_later_one() -> None:
    region = Region()
    region.known.revoke("person", 8, at=region.clock.now, kept_seconds=GUEST_LINK_SECONDS)
    assert region.verifier.verify(region.link).person_id == 7
    region.known.revoke("person", 7, at=region.clock.now, kept_seconds=GUEST_LINK_SECONDS)
    with pytest.raises(TokenRefusedError, match="revoked"):
        region.verifier.verify(region.link)
    later, _ = GuestLinkDesk(SECRET).write(7, now=datetime.fromtimestamp(region.clock.now + 2, UTC))
    assert region.verifier.verify(later).person_id == 7


def test_what_is_no_link_of_ours_for_guests_is_refused() -> None:
    region = Region()
    of_another_purpose = SignedLinks(SECRET, "confirm e-mail").write(Link(7, 1, region.expires_at))
    flipped = ("A" if region.link[0] != "A" else "B") + region.link[1:]
    for text in (of_another_purpose, flipped, region.link + "A", region.link[:-1], "", "é", "A" * 100_000):
        with pytest.raises(TokenRefusedError):
            region.verifier.verify(text)
    with pytest.raises(TokenRefusedError):
        Region(b"the key of another environment..").verifier.verify(region.link)


def test_before_anything_is_known_of_revocations_no_link_is_judged() -> None:
    region = Region()
    region.known.age_ms = None
    with pytest.raises(KeysUnavailableError):
        region.verifier.verify(region.link)

"""Decides whether an access token is ours and still good, in this process, asking nobody.

The token's header may only name a key; which algorithm verifies, and with what, is pinned by that key's row.
Everything that we don't issue ourselves is refused, rather than interpreted.
"""

import base64
import binascii
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from contracts.token_claims import ACCESS_TOKEN_TYPE, ClaimsError, Identity, identity_from_claims
from mini_auth.knowledge import Knowledge
from mini_auth.verification_key import VerificationKey

LEEWAY_SECONDS = 5
MAX_TOKEN_BYTES = 8 * 1024
MAX_CACHED_TOKENS = 10_000
# Ours have some 600 characters. What is longer is verified each time, so that 10,000 stay below 20 MB.
MAX_CACHED_TOKEN_CHARACTERS = 2048
_HEADER_MEMBERS = {"alg", "kid", "typ"}


class TokenRefusedError(Exception):
    """The token is refused; the message says why, in words for people, without the token."""


class KeysUnavailableError(Exception):
    """No key set was read since this process started, so no token can be judged yet."""


class KnowledgeSource(Protocol):
    """Where keys and revocations come from; a KnowledgeFeed, outside of tests."""

    @property
    def knowledge(self) -> Knowledge:
        """What is known now; another object after each change."""

    @property
    def age_ms(self) -> int | None:
        """How old it is; None before any was read."""


@dataclass(frozen=True, slots=True)
class _Verified:
    key: VerificationKey
    identity: Identity
    good_until: float


class TokenVerifier:
    """Verifies access tokens of one issuer for one audience against what `feed` knows.

    A verified token is remembered until it expires, is revoked, or its key is gone: at most 10,000 of them.
    Asking again costs a look into a dictionary, because all of them are gone through when the knowledge
    changes (some milliseconds, at most four times a second), and not when they are asked for. Refused
    tokens are not remembered.
    """

    def __init__(
        self,
        feed: KnowledgeSource,
        *,
        issuer: str,
        audience: str,
        clock: Callable[[], float] = time.time,
        max_cached_tokens: int = MAX_CACHED_TOKENS,
    ) -> None:
        self._feed = feed
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._max_cached_tokens = max_cached_tokens
        self._verified: dict[str, _Verified] = {}
        self._verified_under = feed.knowledge

    def verify(self, token: str) -> Identity:
        """Who presents `token`. Raises TokenRefusedError; KeysUnavailableError before any key was read."""
        if self._feed.knowledge is not self._verified_under:
            self._forget_what_died()
        known = self._verified.get(token)
        if known is not None:
            if self._clock() < known.good_until:
                return known.identity
            del self._verified[token]
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRefusedError(f"The token is longer than {MAX_TOKEN_BYTES} bytes.")
        if not token.isascii():
            raise TokenRefusedError("The token is not in the form of a JWT.")
        key = self._key_of(token)
        identity = self._verified_identity(token, key)
        if self._feed.knowledge.revocations.revoke(identity):
            raise TokenRefusedError("The token was revoked; log in again.")
        self._remember(token, key, identity)
        return identity

    def _forget_what_died(self) -> None:
        knowledge = self._feed.knowledge
        self._verified = {
            token: known
            for token, known in self._verified.items()
            if knowledge.keys.get(known.key.key_id) is known.key
            and not knowledge.revocations.revoke(known.identity)
        }
        self._verified_under = knowledge

    def _key_of(self, token: str) -> VerificationKey:
        """The key that the header names, once the header says nothing but what ours say."""
        parts = token.split(".")
        if len(parts) != 3:
            raise TokenRefusedError("The token is not in the form of a JWT.")
        header = _strict_object(parts[0], "header")
        if set(header) != _HEADER_MEMBERS:
            raise TokenRefusedError("The token's header must have alg, kid and typ, and nothing else.")
        if header["typ"] != ACCESS_TOKEN_TYPE:
            raise TokenRefusedError("The token is not an access token.")
        if self._feed.age_ms is None:
            raise KeysUnavailableError
        key = self._feed.knowledge.keys.get(header["kid"]) if isinstance(header["kid"], str) else None
        if key is None:
            raise TokenRefusedError("The token's key is not known.")
        if header["alg"] != key.algorithm:
            raise TokenRefusedError("The token's algorithm is not that of its key.")
        return key

    def _verified_identity(self, token: str, key: VerificationKey) -> Identity:
        """Checks the signature first, then who it is for, its times and its claims."""
        signed, _, signature = token.rpartition(".")
        if not key.has_signed(signed.encode("ascii"), _strict_bytes(signature, "signature")):
            raise TokenRefusedError("The token's signature is wrong.")
        _, _, payload = signed.partition(".")
        claims = _strict_object(payload, "payload")
        try:
            identity = identity_from_claims(claims)
        except ClaimsError as error:
            raise TokenRefusedError(f"The token's claims are wrong: {error}.") from None
        if claims["iss"] != self._issuer:
            raise TokenRefusedError("The token was issued by someone else.")
        if claims["aud"] != self._audience:
            raise TokenRefusedError("The token is meant for someone else.")
        now = self._clock()
        if now >= claims["exp"] + LEEWAY_SECONDS:
            raise TokenRefusedError("The token has expired.")
        if now < max(claims["iat"], claims.get("nbf", 0)) - LEEWAY_SECONDS:
            raise TokenRefusedError("The token is not valid yet.")
        return identity

    def _remember(self, token: str, key: VerificationKey, identity: Identity) -> None:
        """Remembers, and forgets the oldest where there is no room; expired ones are the oldest."""
        if len(token) > MAX_CACHED_TOKEN_CHARACTERS:
            return
        while len(self._verified) >= self._max_cached_tokens:
            del self._verified[next(iter(self._verified))]
        good_until = identity.expires_at.timestamp() + LEEWAY_SECONDS
        self._verified[token] = _Verified(key, identity, good_until)


def _strict_bytes(part: str, name: str) -> bytes:
    """The bytes of a base64url part in its one canonical spelling: no padding, no stray bits."""
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenRefusedError(f"The token's {name} is not base64url.") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != part.encode("ascii"):
        raise TokenRefusedError(f"The token's {name} is not canonical base64url.")
    return decoded


def _strict_object(part: str, name: str) -> dict[str, Any]:
    """The JSON object of a part; one name twice is refused, since readers differ on which one counts."""
    try:
        value = json.loads(_strict_bytes(part, name).decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        raise TokenRefusedError(f"The token's {name} is not a plain JSON object.") from None
    if not isinstance(value, dict):
        raise TokenRefusedError(f"The token's {name} is not a plain JSON object.")
    return value


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is there twice")
    return members

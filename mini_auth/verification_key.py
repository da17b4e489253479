"""A public key that verifies our tokens, read from a row or a snapshot with everything odd refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.types import JWKDict

MAX_KEY_ID_LENGTH = 100

# The algorithm is pinned by the key's row, and its curve with it; a token's header decides nothing.
_MEMBERS = {
    "ES256": {"kty": "EC", "crv": "P-256"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
_COORDINATES = {"ES256": ("x", "y"), "EdDSA": ("x",)}


class KeyRefusedError(ValueError):
    """A signing key's row is not usable; the message names the reason, without the key."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key with the one algorithm that it may be used with; equal when its public part is equal."""

    key_id: str
    algorithm: str
    public_jwk: JWKDict
    public_key: jwt.PyJWK = field(compare=False, repr=False)

    def has_signed(self, signed: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's, by its one algorithm; what the token says of it is not asked.

        Reading the token's header is left to the verifier, which does so more strictly than PyJWT would, and
        once instead of twice.
        """
        return self.public_key.Algorithm.verify(signed, self.public_key.key, signature)

    def published(self) -> dict[str, Any]:
        """The key as a member of a JWKS (RFC 7517)."""
        return {**self.public_jwk, "kid": self.key_id, "alg": self.algorithm, "use": "sig"}


def verification_key(row: Mapping[str, Any]) -> VerificationKey:
    """The key of a row {key_id, algorithm, public_jwk}. Raises KeyRefusedError.

    Only the members that make up the public key are taken over, so a private one could never be published.
    """
    key_id, algorithm, jwk = row.get("key_id"), row.get("algorithm"), row.get("public_jwk")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_LENGTH:
        raise KeyRefusedError("the key id is empty or too long")
    if not isinstance(algorithm, str) or algorithm not in _MEMBERS or not isinstance(jwk, Mapping):
        raise KeyRefusedError("the algorithm is not one that we use")
    required = _MEMBERS[algorithm]
    if {name: jwk.get(name) for name in required} != required:
        raise KeyRefusedError(f"the key is not one for {algorithm}")
    public_jwk = {**required, **{name: jwk.get(name) for name in _COORDINATES[algorithm]}}
    try:
        return VerificationKey(key_id, algorithm, public_jwk, jwt.PyJWK(public_jwk, algorithm))
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise KeyRefusedError("the key can't be read") from error

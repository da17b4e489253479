"""A private key that signs access tokens, and the sealed form in which it is stored.

Rows of `signing_keys` are replicated to every region, so a private key is only ever stored sealed:
AES-256-GCM under the sealing key from the environment, with the key id as associated data, so that a sealed
key can't be put under another id.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.token_claims import ACCESS_TOKEN_TYPE

ALGORITHM = "ES256"
_NONCE_BYTES = 12  # what NIST SP 800-38D recommends for GCM; random, as a sealing key seals a few keys a year


class SealedKeyError(Exception):
    """A stored private key can't be opened: the sealing key is not the one that it was sealed with."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its id; `repr` shows the id alone."""

    key_id: str
    private_key: ec.EllipticCurvePrivateKey

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id})"

    def sign(self, claims: Mapping[str, Any]) -> str:
        """An access token (RFC 9068) with these claims, in compact form."""
        headers = {"typ": ACCESS_TOKEN_TYPE, "kid": self.key_id}
        return jwt.encode(dict(claims), self.private_key, algorithm=ALGORITHM, headers=headers)

    def public_jwk(self) -> dict[str, str]:
        """The public part as a JSON Web Key (RFC 7517), without id."""
        return _public_jwk(self.private_key)


def new_signing_key() -> SigningKey:
    """A fresh P-256 key; its id is the thumbprint of its public part (RFC 7638)."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    canonical = json.dumps(_public_jwk(private_key), sort_keys=True, separators=(",", ":"))
    return SigningKey(_base64url(hashlib.sha256(canonical.encode()).digest()), private_key)


def seal(key: SigningKey, sealing_key: bytes) -> bytes:
    """The private key sealed: nonce, then AES-256-GCM of its PKCS 8 form. `sealing_key` has 32 bytes."""
    clear = key.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(sealing_key).encrypt(nonce, clear, key.key_id.encode())


def unseal(key_id: str, sealed: bytes, sealing_key: bytes) -> SigningKey:
    """The key that was sealed under this id. Raises SealedKeyError."""
    try:
        clear = AESGCM(sealing_key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key_id.encode())
    except (InvalidTag, ValueError):
        raise SealedKeyError(f"FRONTROW_KEY_SEALING_KEY does not open the signing key {key_id}") from None
    private_key = serialization.load_der_private_key(clear, password=None)
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise SealedKeyError(f"the signing key {key_id} is not an elliptic curve key")
    return SigningKey(key_id, private_key)


def _public_jwk(private_key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = private_key.public_key().public_numbers()
    x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

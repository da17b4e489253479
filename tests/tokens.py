"""Keys and tokens made by the test itself, so that it can make bad ones too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from contracts.token_claims import ACCESS_TOKEN_TYPE, access_token_claims
from mini_auth.knowledge import Knowledge
from mini_auth.verification_key import VerificationKey
from mini_auth.verifier import TokenVerifier
from tests.api_keys import Shelf

ISSUER = "https://frontrow.test"
AUDIENCE = "frontrow-test"


@dataclass
class SigningKey:
    """A private key with the row that the database would hold for its public half."""

    key_id: str
    algorithm: str
    private_key: Any

    @property
    def row(self) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        jwk = json.loads(algorithm.to_jwk(self.private_key.public_key()))
        return {"key_id": self.key_id, "algorithm": self.algorithm, "public_jwk": jwk}

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        headers = {"kid": self.key_id, "typ": ACCESS_TOKEN_TYPE, **header}
        return jwt.encode(dict(claims), self.private_key, algorithm=self.algorithm, headers=headers)


def es256_key(key_id: str) -> SigningKey:
    return SigningKey(key_id, "ES256", ec.generate_private_key(ec.SECP256R1()))


def eddsa_key(key_id: str) -> SigningKey:
    return SigningKey(key_id, "EdDSA", ed25519.Ed25519PrivateKey.generate())


@dataclass
class Known:
    """A KnowledgeSource whose knowledge the test decides."""

    knowledge: Knowledge = field(default_factory=Knowledge)
    age_ms: int | None = 0
    confirmed_age_ms: int | None = 0

    @property
    def keys(self) -> Mapping[str, VerificationKey]:
        return self.knowledge.keys

    def hold(self, *signing_keys: SigningKey) -> None:
        """Exactly these keys."""
        rows = [key.row for key in signing_keys]
        self.knowledge = self.knowledge.with_news(rows, [], now=datetime.now(UTC))

    def revoke(self, kind: str, subject: object, *, at: float, kept_seconds: float = 360) -> None:
        """What write_api would write to the table."""
        row = {"kind": kind, "subject": str(subject), "revoked_at": at, "expires_at": at + kept_seconds}
        keys = [
            {"key_id": key.key_id, "algorithm": key.algorithm, "public_jwk": key.public_jwk}
            for key in self.keys.values()
        ]
        self.knowledge = self.knowledge.with_news(keys, [row], now=datetime.fromtimestamp(at, UTC))


class Clock:
    """A clock that the test sets; starts at the present."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self.now


@dataclass
class Desk:
    """A verifier with all that is needed to try it: a key, its source, a clock."""

    key: SigningKey
    keys: Known
    clock: Clock
    verifier: TokenVerifier
    api_keys: Shelf = field(default_factory=Shelf)

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = datetime.fromtimestamp(int(self.clock.now), UTC)
        claims = access_token_claims(
            issuer=ISSUER,
            audience=AUDIENCE,
            person_id=7,
            roles=["host"],
            session_id=70,
            token_id="token-1",
            now=now,
        )
        return {name: value for name, value in {**claims, **changes}.items() if value is not ...}

    def token(self, **changes: Any) -> str:
        return self.key.sign(self.claims(**changes))


def make_desk(key: SigningKey, **options: Any) -> Desk:
    keys, clock = Known(), Clock()
    keys.hold(key)
    verifier = TokenVerifier(keys, issuer=ISSUER, audience=AUDIENCE, clock=clock, **options)
    return Desk(key, keys, clock, verifier)

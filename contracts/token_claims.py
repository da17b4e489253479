"""What an access token says (RFC 9068), how it is made, and how it is read back.

`write_api` issues tokens with `access_token_claims`; every region reads them with `identity_from_claims`.
Signatures, key ids and times are the business of `mini_auth`; the shape of the claims is agreed here.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - the `typ` of RFC 9068, no secret
ACCESS_TOKEN_SECONDS = 300
MAX_ACCESS_TOKEN_SECONDS = 3600
CLIENT_ID = "frontrow"
ROLES = frozenset({"customer", "host", "scanner", "admin", "superadmin"})

MAX_ID = 2**63 - 1
_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_TOKEN_ID = re.compile(r"[A-Za-z0-9._~-]{1,100}", re.ASCII)
# 9999-12-31, the last instant that a datetime can hold.
_LATEST_SECONDS = 253_402_300_799
_EPOCH = datetime.fromtimestamp(0, UTC)


class ClaimsError(ValueError):
    """The claims are not those of an access token of ours; the message says which, without its value."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a person with roles, by a session's access token, an API key, or a guest's link.

    `scopes` are what a key or a link is limited to, and None with a token; neither has a session. `token_id`
    is a key's id, and a guest's the person's. Times are UTC.
    """

    person_id: int
    roles: frozenset[str]
    session_id: int | None
    token_id: str
    issued_at: datetime
    expires_at: datetime
    scopes: frozenset[str] | None = None
    is_guest: bool = False


def access_token_claims(
    *,
    issuer: str,
    audience: str,
    person_id: int,
    roles: Collection[str],
    session_id: int,
    token_id: str,
    now: datetime,
) -> dict[str, Any]:
    """The claims of a new access token, good for ACCESS_TOKEN_SECONDS from `now` (aware), whole seconds."""
    issued_at = int(now.timestamp())
    return {
        "iss": issuer,
        "aud": audience,
        "sub": str(person_id),
        "client_id": CLIENT_ID,
        "roles": sorted(roles),
        "sid": str(session_id),
        "jti": token_id,
        "iat": issued_at,
        "exp": issued_at + ACCESS_TOKEN_SECONDS,
    }


def identity_from_claims(claims: Mapping[str, Any]) -> Identity:
    """The identity that verified claims give. Raises ClaimsError where a claim is missing or odd.

    Times are read here, not compared with a clock; a token that lives longer than we ever issue is refused.
    """
    issued_at, expires_at = _seconds(claims, "iat"), _seconds(claims, "exp")
    if "nbf" in claims:
        _seconds(claims, "nbf")
    if not 0 < expires_at - issued_at <= MAX_ACCESS_TOKEN_SECONDS:
        raise ClaimsError(f"it must be good for 1 to {MAX_ACCESS_TOKEN_SECONDS} seconds")
    for name in ("iss", "aud", "client_id"):
        if not isinstance(claims.get(name), str):
            raise ClaimsError(f"{name} must be a string")
    token_id = claims.get("jti")
    if not isinstance(token_id, str) or not _TOKEN_ID.fullmatch(token_id):
        raise ClaimsError("jti must be an identifier")
    return Identity(
        person_id=_id(claims, "sub", "a person's id"),
        roles=_roles(claims.get("roles")),
        session_id=_id(claims, "sid", "a session's id"),
        token_id=token_id,
        issued_at=_EPOCH + timedelta(seconds=issued_at),
        expires_at=_EPOCH + timedelta(seconds=expires_at),
    )


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    """A NumericDate. RFC 7519 allows fractions; ours are whole, and `true` is a number to Python alone."""
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LATEST_SECONDS:
        raise ClaimsError(f"{name} must be whole seconds since 1970")
    return value


def _id(claims: Mapping[str, Any], name: str, what: str) -> int:
    value = claims.get(name)
    if not isinstance(value, str) or not _ID.fullmatch(value) or int(value) > MAX_ID:
        raise ClaimsError(f"{name} must be {what}")
    return int(value)


def _roles(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value or len(value) > len(ROLES):
        raise ClaimsError("roles must be a list of roles")
    if not all(isinstance(role, str) and role in ROLES for role in value):
        raise ClaimsError("roles holds one that we don't know")
    return frozenset(value)

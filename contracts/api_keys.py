"""API keys: how their text is made, how it is read back, and what a key may be allowed to do.

`write_api` makes them, every region verifies them. A key is `frontrow_key_<public id>_<secret>`: the public
id names it, in lists and in the database; the secret has 256 random bits, of which only a hash is stored.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

API_KEY_HEADER = "X-Api-Key"
API_KEY_PREFIX = "frontrow_key_"
DEFAULT_API_KEY_DAYS = 90
MAX_API_KEY_DAYS = 365
MAX_API_KEYS_OF_PERSON = 50

Scope = Literal["events:read", "events:write", "bookings:read", "bookings:write", "tokens:introspect"]
SCOPES: Mapping[Scope, str] = MappingProxyType(
    {
        "events:read": "Search, and read event pages; those of your own events also while they are inactive.",
        "events:write": "Make and change your events.",
        "bookings:read": "Read your bookings.",
        "bookings:write": "Book, confirm and cancel as you.",
        "tokens:introspect": "Ask a region's key service about tokens; for keys of administrators.",
    }
)
"""Each scope, and what it allows; what its person may not do, a key may not do either."""

_PUBLIC_ID_BYTES = 8
_SECRET_BYTES = 32
_TEXT = re.compile(rf"{API_KEY_PREFIX}([0-9a-f]{{16}})_([A-Za-z0-9_-]{{43}})", re.ASCII)

if set(SCOPES) != set(get_args(Scope)):
    raise AssertionError("each scope says what it allows")


class ApiKeyFormatError(ValueError):
    """The text is no API key; the message does not repeat it."""


@dataclass(frozen=True, slots=True)
class ApiKeyText:
    """A key as its person has it; `repr` shows its public id alone."""

    public_id: str
    secret: str

    def __repr__(self) -> str:
        return f"ApiKeyText({self.public_id})"

    @property
    def prefix(self) -> str:
        """What may be shown of it."""
        return API_KEY_PREFIX + self.public_id

    @property
    def text(self) -> str:
        """The whole key."""
        return f"{self.prefix}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """SHA-256 of the secret: nobody can guess 256 random bits, so no slow hash is needed."""
        return hashlib.sha256(self.secret.encode("ascii")).digest()


def new_api_key() -> ApiKeyText:
    """A key that nobody has had before."""
    return ApiKeyText(secrets.token_hex(_PUBLIC_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES))


def read_api_key(text: str) -> ApiKeyText:
    """The parts of a key, whether it was ever made or not. Raises ApiKeyFormatError."""
    parts = _TEXT.fullmatch(text)
    if parts is None:
        raise ApiKeyFormatError("it is not in the form of an API key")
    return ApiKeyText(*parts.groups())

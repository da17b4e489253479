"""Refresh tokens: a session's id, a number, and a code that only we can make.

Nothing of them is stored but the number of the one that is good. So a leaked database gives nobody a token, a
refresh that is repeated gives the same token again, and an old token that comes back is known as one that was
ours: somebody has copied it.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

PREFIX = "frontrow_refresh_"
_NAME = struct.Struct(">QI")
MAX_TOKEN_CHARACTERS = 200


class RefreshTokenRefusedError(ValueError):
    """The text is no refresh token of ours."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The `sequence`-th token of a session, counted from 1."""

    session_id: int
    sequence: int


class RefreshTokens:
    """Writes and reads tokens under a key of their own, made from `secret`."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"frontrow refresh tokens, version 1", hashlib.sha256)

    def write(self, token: RefreshToken) -> str:
        """The text that is given to the person; the same each time."""
        name = _NAME.pack(token.session_id, token.sequence)
        return PREFIX + base64.urlsafe_b64encode(name + self._code(name)).rstrip(b"=").decode()

    def read(self, text: str) -> RefreshToken:
        """The token that a text is, in its one spelling. Raises RefreshTokenRefusedError."""
        encoded = text.removeprefix(PREFIX)
        try:
            content = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            token = RefreshToken(*_NAME.unpack_from(content))
        except (binascii.Error, ValueError, struct.error):
            raise RefreshTokenRefusedError("it is no refresh token") from None
        if not hmac.compare_digest(self.write(token).encode(), text.encode()):
            raise RefreshTokenRefusedError("it is no refresh token of ours")
        return token

    def _code(self, name: bytes) -> bytes:
        return hmac.digest(self._key, name, hashlib.sha256)

"""Refresh tokens: a session's id, a number, and a code that only we can make.

Nothing of them is stored but the number of the one that is good. So a leaked database gives nobody a token, a
refresh that is repeated gives the same token again, and an old token that comes back is known as one that was
ours: somebody has copied it.
"""

import struct
from dataclasses import dataclass

from service_kit.signed_records import RecordRefusedError, SignedRecords

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
        self._records = SignedRecords(secret, "frontrow refresh tokens, version 1", _NAME)

    def write(self, token: RefreshToken) -> str:
        """The text that is given to the person; the same each time."""
        return PREFIX + self._records.write(token.session_id, token.sequence)

    def read(self, text: str) -> RefreshToken:
        """The token that a text is, in its one spelling. Raises RefreshTokenRefusedError."""
        if not text.startswith(PREFIX):
            raise RefreshTokenRefusedError("it is no refresh token")
        try:
            return RefreshToken(*self._records.read(text.removeprefix(PREFIX)))
        except RecordRefusedError as error:
            raise RefreshTokenRefusedError(str(error)) from None

"""The consistency token: how far in the primary's log an answer knows, signed, for the next read to bring.

`X-Consistency-Token` is base64url, without padding, of a version byte, the generation (16 bits), a position
in the write-ahead log (64 bits) and the first 16 bytes of an HMAC-SHA256 over these. Whoever brings it is
never answered from an older state. It is no secret and gives no right; the signature only keeps a made-up
position from sending every read to the primary.
"""

import base64
import hmac
import re
import struct
from dataclasses import dataclass
from hashlib import sha256

CONSISTENCY_HEADER = "X-Consistency-Token"
DATA_AGE_HEADER = "X-Data-Age-Ms"
PASSED_ON_HEADER = "X-Frontrow-Passed-On"
"""read_api's word to the gateway that the primary has to answer; from outside it means nothing."""
KEY_BYTES = 32

MAX_GENERATION = 2**16 - 1
MAX_LSN = 2**64 - 1

NOT_CAUGHT_UP = (
    "This region has not caught up with what the consistency token asks for, and no other can be asked for "
    "it now. Try again shortly; without the token, what this region has is answered."
)
"""Why a read that brings a token is refused (503), in the words of whoever refuses it."""

_VERSION = 1
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_CLAIM = struct.Struct(">BHQ")
_SIGNATURE_BYTES = 16
_TOKEN_BYTES = _CLAIM.size + _SIGNATURE_BYTES
_TOKEN_CHARACTERS = _TOKEN_BYTES * 4 // 3
assert _TOKEN_BYTES % 3 == 0, "so that base64 has no padding, and one spelling for each token"  # noqa: S101


class TokenMalformedError(ValueError):
    """This is no token that this platform has signed."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the log: everything committed up to it, in bytes from the log's start, by a generation.

    Who holds a later generation holds all that was acknowledged in those before it.
    """

    generation: int
    lsn: int


class TokenSigner:
    """Signs positions and reads them back, with a key that is the same in all regions."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._key = key

    def sign(self, position: Position) -> str:
        """The token of a position. Raises ValueError where it is none."""
        if not 0 <= position.generation <= MAX_GENERATION or not 0 <= position.lsn <= MAX_LSN:
            raise ValueError(f"{position} is out of bounds")
        claim = _CLAIM.pack(_VERSION, position.generation, position.lsn)
        return base64.urlsafe_b64encode(claim + self._signature(claim)).decode("ascii")

    def read(self, text: str) -> Position:
        """The position of a token. Raises TokenMalformedError, whatever is wrong with it."""
        if len(text) != _TOKEN_CHARACTERS:
            raise TokenMalformedError("it has another length")
        if not _BASE64URL.fullmatch(text):  # Python would take + and / as well
            raise TokenMalformedError("it is not base64url")
        token = base64.urlsafe_b64decode(text)
        claim, signature = token[: _CLAIM.size], token[_CLAIM.size :]
        if not hmac.compare_digest(signature, self._signature(claim)):
            raise TokenMalformedError("it was not signed here")
        version, generation, lsn = _CLAIM.unpack(claim)
        if version != _VERSION:
            raise TokenMalformedError("it is of another version")
        return Position(generation, lsn)

    def _signature(self, claim: bytes) -> bytes:
        return hmac.digest(self._key, claim, sha256)[:_SIGNATURE_BYTES]

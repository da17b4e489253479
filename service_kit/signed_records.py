"""Records of a few numbers that go to people as one line of text, and that only we can write.

The text is base64url, without padding, of the record and its HMAC-SHA256, under a key made from a secret and
the purpose: what was written for one purpose is nothing for another. Each record has one spelling. It is
signed, not sealed: whoever has it can read the numbers.
"""

import base64
import binascii
import hashlib
import hmac
import struct


class RecordRefusedError(ValueError):
    """The text is no record of ours for this purpose."""


class SignedRecords:
    """Writes and reads records of the layout `record`, for one `purpose`."""

    def __init__(self, secret: bytes, purpose: str, record: struct.Struct) -> None:
        self._key = hmac.digest(secret, purpose.encode(), hashlib.sha256)
        self._record = record

    def write(self, *numbers: int) -> str:
        """The text of a record; the same each time. Raises struct.error where a number doesn't fit."""
        record = self._record.pack(*numbers)
        code = hmac.digest(self._key, record, hashlib.sha256)
        return base64.urlsafe_b64encode(record + code).rstrip(b"=").decode()

    def read(self, text: str) -> tuple[int, ...]:
        """The numbers of a text, in its one spelling. Raises RecordRefusedError."""
        try:
            content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            numbers = self._record.unpack_from(content)
        except (binascii.Error, ValueError, struct.error):
            raise RecordRefusedError("it is no signed record") from None
        if not hmac.compare_digest(self.write(*numbers).encode(), text.encode()):
            raise RecordRefusedError("it was not signed here")
        return numbers

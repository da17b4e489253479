"""Codes for links that people get by mail: each lets whoever has it do one thing to one subject, for a time.

Nothing of them is stored. A link is bound to a version of its subject; whoever raises that version kills all
links that were written before.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from service_kit.signed_records import RecordRefusedError, SignedRecords

MAX_LINK_CHARACTERS = 100
_LINK = struct.Struct(">QQQ")


class LinkRefusedError(ValueError):
    """The text is no link of ours for this purpose, or has expired; the message says which."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for: a subject's id, the version of it that the link holds for, and its end (aware)."""

    subject: int
    version: int
    expires_at: datetime


class SignedLinks:
    """Writes and reads links for one `purpose`, such as "confirm e-mail"."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        self._records = SignedRecords(secret, f"frontrow link: {purpose}, version 1", _LINK)

    def write(self, link: Link) -> str:
        """The code, in the characters of base64url; it expires at a whole second."""
        return self._records.write(link.subject, link.version, int(link.expires_at.timestamp()))

    def read(self, text: str, *, now: datetime) -> Link:
        """The link that a code is, good at `now` (aware). Raises LinkRefusedError.

        Whether its version is the subject's present one is for the caller to see.
        """
        try:
            subject, version, expires_at = self._records.read(text)
        except RecordRefusedError as error:
            raise LinkRefusedError(str(error)) from None
        link = Link(subject, version, datetime.fromtimestamp(expires_at, UTC))
        if link.expires_at <= now:
            raise LinkRefusedError("it has expired")
        return link

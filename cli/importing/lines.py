"""Reads a file line by line in bounded memory, whatever is in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_LINE_BYTES = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineRefusedError(ValueError):
    """A line can't be imported; the message says why, for the person who owns the file."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank: its number from 1, and its bytes, or None where it is over the limit."""

    number: int
    content: bytes | None


def read_lines(file: BinaryIO, *, limit: int | None = None) -> Iterator[Line]:
    """The lines of `file` that are not blank, at most `limit` of them. Never holds more than one line."""
    number, given = 0, 0
    while limit is None or given < limit:
        content = file.readline(MAX_LINE_BYTES + 1)
        if not content:
            return
        number += 1
        is_whole = content.endswith(b"\n") or len(content) <= MAX_LINE_BYTES
        while not content.endswith(b"\n"):
            content_after = file.readline(MAX_LINE_BYTES)
            if not content_after:
                break
            content = content_after
        if not is_whole:
            given += 1
            yield Line(number, None)
            continue
        content = content.removeprefix(_BYTE_ORDER_MARK).strip() if number == 1 else content.strip()
        if content:
            given += 1
            yield Line(number, content)

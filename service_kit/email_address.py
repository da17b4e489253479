"""E-mail addresses as people write them, and when two are the same one."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

MAX_EMAIL_LENGTH = 254  # RFC 5321, section 4.5.3.1.3: a path of 256 with its angle brackets
_MAX_LOCAL_PART_LENGTH = 64
# What mail servers in fact accept, without the quoted forms; whether it exists, only a mail can tell.
_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\\\]]+@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_](?:[\w-]*[^\W_])?")


def folded_email(email: str) -> str:
    """The form in which two e-mails are the same one: compatibility-normalised, without case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).casefold())


def _is_email(value: str) -> str:
    for form in (value, folded_email(value)):
        local_part = form.partition("@")[0]
        if (
            not _EMAIL.fullmatch(form)
            or len(form) > MAX_EMAIL_LENGTH
            or len(local_part) > _MAX_LOCAL_PART_LENGTH
            or any(unicodedata.category(character).startswith("C") for character in form)
            or local_part.startswith(".")
            or local_part.endswith(".")
            or ".." in form
        ):
            raise ValueError("must be an e-mail address such as name@example.com")
    return unicodedata.normalize("NFC", value)


Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=MAX_EMAIL_LENGTH),
    AfterValidator(_is_email),
]
"""An e-mail address as the person writes it."""

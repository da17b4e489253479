"""The bodies of accounts' requests and answers."""

import re
import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from service_kit.fields import Line, Password, RequestBody

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

Role = Literal["customer", "host"]


class SignUp(RequestBody):
    """A new account."""

    email: Email
    password: Annotated[Password, Field(min_length=8, max_length=128)]
    display_name: Line | None = Field(default=None, description="Default: what stands before the @.")
    roles: list[Role] = Field(default=["customer"], min_length=1, max_length=2)


class Person(BaseModel):
    """An account as its owner sees it."""

    id: int
    email: str
    display_name: str
    roles: list[str]

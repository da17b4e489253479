"""Field types for request bodies and parameters, with the limits that PostgreSQL and good manners set.

JSON's numbers and strings are taken as they are: `"7"` or `true` where a number belongs is refused.
"""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

MAX_ID = 2**63 - 1
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d", re.ASCII)
_PLAIN_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


class RequestBody(BaseModel):
    """Base of request bodies: a field that we don't know is an error, not silently dropped."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def _without_control_characters(value: str) -> str:
    """PostgreSQL refuses NUL, UTF-8 refuses lone surrogates, and people don't type the rest."""
    for character in value:
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\t":
            raise ValueError("must not contain control characters")
    return unicodedata.normalize("NFC", value)


def _is_iso_8601(value: object) -> object:
    """Numbers are no times here: whether they count seconds or milliseconds would be a guess."""
    if isinstance(value, str) and not _DATE_AND_TIME.match(value):
        raise ValueError("must be a date and time of ISO 8601, such as 2027-11-01T10:00:00Z")
    if not isinstance(value, str | datetime):
        raise ValueError("must be a date and time of ISO 8601, such as 2027-11-01T10:00:00Z")  # noqa: TRY004
    return value


def _is_plain_number(value: object) -> object:
    """Python reads `1_0` and ` 1` as numbers too; an address should have one spelling."""
    if isinstance(value, str) and not _PLAIN_NUMBER.fullmatch(value):
        raise ValueError("must be a number")
    return value


def _composed(value: SecretStr) -> SecretStr:
    """A password in Unicode's composed form, so that it is the same from every keyboard."""
    password = unicodedata.normalize("NFC", value.get_secret_value())
    if any(unicodedata.category(character) == "Cs" for character in password):
        raise ValueError("must be valid Unicode")
    return SecretStr(password)


def _within_calendar(value: datetime) -> datetime:
    if not _EARLIEST <= value <= _LATEST:
        raise ValueError("must lie between 1970 and 2200")
    return value.astimezone(UTC)


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_without_control_characters),
]
"""A short text: 1 to 200 characters."""

Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=10_000),
    AfterValidator(_without_control_characters),
]
"""A long text: up to 10,000 characters, may be empty."""

Password = Annotated[SecretStr, AfterValidator(_composed)]
"""A password as a person types it; who takes it sets its length."""

Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]
"""An identifier in a JSON body: a positive 64-bit integer."""

PathId = Annotated[int, BeforeValidator(_is_plain_number), Field(ge=1, le=MAX_ID)]
"""An identifier in a path or query, where everything is text."""

Instant = Annotated[AwareDatetime, BeforeValidator(_is_iso_8601), AfterValidator(_within_calendar)]
"""A point in time with its offset (ISO 8601), kept in UTC."""

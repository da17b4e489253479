"""The bodies of guests' requests and answers."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from service_kit.email_address import Email
from service_kit.fields import Line, RequestBody

MAX_PHONE_LENGTH = 40
_PHONE = re.compile(r"\+?[0-9][0-9 ()/.-]*", re.ASCII)
_MIN_DIGITS, _MAX_DIGITS = 5, 15  # E.164 has at most 15


def _is_phone_number(value: str) -> str:
    digits = sum(character.isdigit() for character in value)
    if not _PHONE.fullmatch(value) or not _MIN_DIGITS <= digits <= _MAX_DIGITS:
        raise ValueError("must be a phone number such as +84 24 3825 3536")
    return value


PhoneNumber = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=MAX_PHONE_LENGTH),
    AfterValidator(_is_phone_number),
]
"""A phone number as the person writes it: 5 to 15 digits."""


class GuestCreate(RequestBody):
    """Somebody who books without an account."""

    name: Line
    email: Email
    phone: PhoneNumber


class Guest(BaseModel):
    """A new guest, with the link by which the guest's own bookings are made and reached."""

    id: int
    name: str
    email: str
    phone: str
    link: str = Field(
        description="Send it as `X-Guest-Link` with bookings, in place of a token. Keep it secret."
    )
    link_expires_at: datetime = Field(description="Until when the link is good, UTC.")

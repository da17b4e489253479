"""The bodies of the sessions' requests and answers."""

import unicodedata
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from contracts.token_claims import ACCESS_TOKEN_SECONDS
from service_kit.fields import Password, RequestBody
from write_api.sessions.refresh_tokens import MAX_TOKEN_CHARACTERS

MAX_EMAIL_LENGTH = 254
MAX_CLIENT_LENGTH = 200


def _storable(value: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise ValueError("must not contain control characters")
    return value


class Login(RequestBody):
    """Who logs in. An e-mail that can't be anybody's is wrong like any other, not malformed."""

    email: Annotated[str, Field(max_length=MAX_EMAIL_LENGTH), AfterValidator(_storable)]
    password: Annotated[Password, Field(max_length=128)]


class Refresh(RequestBody):
    """The refresh token of the last login or refresh."""

    refresh_token: Annotated[SecretStr, Field(max_length=MAX_TOKEN_CHARACTERS)]


class Tokens(BaseModel):
    """A token to send as `Authorization: Bearer <access_token>`, and one that gets the next."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(default=ACCESS_TOKEN_SECONDS, description="Seconds until it expires.")
    refresh_token: str = Field(description="Good once, for `POST /api/v1/refresh`. Keep it secret.")
    refresh_expires_at: datetime = Field(description="When the session ends if it is not refreshed, UTC.")


class Session(BaseModel):
    """One place where you are logged in."""

    id: int
    client: str = Field(description="What the program that logged in calls itself; empty if it didn't say.")
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime
    is_this_one: bool = Field(description="Whether it is the session of the token that you ask with.")


class SessionList(BaseModel):
    """Where you are logged in, the last used first."""

    sessions: list[Session]

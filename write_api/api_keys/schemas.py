"""The bodies of the API keys' requests and answers."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from contracts.api_keys import DEFAULT_API_KEY_DAYS, MAX_API_KEY_DAYS, Scope
from service_kit.fields import Line, RequestBody


class ApiKeyCreate(RequestBody):
    """A new key."""

    name: Line = Field(description="What the key is for.")
    scopes: list[Scope] = Field(min_length=1, max_length=20, description="What the key may do, at most.")
    expires_in_days: Annotated[int, Field(strict=True, ge=1, le=MAX_API_KEY_DAYS)] = DEFAULT_API_KEY_DAYS


class ApiKey(BaseModel):
    """A key as its person sees it."""

    id: int
    name: str
    prefix: str = Field(description="How the key begins; it says which one it is, and is no secret.")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(
        description="Its last use for a change, to the minute. Reads don't count."
    )


class NewApiKey(ApiKey):
    """A key that was just made, with its text."""

    key: str = Field(description="Send it as `X-Api-Key`. It is shown this once; keep it secret.")


class ApiKeyList(BaseModel):
    """Your keys, the newest first."""

    api_keys: list[ApiKey]

"""The bodies of the requests and answers about personal data."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from service_kit.fields import Password, RequestBody

Rows = list[dict[str, Any]]


class Erase(RequestBody):
    """The password once more: a token that somebody has found must not be enough."""

    password: Annotated[Password, Field(max_length=128)]


class Export(BaseModel):
    """All that is kept about you. Of each kind the newest 10,000, newest first."""

    exported_at: datetime
    account: dict[str, Any]
    sessions: Rows
    api_keys: Rows
    bookings: Rows
    orders: Rows
    idempotent_requests: Rows = Field(
        description="What you sent with a key on the last day, and the answers."
    )
    waitlist_entries: Rows = Field(description="The seats that you wait for, or waited for.")
    events: Rows = Field(description="Those that you host.")
    venues: Rows = Field(description="Those of your events.")
    notifications: Rows = Field(description="What you were told by mail in the last month.")
    memberships: Rows = Field(description="The organisations that you belong to.")
    invitations: Rows = Field(description="Those to your e-mail, open or not.")
    audit_entries: Rows = Field(description="What you did, and what was done to your account.")

"""The bodies of the administration's requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from service_kit.email_address import Email
from service_kit.fields import Id, Line, RequestBody

Role = Literal["customer", "host", "scanner", "admin", "superadmin"]
Reason = Annotated[Line, Field(description="Why; kept in the audit log for good, so name nobody.")]
TokenId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,100}$")]


class PersonSearch(RequestBody):
    """Whom to find. E-mails belong into bodies: addresses are logged."""

    email: Email


class AdministeredPerson(BaseModel):
    """An account as administrators see it."""

    id: int
    email: str
    display_name: str
    roles: list[Role] = Field(description="Those of the account; memberships in organisations add to them.")
    created_at: datetime
    email_confirmed_at: datetime | None
    suspended_at: datetime | None
    erased_at: datetime | None


class Suspension(RequestBody):
    """Why somebody is suspended."""

    reason: Reason


class Deactivation(RequestBody):
    """Why an event is taken off sale."""

    reason: Reason


class AdministeredSession(BaseModel):
    """One place where somebody is logged in."""

    id: int
    client: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime


class AdministeredSessionList(BaseModel):
    """Where somebody is logged in, the last used first."""

    sessions: list[AdministeredSession]


class PersonRevocation(RequestBody):
    """All access tokens that a person has now; sessions go on."""

    kind: Literal["person"]
    person_id: Id


class SessionRevocation(RequestBody):
    """A session and its access tokens."""

    kind: Literal["session"]
    session_id: Id


class TokenRevocation(RequestBody):
    """One access token, by its `jti`."""

    kind: Literal["token"]
    token_id: TokenId


class RevocationBody(RequestBody):
    """What to revoke before it expires."""

    revoke: Annotated[PersonRevocation | SessionRevocation | TokenRevocation, Field(discriminator="kind")]


class AuditEntry(BaseModel):
    """Who did what to what, when and from where, and whether it was done."""

    id: int
    at: datetime
    actor_kind: str
    actor_id: int | None
    action: str
    subject: str
    outcome: str
    client_address: str | None
    region: str
    request_id: str | None
    details: dict[str, Any]


class AuditPage(BaseModel):
    """Entries of the audit log, the newest first."""

    entries: list[AuditEntry]
    next_before_id: int | None = Field(description="For the next page, as `before_id`; null with the last.")

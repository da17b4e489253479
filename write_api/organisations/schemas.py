"""The bodies of the organisations' requests and answers."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from service_kit.email_address import Email
from service_kit.fields import Line, RequestBody

MemberRole = Literal["owner", "staff", "scanner"]


class OrganisationBody(RequestBody):
    """A new organisation, or another name of one."""

    name: Line


class Organisation(BaseModel):
    """An organisation as one of its members sees it."""

    id: int
    name: str
    role: MemberRole = Field(description="What you are in it.")
    is_own: bool = Field(description="Whether your events belong to it when you name no organisation.")
    created_at: datetime


class OrganisationList(BaseModel):
    """The organisations that you belong to."""

    organisations: list[Organisation]


class Member(BaseModel):
    """Somebody who belongs to an organisation, as its owners see them."""

    person_id: int
    display_name: str
    email: str
    role: MemberRole
    joined_at: datetime


class MemberList(BaseModel):
    """Everybody who belongs to an organisation, in the order in which they came."""

    members: list[Member]


class MemberChange(RequestBody):
    """What a member becomes."""

    role: MemberRole


class InvitationBody(RequestBody):
    """Whom to invite. Whether somebody has an account with this e-mail is not told."""

    email: Email
    role: MemberRole


class Invitation(BaseModel):
    """An open invitation, as the organisation's owners see it."""

    id: int
    email: str
    role: MemberRole
    created_at: datetime
    expires_at: datetime


class InvitationList(BaseModel):
    """The open invitations of an organisation."""

    invitations: list[Invitation]


class OwnInvitation(BaseModel):
    """An open invitation to you."""

    id: int
    organisation_id: int
    organisation_name: str
    role: MemberRole
    created_at: datetime
    expires_at: datetime


class OwnInvitationList(BaseModel):
    """The open invitations to your e-mail, the newest first."""

    invitations: list[OwnInvitation]

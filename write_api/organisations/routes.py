"""HTTP addresses of organisations, their members, and the invitations to become one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from contracts import problems
from contracts.token_claims import Identity
from mini_auth.permissions import FOUND_ORGANISATIONS, MANAGE_ORGANISATIONS
from service_kit.fields import PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_TOKEN, refusals
from write_api.organisations.schemas import (
    Invitation,
    InvitationBody,
    InvitationList,
    MemberChange,
    MemberList,
    Organisation,
    OrganisationBody,
    OrganisationList,
    OwnInvitationList,
)
from write_api.organisations.service import OrganisationService

router = APIRouter(prefix="/api/v1", tags=["organisations"], route_class=JsonRoute)


async def _service(request: Request) -> OrganisationService:
    service: OrganisationService = request.app.state.organisations
    return service


Service = Annotated[OrganisationService, Depends(_service)]
Person = Annotated[Identity, Depends(MANAGE_ORGANISATIONS)]
Host = Annotated[Identity, Depends(FOUND_ORGANISATIONS)]
_OWNERS = (*WITH_TOKEN, problems.NOT_FOUND)
_KNOWN_NAME = {"model": Organisation, "description": "The one of this name that you have made already."}


@router.post(
    "/organisations",
    status_code=201,
    responses={
        200: _KNOWN_NAME,
        **refusals(*WITH_TOKEN, problems.CONFLICT, *BODY_REQUEST),
    },
)
async def create_organisation(
    body: OrganisationBody, host: Host, service: Service, response: Response
) -> Organisation:
    """Make an organisation, which you own. Of a name that you used before: that organisation, with 200."""
    organisation, is_new = await service.create(host, body)
    if not is_new:
        response.status_code = 200
    return organisation


@router.get("/organisations", responses=refusals(*WITH_TOKEN, *ANY_REQUEST))
async def list_organisations(person: Person, service: Service) -> OrganisationList:
    """The organisations that you belong to, and what you are there."""
    return await service.list_own(person)


@router.put("/organisations/{organisation_id}", responses=refusals(*_OWNERS, *BODY_REQUEST))
async def rename_organisation(
    organisation_id: PathId, body: OrganisationBody, person: Person, service: Service
) -> Organisation:
    """Give an organisation of yours another name."""
    return await service.rename(person, organisation_id, body)


@router.get("/organisations/{organisation_id}/members", responses=refusals(*_OWNERS, *ANY_REQUEST))
async def list_members(organisation_id: PathId, person: Person, service: Service) -> MemberList:
    """Who belongs to an organisation of yours."""
    return await service.members(person, organisation_id)


@router.put(
    "/organisations/{organisation_id}/members/{person_id}",
    responses=refusals(*_OWNERS, problems.CONFLICT, *BODY_REQUEST),
)
async def change_member(
    organisation_id: PathId, person_id: PathId, body: MemberChange, person: Person, service: Service
) -> MemberList:
    """Make a member owner, staff or scanner. One owner stays."""
    return await service.change_member(person, organisation_id, person_id, body)


@router.delete(
    "/organisations/{organisation_id}/members/{person_id}",
    status_code=204,
    responses=refusals(*_OWNERS, problems.CONFLICT, *ANY_REQUEST),
)
async def remove_member(organisation_id: PathId, person_id: PathId, person: Person, service: Service) -> None:
    """Remove a member, or leave. From then on they can't touch the organisation's events."""
    await service.remove_member(person, organisation_id, person_id)


@router.post(
    "/organisations/{organisation_id}/invitations",
    responses=refusals(*_OWNERS, problems.CONFLICT, *BODY_REQUEST),
)
async def invite(
    organisation_id: PathId, body: InvitationBody, person: Person, service: Service
) -> Invitation:
    """Invite somebody by e-mail; again to change the role. Whether they have an account is not told."""
    return await service.invite(person, organisation_id, body)


@router.get("/organisations/{organisation_id}/invitations", responses=refusals(*_OWNERS, *ANY_REQUEST))
async def list_invitations(organisation_id: PathId, person: Person, service: Service) -> InvitationList:
    """Whom an organisation of yours has invited who has not answered yet."""
    return await service.invitations(person, organisation_id)


@router.delete(
    "/organisations/{organisation_id}/invitations/{invitation_id}",
    status_code=204,
    responses=refusals(*_OWNERS, *ANY_REQUEST),
)
async def withdraw_invitation(
    organisation_id: PathId, invitation_id: PathId, person: Person, service: Service
) -> None:
    """Take an invitation back."""
    await service.withdraw(person, organisation_id, invitation_id)


@router.get("/invitations", responses=refusals(*WITH_TOKEN, *ANY_REQUEST))
async def list_own_invitations(person: Person, service: Service) -> OwnInvitationList:
    """Who has invited you, by the confirmed e-mail of your account."""
    return await service.own_invitations(person)


@router.post(
    "/invitations/{invitation_id}/accept",
    responses=refusals(*WITH_TOKEN, problems.NOT_FOUND, problems.CONFLICT, *ANY_REQUEST),
)
async def accept_invitation(invitation_id: PathId, person: Person, service: Service) -> Organisation:
    """Become a member. Your next access token says what you may do then."""
    return await service.accept(person, invitation_id)


@router.delete(
    "/invitations/{invitation_id}",
    status_code=204,
    responses=refusals(*WITH_TOKEN, problems.NOT_FOUND, *ANY_REQUEST),
)
async def decline_invitation(invitation_id: PathId, person: Person, service: Service) -> None:
    """Refuse an invitation."""
    await service.decline(person, invitation_id)

"""HTTP addresses of the administration: for administrators, and refused while rights can't be judged."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from contracts import problems
from contracts.token_claims import Identity
from mini_auth.permissions import ADMINISTER
from service_kit.fields import Instant, PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, refusals
from write_api.administration.schemas import (
    AdministeredPerson,
    AdministeredSessionList,
    AuditPage,
    Deactivation,
    PersonSearch,
    RevocationBody,
    Role,
    Suspension,
)
from write_api.administration.service import AdministrationService
from write_api.audit_log import EntryFilter

MAX_PAGE = 200
MAX_SUBJECT_CHARACTERS = 160

router = APIRouter(prefix="/api/v1/admin", tags=["administration"], route_class=JsonRoute)


async def _service(request: Request) -> AdministrationService:
    service: AdministrationService = request.app.state.administration
    return service


Service = Annotated[AdministrationService, Depends(_service)]
Administrator = Annotated[Identity, Depends(ADMINISTER)]
_ALWAYS = (problems.TOKEN_MISSING, problems.TOKEN_INVALID, problems.FORBIDDEN)
_READ = refusals(*_ALWAYS, problems.NOT_FOUND, *ANY_REQUEST)
_CHANGE = refusals(*_ALWAYS, problems.NOT_FOUND, problems.CONFLICT, *BODY_REQUEST)
_PLAIN_CHANGE = refusals(*_ALWAYS, problems.NOT_FOUND, problems.CONFLICT, *ANY_REQUEST)


@router.post("/people/search", responses=refusals(*_ALWAYS, problems.NOT_FOUND, *BODY_REQUEST))
async def find_person(body: PersonSearch, admin: Administrator, service: Service) -> AdministeredPerson:
    """Find an account by its e-mail."""
    return await service.find(admin, body)


@router.get("/people/{person_id}", responses=_READ)
async def get_person(person_id: PathId, admin: Administrator, service: Service) -> AdministeredPerson:
    """Find an account by its id."""
    return await service.person(admin, person_id)


@router.put("/people/{person_id}/roles/{role}", responses=_PLAIN_CHANGE)
async def grant_role(
    person_id: PathId, role: Role, admin: Administrator, service: Service
) -> AdministeredPerson:
    """Grant a role; admin and superadmin only as a superadmin. In force within two seconds."""
    return await service.grant(admin, person_id, role)


@router.delete("/people/{person_id}/roles/{role}", responses=_PLAIN_CHANGE)
async def withdraw_role(
    person_id: PathId, role: Role, admin: Administrator, service: Service
) -> AdministeredPerson:
    """Withdraw a role; admin and superadmin only as a superadmin. In force within two seconds."""
    return await service.withdraw(admin, person_id, role)


@router.put("/people/{person_id}/suspension", responses=_CHANGE)
async def suspend_person(
    person_id: PathId, body: Suspension, admin: Administrator, service: Service
) -> AdministeredPerson:
    """Suspend somebody: no login, all sessions end, API keys are refused."""
    return await service.suspend(admin, person_id, body)


@router.delete("/people/{person_id}/suspension", responses=_PLAIN_CHANGE)
async def lift_suspension(person_id: PathId, admin: Administrator, service: Service) -> AdministeredPerson:
    """Let somebody log in again."""
    return await service.lift_suspension(admin, person_id)


@router.get("/people/{person_id}/sessions", responses=_READ)
async def list_sessions_of_person(
    person_id: PathId, admin: Administrator, service: Service
) -> AdministeredSessionList:
    """Where somebody is logged in."""
    return await service.sessions(admin, person_id)


@router.delete("/people/{person_id}/sessions", status_code=204, responses=_PLAIN_CHANGE)
async def end_sessions_of_person(person_id: PathId, admin: Administrator, service: Service) -> None:
    """Log somebody out wherever they are logged in."""
    await service.end_sessions(admin, person_id)


@router.post("/revocations", status_code=204, responses=_CHANGE)
async def revoke(body: RevocationBody, admin: Administrator, service: Service) -> None:
    """Revoke a person's access tokens, a session, or one token, in every region within two seconds."""
    await service.revoke(admin, body)


@router.put("/events/{event_id}/deactivation", status_code=204, responses=_CHANGE)
async def deactivate_event(
    event_id: PathId, body: Deactivation, admin: Administrator, service: Service
) -> None:
    """Take an event off sale, until that is lifted."""
    await service.deactivate_event(admin, event_id, body)


@router.delete("/events/{event_id}/deactivation", status_code=204, responses=_PLAIN_CHANGE)
async def allow_event(event_id: PathId, admin: Administrator, service: Service) -> None:
    """Let an event's hosts put it on sale again."""
    await service.allow_event(admin, event_id)


@router.get("/audit-log", responses=refusals(*_ALWAYS, *ANY_REQUEST))
async def read_audit_log(
    admin: Administrator,
    service: Service,
    *,
    person_id: Annotated[PathId | None, Query(description="Who did it, or whom it was done to.")] = None,
    subject: Annotated[str | None, Query(max_length=MAX_SUBJECT_CHARACTERS, pattern=r"^[!-~]+$")] = None,
    action: Annotated[str | None, Query(max_length=60, pattern=r"^[a-z-]+$")] = None,
    since: Instant | None = None,
    until: Instant | None = None,
    before_id: PathId | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> AuditPage:
    """Who did what to what, the newest first. All filters that you give apply."""
    entry_filter = EntryFilter(
        person_id=person_id,
        subject=subject,
        action=action,
        since=since,
        until=until,
        before_id=before_id,
    )
    return await service.read_audit_log(admin, entry_filter, limit=limit)

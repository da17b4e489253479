"""HTTP addresses of personal data: one's own alone."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from contracts import problems
from contracts.token_claims import Identity
from mini_auth.permissions import MANAGE_ACCOUNT
from service_kit.client_address import client_address
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_TOKEN, refusals
from write_api.personal_data.schemas import Erase, Export
from write_api.personal_data.service import PersonalDataService

router = APIRouter(prefix="/api/v1/me", tags=["personal data"], route_class=JsonRoute)


async def _service(request: Request) -> PersonalDataService:
    service: PersonalDataService = request.app.state.personal_data
    return service


Service = Annotated[PersonalDataService, Depends(_service)]
Person = Annotated[Identity, Depends(MANAGE_ACCOUNT)]
_ERASE = (
    problems.CREDENTIALS_WRONG,
    problems.TOO_MANY_REQUESTS,
    problems.ACCOUNT_NEEDED,
    *WITH_TOKEN,
    *BODY_REQUEST,
)


@router.get("/export", responses=refusals(*WITH_TOKEN, problems.TOO_MANY_REQUESTS, *ANY_REQUEST))
async def export_personal_data(person: Person, service: Service, response: Response) -> Export:
    """All that is kept about you, in one document."""
    response.headers["Cache-Control"] = "no-store"
    return await service.export(person)


@router.delete("", status_code=204, responses=refusals(*_ERASE))
async def erase_person(request: Request, body: Erase, person: Person, service: Service) -> None:
    """Erase your account for good: name, e-mail, phone, password and sessions. Repeating it is harmless.

    Bookings and amounts stay in the books, with a number in place of your name. Refused while you have
    bookings of events to come, or an organisation has active ones, or other members, and no other owner.
    """
    await service.erase(person, body, address=client_address(request))

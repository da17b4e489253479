"""HTTP addresses of API keys. A person manages them with an access token: no key makes or revokes another."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from contracts import problems
from contracts.token_claims import Identity
from mini_auth.permissions import MANAGE_API_KEYS
from service_kit.fields import PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_TOKEN, refusals
from write_api.api_keys.schemas import ApiKeyCreate, ApiKeyList, NewApiKey
from write_api.api_keys.service import ApiKeyService

router = APIRouter(prefix="/api/v1/api-keys", tags=["API keys"], route_class=JsonRoute)


async def _service(request: Request) -> ApiKeyService:
    service: ApiKeyService = request.app.state.api_keys
    return service


Service = Annotated[ApiKeyService, Depends(_service)]
Person = Annotated[Identity, Depends(MANAGE_API_KEYS)]


@router.post("", status_code=201, responses=refusals(*WITH_TOKEN, problems.CONFLICT, *BODY_REQUEST))
async def create_api_key(
    body: ApiKeyCreate, person: Person, service: Service, response: Response
) -> NewApiKey:
    """Make a key. The answer shows it once; it is good in every region within two seconds."""
    response.headers["Cache-Control"] = "no-store"
    return await service.create(person, body)


@router.get("", responses=refusals(*WITH_TOKEN, *ANY_REQUEST))
async def list_api_keys(person: Person, service: Service) -> ApiKeyList:
    """Your keys."""
    return await service.list_own(person.person_id)


@router.delete(
    "/{api_key_id}", status_code=204, responses=refusals(*WITH_TOKEN, problems.NOT_FOUND, *ANY_REQUEST)
)
async def revoke_api_key(api_key_id: PathId, person: Person, service: Service) -> None:
    """Revoke a key: it is refused in every region within two seconds."""
    await service.revoke(person, api_key_id)

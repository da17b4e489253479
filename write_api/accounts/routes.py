"""HTTP addresses of accounts."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from contracts import problems
from mini_auth.permissions import PUBLIC
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import BODY_REQUEST, refusals
from write_api.accounts.schemas import Person, SignUp
from write_api.accounts.service import AccountService

router = APIRouter(prefix="/api/v1", tags=["accounts"], route_class=JsonRoute)


def _service(request: Request) -> AccountService:
    service: AccountService = request.app.state.accounts
    return service


Service = Annotated[AccountService, Depends(_service)]


@router.post(
    "/accounts",
    status_code=201,
    dependencies=[Depends(PUBLIC)],
    responses=refusals(problems.EMAIL_TAKEN, *BODY_REQUEST),
)
async def sign_up(body: SignUp, service: Service) -> Person:
    """Sign up. The e-mail is compared without regard to case."""
    return await service.sign_up(body)

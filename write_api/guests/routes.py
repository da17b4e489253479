"""HTTP addresses of guests. The answer holds what reaches the guest's bookings, so it is never cached."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from contracts import problems
from mini_auth.permissions import PUBLIC
from service_kit.client_address import client_address
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import BODY_REQUEST, refusals
from write_api.guests.schemas import Guest, GuestCreate
from write_api.guests.service import GuestService

router = APIRouter(prefix="/api/v1", tags=["guests"], route_class=JsonRoute)


async def _service(request: Request) -> GuestService:
    service: GuestService = request.app.state.guests
    return service


Service = Annotated[GuestService, Depends(_service)]


@router.post(
    "/guests",
    status_code=201,
    dependencies=[Depends(PUBLIC)],
    responses=refusals(problems.TOO_MANY_REQUESTS, *BODY_REQUEST),
)
async def register_guest(request: Request, body: GuestCreate, service: Service, response: Response) -> Guest:
    """Book without an account: the answer's `link`, sent as `X-Guest-Link`, makes and reaches bookings."""
    response.headers["Cache-Control"] = "no-store"
    return await service.register(body, address=client_address(request))

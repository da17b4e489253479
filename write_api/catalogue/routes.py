"""HTTP addresses of the catalogue's writes; reads of events are the regions' business (read_api).

The one read here is for what a region's reader does not have yet.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from contracts import problems
from contracts.event import Event, TicketType
from contracts.token_claims import Identity
from mini_auth.permissions import BROWSE_EVENTS, HOST_EVENTS
from service_kit.consistency import brought_position
from service_kit.fields import PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import BODY_REQUEST, WITH_TOKEN_OR_KEY, refusals
from write_api.catalogue.schemas import (
    BulkAnswer,
    EventBulk,
    EventCreate,
    EventUpdate,
    TicketTypeBody,
    TicketTypeUpdate,
)
from write_api.catalogue.service import CatalogueService
from write_api.catalogue.ticket_types import TicketTypeService
from write_api.idempotency import IdempotencyKey

BULK_PATH = "/api/v1/events/bulk"

router = APIRouter(prefix="/api/v1/events", tags=["events"], route_class=JsonRoute)


async def _service(request: Request) -> CatalogueService:
    service: CatalogueService = request.app.state.catalogue
    return service


async def _ticket_types(request: Request) -> TicketTypeService:
    service: TicketTypeService = request.app.state.ticket_types
    return service


Service = Annotated[CatalogueService, Depends(_service)]
TicketTypes = Annotated[TicketTypeService, Depends(_ticket_types)]
Viewer = Annotated[Identity | None, Depends(BROWSE_EVENTS)]
Host = Annotated[Identity, Depends(HOST_EVENTS)]
_KNOWN_REFERENCE = {"model": Event, "description": "The event that has this `import_reference` already."}
_REFUSALS = (*WITH_TOKEN_OR_KEY, *BODY_REQUEST)
_CREATE = (problems.CONFLICT, problems.IDEMPOTENCY_KEY_REUSED, *_REFUSALS)
_OF_AN_EVENT = (problems.NOT_FOUND, problems.CONFLICT, *_REFUSALS)


@router.post("", status_code=201, responses={200: _KNOWN_REFERENCE, **refusals(*_CREATE)})
async def create_event(
    body: EventCreate,
    host: Host,
    service: Service,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Event:
    """Make an event and its seats. With an `import_reference` that you used before: that event, with 200.

    Repeated with the same `Idempotency-Key` within 24 hours, it makes nothing more and answers the same.
    """
    event, is_new = await service.create(host, body, idempotency_key=idempotency_key)
    if not is_new:
        response.status_code = 200
    return event


@router.post("/bulk", responses=refusals(*_REFUSALS))
async def create_events(body: EventBulk, host: Host, service: Service) -> BulkAnswer:
    """Make up to 200 events; one that is wrong is refused alone."""
    return BulkAnswer(results=await service.create_bulk(host, body))


@router.get("/{event_id}", include_in_schema=False, dependencies=[Depends(brought_position)])
async def get_event(event_id: PathId, viewer: Viewer, service: Service) -> Event:
    """The event page."""
    return await service.page(event_id, viewer_id=viewer.person_id if viewer else None)


@router.put("/{event_id}", responses=refusals(*_OF_AN_EVENT))
async def update_event(event_id: PathId, body: EventUpdate, host: Host, service: Service) -> Event:
    """Change what the body names of an event of yours. A cancelled event stays cancelled."""
    return await service.update(host, event_id, body)


@router.post(
    "/{event_id}/ticket-types",
    status_code=201,
    responses=refusals(problems.IDEMPOTENCY_KEY_REUSED, *_OF_AN_EVENT),
)
async def add_ticket_type(
    event_id: PathId,
    body: TicketTypeBody,
    host: Host,
    ticket_types: TicketTypes,
    idempotency_key: IdempotencyKey = None,
) -> TicketType:
    """One more ticket type of an event of yours, with its seats; the name must be new.

    Repeated with the same `Idempotency-Key` within 24 hours, it makes nothing more and answers the same.
    """
    return await ticket_types.add(host, event_id, body, idempotency_key=idempotency_key)


@router.put("/{event_id}/ticket-types/{ticket_type_id}", responses=refusals(*_OF_AN_EVENT))
async def update_ticket_type(
    event_id: PathId, ticket_type_id: PathId, body: TicketTypeUpdate, host: Host, ticket_types: TicketTypes
) -> TicketType:
    """Change what the body names of a ticket type: also how many seats it has, up and down.

    409 where more are held or sold (`seats_taken`), or the event would have more than 100,000 in all
    (`seats_at_most`). More seats are on sale at once.
    """
    return await ticket_types.change(host, event_id, ticket_type_id, body)

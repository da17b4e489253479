"""HTTP for event pages."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from contracts import problems
from contracts.event import Event
from contracts.token_claims import Identity
from mini_auth.permissions import BROWSE_EVENTS
from read_api.consistency import reader_has_caught_up
from read_api.events.service import EventService
from service_kit.fields import PathId
from service_kit.openapi import ANY_REQUEST, WITH_ANYTHING, refusals

router = APIRouter(
    prefix="/api/v1/events",
    tags=["events"],
    dependencies=[Depends(BROWSE_EVENTS), Depends(reader_has_caught_up)],
)
Viewer = Annotated[Identity | None, Depends(BROWSE_EVENTS)]


_REFUSALS = (problems.NOT_FOUND, *WITH_ANYTHING, *ANY_REQUEST)


@router.get("/{event_id}", responses=refusals(*_REFUSALS))
async def get_event(request: Request, event_id: PathId, viewer: Viewer) -> Event:
    """An event with its venue, ticket types and seats left. Inactive events are seen by their host alone."""
    service: EventService = request.app.state.events
    return await service.event(event_id, viewer_id=viewer.person_id if viewer else None)

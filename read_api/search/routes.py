"""HTTP for searches: by body, and by query string."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request

from contracts.token_claims import Identity
from mini_auth.permissions import BROWSE_EVENTS
from read_api.consistency import index_has_caught_up
from read_api.languages import accepted_languages
from read_api.search.query import Search
from read_api.search.schemas import ArtistQuery, Criteria, EventsQuery, SearchAnswer
from read_api.search.service import SearchService
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_ANYTHING, refusals

router = APIRouter(
    prefix="/api/v1",
    tags=["search"],
    dependencies=[Depends(BROWSE_EVENTS), Depends(index_has_caught_up)],
    route_class=JsonRoute,
)
Viewer = Annotated[Identity | None, Depends(BROWSE_EVENTS)]
AcceptLanguage = Annotated[
    str | None, Header(description="The languages whose word endings are seen through; English without any.")
]
_REFUSALS = (*WITH_ANYTHING, *ANY_REQUEST)


@router.post("/search/events", responses=refusals(*WITH_ANYTHING, *BODY_REQUEST))
async def search_events(
    request: Request, criteria: Criteria, viewer: Viewer, accept_language: AcceptLanguage = None
) -> SearchAnswer:
    """Events that meet all criteria given. Typos are seen through where the words as typed find little."""
    given = {name: getattr(criteria, name) for name in type(criteria).model_fields}
    search = Search(**{**given, "languages": tuple(criteria.languages)})
    return await _answer(request, search, viewer, accept_language)


@router.get("/events", responses=refusals(*_REFUSALS))
async def list_events(
    request: Request,
    query: Annotated[EventsQuery, Query()],
    viewer: Viewer,
    accept_language: AcceptLanguage = None,
) -> SearchAnswer:
    """The same search by query string."""
    search = Search(
        text=query.search,
        location=query.location,
        category=query.category,
        start_from=query.start_from,
        start_to=query.start_to,
        sort=query.sort,
        page=query.page,
        page_size=query.page_size,
    )
    return await _answer(request, search, viewer, accept_language)


@router.get("/search", responses=refusals(*_REFUSALS))
async def search_artists(
    request: Request,
    query: Annotated[ArtistQuery, Query()],
    viewer: Viewer,
    accept_language: AcceptLanguage = None,
) -> SearchAnswer:
    """Who appears where and when."""
    instant = query.dateTime if isinstance(query.dateTime, datetime) else None
    search = Search(
        artist=query.artist,
        location=query.location,
        start_from=instant,
        start_to=instant + timedelta(hours=24) if instant else None,
        local_day=None if instant else query.dateTime,
        page=query.page,
        page_size=query.page_size,
    )
    return await _answer(request, search, viewer, accept_language)


async def _answer(
    request: Request, search: Search, viewer: Identity | None, accept_language: str | None
) -> SearchAnswer:
    service: SearchService = request.app.state.search
    return await service.search(
        search,
        viewer_id=viewer.person_id if viewer else None,
        languages=accepted_languages(accept_language),
    )

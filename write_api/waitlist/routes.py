"""HTTP addresses of the waitlist. The person always comes from the token, never from the body.

Each region answers reads by itself (read_api); those here are for what its reader does not have yet.
"""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Query, Request, Response

from contracts import problems
from contracts.booking import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from contracts.token_claims import Identity
from contracts.waitlist import WaitlistEntry, WaitlistPage
from mini_auth.permissions import BOOK, READ_BOOKINGS
from service_kit.client_address import client_address
from service_kit.consistency import brought_position
from service_kit.fields import PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_TOKEN_OR_KEY, refusals
from write_api.waitlist.schemas import WaitlistJoin
from write_api.waitlist.service import WaitlistService

router = APIRouter(prefix="/api/v1/waitlist", tags=["waitlist"], route_class=JsonRoute)


class CountTry(Protocol):
    """How often somebody may ask for seats, be it to book them or to wait for them."""

    def __call__(self, *, person_id: int, address: str) -> None:
        """Counts one try. Raises Problem TOO_MANY_REQUESTS."""
        ...


async def _service(request: Request) -> WaitlistService:
    service: WaitlistService = request.app.state.waitlist
    return service


async def _count_try(request: Request) -> CountTry:
    count_try: CountTry = request.app.state.count_try_for_seats
    return count_try


Service = Annotated[WaitlistService, Depends(_service)]
Tries = Annotated[CountTry, Depends(_count_try)]
Person = Annotated[Identity, Depends(BOOK)]
Reader = Annotated[Identity, Depends(READ_BOOKINGS)]
_FORWARDED = [Depends(brought_position)]  # so that it is checked against what the answer knows
_JOIN = (
    problems.NOT_FOUND,
    problems.SEATS_ARE_FREE,
    problems.EVENT_NOT_BOOKABLE,
    problems.PER_PERSON_LIMIT,
    problems.WAITLIST_FULL,
    problems.CONFLICT,
    problems.TOO_MANY_REQUESTS,
    *WITH_TOKEN_OR_KEY,
    *BODY_REQUEST,
)
_LEAVE = (problems.NOT_FOUND, problems.BOOKING_STATE, *WITH_TOKEN_OR_KEY, *ANY_REQUEST)


@router.post("", status_code=201, responses={200: {"model": WaitlistEntry}, **refusals(*_JOIN)})
async def join_waitlist(
    request: Request,
    body: WaitlistJoin,
    *,
    person: Person,
    count_try: Tries,
    service: Service,
    response: Response,
) -> WaitlistEntry:
    """Wait for seats that can't be booked now; when some come free, they are held for you and you get a mail.

    Repeated, it answers the entry that you have, with 200.
    """
    count_try(person_id=person.person_id, address=client_address(request))
    entry, is_new = await service.join(person.person_id, body)
    if not is_new:
        response.status_code = 200
    return entry


@router.get("", include_in_schema=False, dependencies=_FORWARDED)
async def list_waitlist(
    person: Reader,
    service: Service,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE,
    before: PathId | None = None,
) -> WaitlistPage:
    """What you wait for, newest first."""
    return await service.list_own(person.person_id, before=before, page_size=page_size)


@router.get("/{entry_id}", include_in_schema=False, dependencies=_FORWARDED)
async def get_waitlist_entry(entry_id: PathId, person: Reader, service: Service) -> WaitlistEntry:
    """One entry of yours."""
    return await service.get(person.person_id, entry_id)


@router.delete("/{entry_id}", responses=refusals(*_LEAVE))
async def leave_waitlist(entry_id: PathId, person: Person, service: Service) -> WaitlistEntry:
    """Wait no longer, or decline the offer: the seats go to the next. Repeating it is harmless."""
    return await service.leave(person.person_id, entry_id)

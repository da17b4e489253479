"""HTTP for a person's own bookings. The person always comes from the token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from contracts import problems
from contracts.booking import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Booking, BookingPage
from contracts.token_claims import Identity
from mini_auth.permissions import READ_BOOKINGS
from read_api.consistency import reader_has_caught_up
from read_api.own_records import OwnRecords
from service_kit.fields import PathId
from service_kit.openapi import ANY_REQUEST, WITH_TOKEN_OR_KEY, refusals

router = APIRouter(
    prefix="/api/v1/bookings",
    tags=["bookings"],
    dependencies=[Depends(READ_BOOKINGS), Depends(reader_has_caught_up)],
)


async def _records(request: Request) -> OwnRecords[Booking, BookingPage]:
    records: OwnRecords[Booking, BookingPage] = request.app.state.bookings
    return records


Records = Annotated[OwnRecords[Booking, BookingPage], Depends(_records)]
Person = Annotated[Identity, Depends(READ_BOOKINGS)]
_REFUSALS = (*WITH_TOKEN_OR_KEY, *ANY_REQUEST)


@router.get("", responses=refusals(*_REFUSALS))
async def list_bookings(
    person: Person,
    records: Records,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE,
    before: Annotated[PathId | None, Query(description="`next_before` of the page before.")] = None,
) -> BookingPage:
    """Your bookings, newest first."""
    return await records.page(person.person_id, before=before, page_size=page_size)


@router.get("/{booking_id}", responses=refusals(problems.NOT_FOUND, *_REFUSALS))
async def get_booking(booking_id: PathId, person: Person, records: Records) -> Booking:
    """One booking of yours."""
    return await records.one(person.person_id, booking_id)

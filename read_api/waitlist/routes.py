"""HTTP for what a person waits for. The person always comes from the token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from contracts import problems
from contracts.booking import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE
from contracts.token_claims import Identity
from contracts.waitlist import WaitlistEntry, WaitlistPage
from mini_auth.permissions import READ_BOOKINGS
from read_api.consistency import reader_has_caught_up
from read_api.own_records import OwnRecords
from service_kit.fields import PathId
from service_kit.openapi import ANY_REQUEST, WITH_TOKEN_OR_KEY, refusals

router = APIRouter(
    prefix="/api/v1/waitlist",
    tags=["waitlist"],
    dependencies=[Depends(READ_BOOKINGS), Depends(reader_has_caught_up)],
)


async def _records(request: Request) -> OwnRecords[WaitlistEntry, WaitlistPage]:
    records: OwnRecords[WaitlistEntry, WaitlistPage] = request.app.state.waitlist
    return records


Records = Annotated[OwnRecords[WaitlistEntry, WaitlistPage], Depends(_records)]
Person = Annotated[Identity, Depends(READ_BOOKINGS)]
_REFUSALS = (*WITH_TOKEN_OR_KEY, *ANY_REQUEST)


@router.get("", responses=refusals(*_REFUSALS))
async def list_waitlist(
    person: Person,
    records: Records,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE,
    before: Annotated[PathId | None, Query(description="`next_before` of the page before.")] = None,
) -> WaitlistPage:
    """What you wait for, newest first: your place in line, or the offer and its deadline."""
    return await records.page(person.person_id, before=before, page_size=page_size)


@router.get("/{entry_id}", responses=refusals(problems.NOT_FOUND, *_REFUSALS))
async def get_waitlist_entry(entry_id: PathId, person: Person, records: Records) -> WaitlistEntry:
    """One entry of yours."""
    return await records.one(person.person_id, entry_id)

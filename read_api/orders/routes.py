"""HTTP for a person's own orders. The person always comes from the token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from contracts import problems
from contracts.order import DEFAULT_ORDER_PAGE_SIZE, MAX_ORDER_PAGE_SIZE, Order, OrderPage
from contracts.token_claims import Identity
from mini_auth.permissions import READ_BOOKINGS
from read_api.consistency import reader_has_caught_up
from read_api.own_records import OwnRecords
from service_kit.fields import PathId
from service_kit.openapi import ANY_REQUEST, WITH_TOKEN_OR_KEY, refusals

router = APIRouter(
    prefix="/api/v1/orders",
    tags=["orders"],
    dependencies=[Depends(READ_BOOKINGS), Depends(reader_has_caught_up)],
)


async def _records(request: Request) -> OwnRecords[Order, OrderPage]:
    records: OwnRecords[Order, OrderPage] = request.app.state.orders
    return records


Records = Annotated[OwnRecords[Order, OrderPage], Depends(_records)]
Person = Annotated[Identity, Depends(READ_BOOKINGS)]
_REFUSALS = (*WITH_TOKEN_OR_KEY, *ANY_REQUEST)


@router.get("", responses=refusals(*_REFUSALS))
async def list_orders(
    person: Person,
    records: Records,
    page_size: Annotated[int, Query(ge=1, le=MAX_ORDER_PAGE_SIZE)] = DEFAULT_ORDER_PAGE_SIZE,
    before: Annotated[PathId | None, Query(description="`next_before` of the page before.")] = None,
) -> OrderPage:
    """Your orders, newest first."""
    return await records.page(person.person_id, before=before, page_size=page_size)


@router.get("/{order_id}", responses=refusals(problems.NOT_FOUND, *_REFUSALS))
async def get_order(order_id: PathId, person: Person, records: Records) -> Order:
    """One order of yours."""
    return await records.one(person.person_id, order_id)

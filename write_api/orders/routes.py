"""HTTP addresses of orders. The person always comes from the token, never from the body.

Each region answers reads by itself (read_api); those here are for what its reader does not have yet.
"""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Query, Request

from contracts import problems
from contracts.order import DEFAULT_ORDER_PAGE_SIZE, MAX_ORDER_PAGE_SIZE, Order, OrderPage
from contracts.token_claims import Identity
from mini_auth.permissions import BOOK, READ_BOOKINGS
from service_kit.client_address import client_address
from service_kit.consistency import brought_position
from service_kit.fields import PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_TOKEN_OR_KEY, refusals
from write_api.idempotency import IdempotencyKey
from write_api.orders.schemas import OrderCreate
from write_api.orders.service import OrderService

router = APIRouter(prefix="/api/v1/orders", tags=["orders"], route_class=JsonRoute)


class Limits(Protocol):
    """The bookings' limits: an order counts as a try of each of its items."""

    def count_try(self, *, person_id: int, address: str, tries: int = 1) -> None:
        """Raises Problem TOO_MANY_REQUESTS."""
        ...


async def _service(request: Request) -> OrderService:
    service: OrderService = request.app.state.orders
    return service


async def _limits(request: Request) -> Limits:
    limits: Limits = request.app.state.booking_limits
    return limits


Service = Annotated[OrderService, Depends(_service)]
Person = Annotated[Identity, Depends(BOOK)]
Reader = Annotated[Identity, Depends(READ_BOOKINGS)]
_FORWARDED = [Depends(brought_position)]  # so that it is checked against what the answer knows
_ONE_ORDER = (*WITH_TOKEN_OR_KEY, problems.NOT_FOUND, problems.BOOKING_STATE, *ANY_REQUEST)
_PLACE = (
    problems.NOT_FOUND,
    problems.CONFLICT,
    problems.EVENT_NOT_BOOKABLE,
    problems.NOT_ENOUGH_SEATS,
    problems.PER_PERSON_LIMIT,
    problems.IDEMPOTENCY_KEY_REUSED,
    problems.TOO_MANY_REQUESTS,
    *WITH_TOKEN_OR_KEY,
    *BODY_REQUEST,
)


@router.post("", status_code=201, responses=refusals(*_PLACE))
async def place_order(
    request: Request,
    body: OrderCreate,
    *,
    person: Person,
    limits: Annotated[Limits, Depends(_limits)],
    service: Service,
    idempotency_key: IdempotencyKey = None,
) -> Order:
    """Hold seats of several events and ticket types, all of them or none; confirm before `hold_expires_at`.

    A refusal names the first item that it is for by `item`, its index, and all of them in `refused_items`.
    Repeated with the same `Idempotency-Key` within 24 hours, it books nothing more and answers the same.
    """
    limits.count_try(person_id=person.person_id, address=client_address(request), tries=len(body.items))
    return await service.place(person.person_id, body, idempotency_key=idempotency_key)


@router.get("", include_in_schema=False, dependencies=_FORWARDED)
async def list_orders(
    person: Reader,
    service: Service,
    page_size: Annotated[int, Query(ge=1, le=MAX_ORDER_PAGE_SIZE)] = DEFAULT_ORDER_PAGE_SIZE,
    before: PathId | None = None,
) -> OrderPage:
    """Your orders, newest first."""
    return await service.list_own(person.person_id, before=before, page_size=page_size)


@router.get("/{order_id}", include_in_schema=False, dependencies=_FORWARDED)
async def get_order(order_id: PathId, person: Reader, service: Service) -> Order:
    """One order of yours."""
    return await service.get(person.person_id, order_id)


@router.put("/{order_id}/confirm", responses=refusals(problems.EVENT_NOT_BOOKABLE, *_ONE_ORDER))
async def confirm_order(order_id: PathId, person: Person, service: Service) -> Order:
    """Make all of its holds final, or none. Repeating it is harmless."""
    return await service.confirm(person.person_id, order_id)


@router.put("/{order_id}/cancel", responses=refusals(problems.REFUSED_BY_POLICY, *_ONE_ORDER))
async def cancel_order(order_id: PathId, person: Person, service: Service) -> Order:
    """Give all of its seats back, as each booking's policy allows, or none. Repeating it is harmless."""
    return await service.cancel(person.person_id, order_id)

"""HTTP addresses of bookings. The person always comes from the token, never from the body.

Each region answers reads by itself (read_api); those here are for what its reader does not have yet.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from contracts import problems
from contracts.booking import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, Booking, BookingPage
from contracts.token_claims import Identity
from mini_auth.permissions import BOOK, READ_BOOKINGS
from service_kit.client_address import client_address
from service_kit.consistency import brought_position
from service_kit.fields import PathId
from service_kit.json_bodies import JsonRoute
from service_kit.openapi import ANY_REQUEST, BODY_REQUEST, WITH_TOKEN_OR_KEY, refusals
from write_api.bookings.batches import BookingQueues
from write_api.bookings.limits import BookingLimits
from write_api.bookings.queued_cancels import QueuedCancels
from write_api.bookings.schemas import AttendeesBody, BookingCreate
from write_api.bookings.service import BookingService
from write_api.idempotency import IdempotencyKey

router = APIRouter(prefix="/api/v1/bookings", tags=["bookings"], route_class=JsonRoute)


async def _service(request: Request) -> BookingService:
    service: BookingService = request.app.state.bookings
    return service


async def _queues(request: Request) -> BookingQueues:
    queues: BookingQueues = request.app.state.booking_queues
    return queues


async def _cancels(request: Request) -> QueuedCancels:
    cancels: QueuedCancels = request.app.state.cancels
    return cancels


async def _limits(request: Request) -> BookingLimits:
    limits: BookingLimits = request.app.state.booking_limits
    return limits


Service = Annotated[BookingService, Depends(_service)]
Queues = Annotated[BookingQueues, Depends(_queues)]
Cancels = Annotated[QueuedCancels, Depends(_cancels)]
Limits = Annotated[BookingLimits, Depends(_limits)]
Person = Annotated[Identity, Depends(BOOK)]
Reader = Annotated[Identity, Depends(READ_BOOKINGS)]
_FORWARDED = [Depends(brought_position)]  # so that it is checked against what the answer knows
_ONE_BOOKING = (*WITH_TOKEN_OR_KEY, problems.NOT_FOUND, *ANY_REQUEST)
_CREATE = (
    problems.NOT_FOUND,
    problems.EVENT_NOT_BOOKABLE,
    problems.NOT_ENOUGH_SEATS,
    problems.PER_PERSON_LIMIT,
    problems.IDEMPOTENCY_KEY_REUSED,
    problems.TOO_MANY_REQUESTS,
    *WITH_TOKEN_OR_KEY,
    *BODY_REQUEST,
)


@router.post("", status_code=201, responses=refusals(*_CREATE))
async def create_booking(
    request: Request,
    body: BookingCreate,
    *,
    person: Person,
    limits: Limits,
    queues: Queues,
    idempotency_key: IdempotencyKey = None,
) -> Booking:
    """Hold seats of an active event; confirm before `hold_expires_at`.

    Repeated with the same `Idempotency-Key` within 24 hours, it books nothing more and answers the same.
    """
    limits.count_try(person_id=person.person_id, address=client_address(request))
    return await queues.create(person.person_id, body, idempotency_key=idempotency_key)


@router.get("", include_in_schema=False, dependencies=_FORWARDED)
async def list_bookings(
    person: Reader,
    service: Service,
    page_size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = DEFAULT_PAGE_SIZE,
    before: PathId | None = None,
) -> BookingPage:
    """Your bookings, newest first."""
    return await service.list_own(person.person_id, before=before, page_size=page_size)


@router.get("/{booking_id}", include_in_schema=False, dependencies=_FORWARDED)
async def get_booking(booking_id: PathId, person: Reader, service: Service) -> Booking:
    """One booking of yours."""
    return await service.get(person.person_id, booking_id)


@router.put(
    "/{booking_id}/attendees",
    responses=refusals(
        problems.BOOKING_STATE,
        problems.EVENT_NOT_BOOKABLE,
        problems.REFUSED_BY_POLICY,
        *_ONE_BOOKING,
        *BODY_REQUEST,
    ),
)
async def change_attendees(
    booking_id: PathId, body: AttendeesBody, person: Person, service: Service
) -> Booking:
    """Say who comes, in place of all who were named, before the event starts, if the policy lets you.

    Repeating it is harmless.
    """
    return await service.change_attendees(person.person_id, booking_id, body)


@router.put("/{booking_id}/confirm", responses=refusals(problems.BOOKING_STATE, *_ONE_BOOKING))
async def confirm_booking(booking_id: PathId, person: Person, service: Service) -> Booking:
    """Make a hold final. Repeating it is harmless."""
    return await service.confirm(person.person_id, booking_id)


@router.put(
    "/{booking_id}/cancel",
    responses=refusals(problems.BOOKING_STATE, problems.REFUSED_BY_POLICY, *_ONE_BOOKING),
)
async def cancel_booking(booking_id: PathId, person: Person, cancels: Cancels) -> Booking:
    """Give the seats back, before the event starts, if the policy lets you. Repeating it is harmless.

    `refund_minor` of the answer is what comes back of the price.
    """
    return await cancels.cancel(person.person_id, booking_id)

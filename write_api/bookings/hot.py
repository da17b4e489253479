"""`POST /api/v1/bookings` for the peak: the same decisions as the plain route's, without what FastAPI costs.

It takes what is well formed and from somebody who may book; all else is the plain route's (`routes.py`). From
the moment it has counted the try it answers by itself, refusals too.
"""

import re
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from fastapi import FastAPI, Request

from contracts.booking import MAX_SEATS_PER_BOOKING
from contracts.token_claims import Identity
from mini_auth.permissions import permission_of
from service_kit.client_address import ADDRESS_HEADER, address_of
from service_kit.fields import MAX_ID
from service_kit.hot_route import HotAnswer, HotRequest, HotRoute, answer_of, raw_headers
from service_kit.problem_responses import Problem, error_response, problem_response
from service_kit.rate_limit_headers import raw_headers_of
from service_kit.whole_answers import RawHeaders
from write_api.answer_gate import ConfirmedAnswers
from write_api.bookings.batches import BookingQueues
from write_api.bookings.grants import Wish
from write_api.bookings.limits import BookingLimits
from write_api.idempotency import MAX_IDEMPOTENCY_KEY_LENGTH

METHOD_AND_PATH: Final = ("POST", "/api/v1/bookings")
_ADDRESS_HEADER = ADDRESS_HEADER.encode()
_IDEMPOTENCY_KEY = re.compile(rb"[!-~]{1,%d}" % MAX_IDEMPOTENCY_KEY_LENGTH)
_JSON_HEADER = (b"content-type", b"application/json")

_Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]


class _Body(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """`schemas.BookingCreate`."""

    event_id: _Id
    quantity: Annotated[int, msgspec.Meta(ge=1, le=MAX_SEATS_PER_BOOKING)]
    ticket_type_id: _Id | msgspec.UnsetType | None = msgspec.UNSET


_DECODER = msgspec.json.Decoder(_Body)
_ENCODER = msgspec.json.Encoder()


class HotBooking(HotRoute):
    """Serves the common case. `may_write` tells whether this process is the writer's.

    Raises UndeclaredRouteError where the application has no plain route that it stands for.
    """

    def __init__(self, app: FastAPI, *, may_write: Callable[[], bool], confirmed: ConfirmedAnswers) -> None:
        self._app = app
        self._permission = permission_of(app, *METHOD_AND_PATH)
        self._may_write = may_write
        self._confirmed = confirmed

    async def serve(self, request: HotRequest) -> HotAnswer | None:
        """Books, or says why not; None for the plain route, before anything was counted."""
        body, key = _decoded(request.body), request.headers.get(b"idempotency-key")
        is_common = body is not None and (key is None or _IDEMPOTENCY_KEY.fullmatch(key))
        person = await self._person(request) if is_common and self._may_write() else None
        if body is None or person is None:
            return None
        wish = Wish(
            person.person_id,
            body.quantity,
            None if body.ticket_type_id is msgspec.UNSET else body.ticket_type_id,
            None if key is None else key.decode("ascii"),
        )
        told: RawHeaders = ()
        try:
            limits: BookingLimits = self._app.state.booking_limits
            judged = limits.judge_try(person_id=wish.person_id, address=_client_address(request))
            told = raw_headers_of(judged.told)
            if judged.problem is not None:
                raise judged.problem
            queues: BookingQueues = self._app.state.booking_queues
            served = await queues.ask(body.event_id, wish)
        except Exception as error:  # noqa: BLE001 - the application has an answer to each
            return await self._failed(request, error, told)
        if isinstance(served.outcome, Problem):
            refusal = served.encoded or answer_of(problem_response(served.outcome))
            headers = (*refusal.headers, *told, *served.confirmed)
            return HotAnswer(refusal.status, headers, refusal.body)
        encoded = _ENCODER.encode(served.outcome)
        length = (b"content-length", b"%d" % len(encoded))
        return HotAnswer(201, (length, _JSON_HEADER, *told, *served.confirmed), encoded)

    async def _person(self, request: HotRequest) -> Identity | None:
        """Who asks and may; None for whom the plain route refuses, or fails to judge."""
        try:
            return await self._permission.judge(self._app.state.callers, request)
        except Exception:  # noqa: BLE001
            return None

    async def _failed(self, request: HotRequest, error: Exception, told: RawHeaders) -> HotAnswer:
        """What the application answers to an error that no batch has confirmed."""
        response = await error_response(self._app, Request(request.scope), error)
        try:
            is_told = response.status_code < 500
            confirmed = await self._confirmed.headers({}) if is_told else self._confirmed.unconfirmed
        except Problem as problem:
            return answer_of(problem_response(problem), *told, *raw_headers(self._confirmed.unconfirmed))
        return answer_of(response, *told, *raw_headers(confirmed))


def _decoded(body: bytes) -> _Body | None:
    """What the body says, if it is well formed: then it has no text, and so one colon a member."""
    try:
        decoded = _DECODER.decode(body)
    except msgspec.DecodeError:
        return None
    members = 2 if decoded.ticket_type_id is msgspec.UNSET else 3
    return decoded if body.count(b":") == members else None  # else one is there twice


def _client_address(request: HotRequest) -> str:
    told = request.headers.get(_ADDRESS_HEADER)
    return address_of(None if told is None else told.decode("latin-1"), request.scope)

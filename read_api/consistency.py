"""Reads that bring a consistency token are never answered from before it; each answer tells its own position.

A read from the reader waits up to 200 ms for it, and is then passed on to the primary: the answer here is a
307 that the gateway follows by itself (regions/gateway/routes.py), so people never see it. A search waits up
to 2 s, for the index says how far it is with each heartbeat, every 500 ms; no other index would be newer, so
it is then refused.

The position of an answer is read after what it tells. So whoever has reached that position has everything
that the answer told, and a session that brings the last token it got never goes back, in any region.
"""

from collections.abc import Mapping
from typing import Final

from fastapi import Request
from fastapi.responses import RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import problems
from contracts.consistency_token import (
    CONSISTENCY_HEADER,
    NOT_CAUGHT_UP,
    PASSED_ON_HEADER,
    TokenSigner,
)
from read_api.data_age import DataAge, answered_from_index, is_from_index
from read_api.positions import PositionUnknownError, PositionWatch
from service_kit.consistency import BroughtPosition, position_brought_by
from service_kit.problem_responses import Problem, problem_response

READER_WAIT_SECONDS: Final = 0.2
INDEX_WAIT_SECONDS: Final = 2.0
OWN_POSITION_SECONDS: Final = 1.0
"""How long an answer from the reader may wait to learn its own position: as long as a query may take."""
SEARCH_POSITION_SECONDS: Final = 0.2
"""The same for a search, which goes without where the reader is away."""
_PRIMARY = "http://primary.internal"  # a name for the log; the gateway's route decides where it goes
_STATE_KEY = "tells_position"


class PassOnToPrimary(Exception):  # noqa: N818 - it is the answer, not a fault of ours
    """The primary has what the token asks for; this region does not have it yet."""


async def reader_has_caught_up(request: Request, brought: BroughtPosition) -> None:
    """A dependency of reads from the reader. Raises PassOnToPrimary, Problem MALFORMED_REQUEST."""
    request.scope["state"][_STATE_KEY] = True
    reader: PositionWatch = request.app.state.reader_position
    if brought is not None and not await reader.reached(brought, wait_seconds=READER_WAIT_SECONDS):
        raise PassOnToPrimary


async def index_has_caught_up(request: Request, brought: BroughtPosition) -> None:
    """A dependency of searches. Raises Problem TEMPORARILY_UNAVAILABLE, MALFORMED_REQUEST."""
    answered_from_index(request)
    request.scope["state"][_STATE_KEY] = True
    index: PositionWatch = request.app.state.index_position
    if brought is not None and not await index.reached(brought, wait_seconds=INDEX_WAIT_SECONDS):
        raise Problem(problems.TEMPORARILY_UNAVAILABLE, NOT_CAUGHT_UP)


async def on_pass_on(request: Request, _: Exception) -> RedirectResponse:
    """The gateway's order to ask the primary the same; it carries the request's headers along."""
    path, query = request.scope["raw_path"].decode("ascii"), request.url.query
    return RedirectResponse(
        f"{_PRIMARY}{path}{'?' if query else ''}{query}",
        status_code=307,
        headers={PASSED_ON_HEADER: "read_api"},
    )


class ConsistencyHeader:
    """Puts the token on every answer that tells what the region has: the later of brought and own position.

    Documents of the index come from the reader, so its position is at or after theirs too.
    """

    def __init__(
        self, app: ASGIApp, *, signer: TokenSigner, reader: PositionWatch, reader_age: DataAge
    ) -> None:
        self._app = app
        self._signer = signer
        self._reader = reader
        self._reader_age = reader_age

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds the header when the answer starts; an answer that can't tell its position is a 503 instead."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})  # shared with the routes inside
        is_withheld = False

        async def send_with_token(message: Message) -> None:
            nonlocal is_withheld
            if is_withheld:
                return
            if message["type"] == "http.response.start" and message["status"] not in {307, *range(500, 600)}:
                try:
                    headers = await self._headers(scope)
                except Problem as problem:
                    is_withheld = True
                    await problem_response(problem)(scope, receive, send)
                    return
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_token)

    async def _headers(self, scope: Scope) -> Mapping[str, str]:
        """The token of this answer. Raises Problem TEMPORARILY_UNAVAILABLE."""
        if not scope["state"].get(_STATE_KEY):
            return {}
        brought, is_search = position_brought_by(scope), is_from_index(scope)
        if is_search and not self._reader_age.answers:
            return {}  # known to be away: no search waits for that
        wait_seconds = SEARCH_POSITION_SECONDS if is_search else OWN_POSITION_SECONDS
        try:
            position = await self._reader.now(wait_seconds=wait_seconds)
        except PositionUnknownError:
            if is_search:
                return {}
            raise Problem(problems.TEMPORARILY_UNAVAILABLE, "The database did not answer in time.") from None
        known = position if brought is None else max(brought, position)
        return {CONSISTENCY_HEADER: self._signer.sign(known)}

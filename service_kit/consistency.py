"""The consistency token in a request: read once, by a dependency of the routes that heed it."""

from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.types import Scope

from contracts import problems
from contracts.consistency_token import CONSISTENCY_HEADER, Position, TokenMalformedError, TokenSigner
from service_kit.problem_responses import Problem

_STATE_KEY = "brought_position"

# It puts the header into the OpenAPI document; the header itself is read below, more strictly.
_Documented = Annotated[
    str | None,
    Header(
        alias=CONSISTENCY_HEADER,
        description="The last one that you got: nothing older than what you saw or did is answered.",
    ),
]


async def brought_position(request: Request, _: _Documented = None) -> Position | None:
    """What the request must not be answered from before. Raises Problem MALFORMED_REQUEST.

    Reads `request.app.state.consistency_signer`.
    """
    brought = request.headers.getlist(CONSISTENCY_HEADER)
    if not brought:
        return None
    if len(brought) > 1:
        raise _malformed("send one of them")
    signer: TokenSigner = request.app.state.consistency_signer
    try:
        position = signer.read(brought[0])
    except TokenMalformedError as error:
        raise _malformed(str(error)) from None
    request.scope.setdefault("state", {})[_STATE_KEY] = position
    return position


BroughtPosition = Annotated[Position | None, Depends(brought_position)]


def position_brought_by(scope: Scope) -> Position | None:
    """What the dependency read of this request, for who sees its answer; None where it did not run."""
    position: Position | None = scope.get("state", {}).get(_STATE_KEY)
    return position


def _malformed(reason: str) -> Problem:
    detail = f"{CONSISTENCY_HEADER} can't be read: {reason}. Send one as it was answered, or none."
    return Problem(problems.MALFORMED_REQUEST, detail)

"""Request bodies are JSON, and say so; numbers in them are taken exactly as they are written."""

import json
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, Final, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from contracts import problems
from service_kit.problem_responses import Problem

# Turning 1E+100000000 into an integer writes out its digits: one short request would hold the process for
# minutes. No number of ours needs a tenth of this.
MAX_NUMBER_CHARACTERS: Final = 40
MAX_EXPONENT: Final = 30


class RefusedJsonError(ValueError):
    """JSON that is well formed for some readers and that is not taken here; the message says why."""


def _bounded_fraction(text: str) -> Decimal:
    """A number with a fraction or an exponent, exactly. Raises RefusedJsonError out of all bounds."""
    number = Decimal(text) if len(text) <= MAX_NUMBER_CHARACTERS else None
    if number is None or (number and abs(number.adjusted()) > MAX_EXPONENT):
        raise RefusedJsonError("A number in the body is out of all bounds.")
    return number


def _bounded_integer(text: str) -> int:
    """An integer of a length that a person could have meant. Raises RefusedJsonError."""
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise RefusedJsonError("A number in the body is out of all bounds.")
    return int(text)


def _object_without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one name twice is refused, since readers differ on which of the two counts."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise RefusedJsonError("A name is twice in one object of the body.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are no JSON, though Python's parser takes them."""
    raise RefusedJsonError(f"{name} is not JSON.")


def read_json(body: bytes) -> Any:
    """What a body says, exactly. Raises ValueError (RefusedJsonError is one) and RecursionError."""
    return json.loads(
        body,
        parse_float=_bounded_fraction,
        parse_int=_bounded_integer,
        parse_constant=_refuse_constant,
        object_pairs_hook=_object_without_repetitions,
    )


class _ExactJsonRequest(Request):
    """A request whose fractions arrive as Decimal: 10.1 is 10.1, not the nearest binary fraction."""

    async def json(self) -> Any:
        """The body. Raises what `read_json` raises, which is answered 400."""
        if not hasattr(self, "_json"):
            self._json = read_json(await self.body())
        return self._json


def _refuse_other_media_types(request: Request) -> None:
    """Raises Problem UNSUPPORTED_MEDIA_TYPE for a body that does not declare itself as JSON."""
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json" or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    if has_body and not is_json:
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json.")


class JsonRoute(APIRoute):
    """A route that takes JSON bodies and no others."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a request that reads JSON exactly."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle_json(request: Request) -> Response:
            if takes_body:
                _refuse_other_media_types(request)
            try:
                return await handle(_ExactJsonRequest(request.scope, request.receive))
            except HTTPException as error:
                # FastAPI answers any failure to read a body alike; this one has something to say.
                if isinstance(error.__cause__, RefusedJsonError):
                    raise Problem(problems.MALFORMED_REQUEST, str(error.__cause__)) from error
                raise

        return handle_json

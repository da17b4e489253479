"""Turns every failure of an application into a problem answer (RFC 9457), in one place.

Applications raise `Problem`; validation failures, unknown addresses, a database that can't be asked and
unexpected errors are rendered here too. An answer never carries a stack trace, nor the value that was
refused: it could be a password.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from contracts import problems
from contracts.problems import PROBLEM_MEDIA_TYPE, ProblemType
from service_kit.database import UNAVAILABLE_ERRORS

_LOG = logging.getLogger(__name__)
RETRY_AFTER_SECONDS = 1
MAX_LISTED_ERRORS = 20

_BY_STATUS = {
    400: problems.MALFORMED_REQUEST,
    404: problems.NOT_FOUND,
    405: problems.METHOD_NOT_ALLOWED,
    413: problems.BODY_TOO_LARGE,
    415: problems.UNSUPPORTED_MEDIA_TYPE,
}


class Problem(Exception):  # noqa: N818 - it is the answer, not a fault of ours
    """A request can't be done, and this is the answer: a kind, a sentence for people, further members."""

    def __init__(
        self, kind: ProblemType, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def problem_body(kind: ProblemType, detail: str, **members: Any) -> dict[str, Any]:
    """The members of an RFC 9457 answer; `members` are extensions such as `seats_remaining`."""
    return {"type": kind.uri, "title": kind.title, "status": kind.status, "detail": detail, **members}


def problem_response(problem: Problem) -> JSONResponse:
    """The HTTP answer for a Problem."""
    headers = dict(problem.headers)
    if problem.kind.status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if problem.kind.status in {429, 503}:
        headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return JSONResponse(
        problem_body(problem.kind, problem.detail, **problem.members),
        status_code=problem.kind.status,
        headers=headers,
        media_type=PROBLEM_MEDIA_TYPE,
    )


def validation_problem(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Names each wrong place and why, without the value; unreadable JSON is a 400 of its own."""
    if any(error["type"] == "json_invalid" for error in errors):
        return Problem(problems.MALFORMED_REQUEST, "The body is not valid JSON.")
    listed = [
        {
            "location": ".".join(str(part) for part in error["loc"]),
            "message": error["msg"].removeprefix("Value error, "),
        }
        for error in errors[:MAX_LISTED_ERRORS]
    ]
    places = "place" if len(errors) == 1 else "places"
    return Problem(
        problems.INVALID_REQUEST, f"The request is wrong in {len(errors)} {places}.", errors=listed
    )


def _framework_problem(error: HTTPException) -> Problem:
    """What Starlette and FastAPI raise by themselves: unknown address, wrong method, unreadable body."""
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        kind = problems.INTERNAL_ERROR if error.status_code >= 500 else problems.MALFORMED_REQUEST
    return Problem(kind, kind.title + ".", headers=error.headers)


async def error_response(app: FastAPI, request: Request, error: Exception) -> Response:
    """The application's answer to an error that was raised in front of it: that of the same handlers."""
    handlers: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = app.exception_handlers  # type: ignore[assignment]
    handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
    try:
        return await handler(request, error)
    except Exception as unexpected:  # noqa: BLE001 - of a handler that has no answer to this error
        return await handlers[Exception](request, unexpected)


def add_problem_handlers(app: FastAPI) -> None:
    """Makes `app` answer every failure with a problem."""

    async def on_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)  # noqa: S101 - registered for Problem alone
        return problem_response(error)

    async def on_validation(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return problem_response(validation_problem(error.errors()))

    async def on_framework(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101
        return problem_response(_framework_problem(error))

    async def on_unavailable(request: Request, error: Exception) -> JSONResponse:
        _LOG.warning("database unavailable", extra={"path": request.url.path, "reason": type(error).__name__})
        return problem_response(
            Problem(problems.TEMPORARILY_UNAVAILABLE, "The database did not answer in time.")
        )

    async def on_unexpected(request: Request, error: Exception) -> JSONResponse:
        _LOG.error("unexpected error", extra={"path": request.url.path}, exc_info=error)
        return problem_response(Problem(problems.INTERNAL_ERROR, "The error was logged."))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_framework)
    for unavailable in UNAVAILABLE_ERRORS:
        app.add_exception_handler(unavailable, on_unavailable)
    app.add_exception_handler(Exception, on_unexpected)

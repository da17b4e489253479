"""Where the request that is being served comes from: known anywhere below, without being handed through."""

from contextvars import ContextVar
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service_kit.client_address import client_address

MAX_CHARACTERS = 100
# Envoy makes an id for each request, and drops one that people send.
_REQUEST_ID_HEADER = "x-request-id"


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """The client's address and the gateway's id of the request; None where there was no gateway."""

    address: str
    request_id: str | None


_ORIGIN: ContextVar[RequestOrigin | None] = ContextVar("request_origin", default=None)


def request_origin() -> RequestOrigin | None:
    """The origin of the request that this task serves; None outside of requests."""
    return _ORIGIN.get()


class KnowRequestOrigin:
    """ASGI middleware that lets `request_origin` answer while a request is served."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves the request with its origin known."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        request_id = request.headers.get(_REQUEST_ID_HEADER)
        token = _ORIGIN.set(
            RequestOrigin(
                address=_storable(client_address(request)),
                request_id=_storable(request_id) if request_id else None,
            )
        )
        try:
            await self._app(scope, receive, send)
        finally:
            _ORIGIN.reset(token)


def _storable(value: str) -> str:
    """A header's text as every table takes it."""
    return "".join(one for one in value if one.isprintable())[:MAX_CHARACTERS]

"""Where the request that is being served comes from: known anywhere below, without being handed through."""

from contextvars import ContextVar
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service_kit.client_address import client_address

MAX_CHARACTERS = 100
# Our gateways drop what people send by these names, make an id for each request, and name their region.
_REQUEST_ID_HEADER = "x-request-id"
_REGION_HEADER = "x-frontrow-region"


@dataclass(frozen=True, slots=True)
class RequestOrigin:
    """The client's address, the gateway's id of the request, and its region; None without a gateway."""

    address: str
    request_id: str | None
    region: str | None


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
        request_id, region = (request.headers.get(name) for name in (_REQUEST_ID_HEADER, _REGION_HEADER))
        token = _ORIGIN.set(
            RequestOrigin(
                address=_storable(client_address(request)),
                request_id=_storable(request_id) if request_id else None,
                region=_storable(region) if region else None,
            )
        )
        try:
            await self._app(scope, receive, send)
        finally:
            _ORIGIN.reset(token)


def _storable(value: str) -> str:
    """A header's text as every table takes it."""
    return "".join(one for one in value if one.isprintable())[:MAX_CHARACTERS]

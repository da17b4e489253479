"""A handful of routes that answer the well-formed common case past FastAPI: raw ASGI, JSON by msgspec.

A hot route stands in front of a plain one at the same address, which stays: the OpenAPI document and the
permission table are made from it, and whatever the hot route does not want to judge is handed on to it, as if
nobody had looked before. So every refusal of credentials, headers and bodies is the plain route's own.

A test holds the two against each other, with well-formed and hostile requests.
"""

from collections import deque
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.whole_answers import RawHeaders, whole_answers_of

MAX_BODY_BYTES: Final = 1024
"""What is longer is none of the common case."""


class HotRequest(msgspec.Struct, frozen=True, gc=False):
    """A request whose body is JSON by its header, short, and here as a whole; no header is there twice."""

    scope: Scope
    headers: Mapping[bytes, bytes]
    body: bytes

    def getlist(self, key: str) -> list[str]:
        """As Starlette's Headers, for a Permission: what was sent under a name."""
        value = self.headers.get(_raw_name(key))
        return [] if value is None else [value.decode("latin-1")]


class HotAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer whose headers include its length and its media type."""

    status: int
    headers: RawHeaders
    body: bytes


class HotRoute:
    """Answers requests of one method and path, or hands them on."""

    async def serve(self, request: HotRequest) -> HotAnswer | None:
        """The answer, also to what goes wrong; None hands the request on, if nothing was done for it yet."""
        raise NotImplementedError


class HotRoutes:
    """ASGI application that asks `routes`, by method and path, before it asks `app`."""

    def __init__(self, app: ASGIApp, routes: Mapping[tuple[str, str], HotRoute]) -> None:
        self.plain = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or passes the request on with all of its body."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        headers = None if route is None else _headers_of_short_json(scope)
        if route is None or headers is None:
            await self.plain(scope, receive, send)
            return
        taken, body = await _short_body(receive)
        answer = None if body is None else await route.serve(HotRequest(scope, headers, body))
        if answer is None:
            await self.plain(scope, _replayed(taken, receive), send)
            return
        send_whole = whole_answers_of(scope)
        if send_whole is not None and send_whole(answer.status, answer.headers, answer.body):
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.body})


@lru_cache(maxsize=100)
def _raw_name(name: str) -> bytes:
    return name.lower().encode("latin-1")


def raw_headers(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as they are sent."""
    return tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())


def answer_of(response: Response, *more_headers: tuple[bytes, bytes]) -> HotAnswer:
    """A response that is made as a whole, as a hot route's."""
    return HotAnswer(response.status_code, (*response.raw_headers, *more_headers), bytes(response.body))


def _headers_of_short_json(scope: Scope) -> dict[bytes, bytes] | None:
    """The headers by name; None where one is there twice, or the body is not declared as short JSON."""
    raw: list[tuple[bytes, bytes]] = scope["headers"]
    headers = dict(raw)
    length = headers.get(b"content-length", b"")
    if (
        len(headers) != len(raw)
        or headers.get(b"content-type") != b"application/json"
        or b"transfer-encoding" in headers
        or not length.isdigit()
        or int(length) > MAX_BODY_BYTES
    ):
        return None
    return headers


async def _short_body(receive: Receive) -> tuple[list[Message], bytes | None]:
    """The messages that were taken, and the body; None where it is longer than it said, or did not arrive."""
    taken: list[Message] = []
    body = b""
    while True:
        message = await receive()
        taken.append(message)
        if message["type"] != "http.request":
            return taken, None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return taken, body
        if len(body) > MAX_BODY_BYTES:
            return taken, None


def _replayed(taken: list[Message], receive: Receive) -> Receive:
    """`receive` with the messages that were taken from it in front again."""
    again = deque(taken)

    async def receive_again() -> Message:
        return again.popleft() if again else await receive()

    return receive_again

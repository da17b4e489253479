"""uvicorn's HTTP protocol, with a short way for answers that are there as a whole.

An ASGI application sends the start of an answer and its body as two messages, of which uvicorn looks at each
header twice and writes two pieces: 20 microseconds, a sixth of what a booking costs. A hot route has all of
it at once, in headers that it made itself, so it is written at once. Everything else goes uvicorn's own way.

A server that has the way says so in the scope, as ASGI does it with extensions.
"""

from collections.abc import Callable
from functools import partial
from typing import Final
from weakref import ReferenceType, ref

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

WHOLE_ANSWERS: Final = "frontrow.whole_answers"

RawHeaders = tuple[tuple[bytes, bytes], ...]

SendWhole = Callable[[int, RawHeaders, bytes], bool]
"""Sends status, headers and body; False where it can't be sent so now, and nothing was.

Headers are in lower case, well formed, and tell the body's length; none is about the connection.
"""


def whole_answers_of(scope: Scope) -> SendWhole | None:
    """The short way of the server that has made the scope, if it has one."""
    extension = scope.get("extensions", {}).get(WHOLE_ANSWERS)
    return None if extension is None else extension["send"]


class WholeAnswersProtocol(HttpToolsProtocol):
    """What uvicorn runs a connection with."""

    def on_headers_complete(self) -> None:
        """A request is about to be given to the application: its task runs in the loop's next turn."""
        super().on_headers_complete()
        cycle = self.cycle
        if cycle is not None and cycle.scope is self.scope:
            # Weakly, for the scope is the cycle's: each request would wait for the garbage collector.
            self.scope["extensions"] = {WHOLE_ANSWERS: {"send": partial(_send_whole, ref(cycle))}}


def _send_whole(
    of: ReferenceType[RequestResponseCycle],
    status: int,
    headers: RawHeaders,
    body: bytes,
) -> bool:
    """As two messages to the cycle's `send` would."""
    cycle = of()
    if cycle is None or cycle.flow.write_paused or cycle.response_started or cycle.disconnected:
        return False
    cycle.response_started = True
    cycle.waiting_for_100_continue = False
    parts = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n", body)
    cycle.transport.write(b"".join(parts))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True

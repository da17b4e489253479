"""A bound on request bodies, as ASGI middleware: nothing larger is ever held in memory.

The gateway has the same bound; this one holds for whoever reaches a process past it.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import problems
from service_kit.problem_responses import Problem, problem_response

MAX_BODY_BYTES = 1024 * 1024


class BodyLimit:
    """Answers 413 to a body over `max_bytes`, or over the larger bound that `paths` gives to its path."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int = MAX_BODY_BYTES, paths: dict[str, int] | None = None
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._paths = paths or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts what arrives; a declared length over the bound is refused before the first byte is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._paths.get(scope["path"], self._max_bytes)
        refusal = problem_response(Problem(problems.BODY_TOO_LARGE, f"At most {limit} bytes are taken."))
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            await refusal(scope, receive, send)
            return
        seen, answered, refused = 0, False, False

        async def counted_receive() -> Message:
            nonlocal seen, refused
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                refused = True
                return {"type": "http.disconnect"}
            return message

        async def watched_send(message: Message) -> None:
            nonlocal answered
            if refused and not answered:
                return
            answered = True
            await send(message)

        await self._app(scope, counted_receive, watched_send)
        if refused and not answered:
            await refusal(scope, receive, send)

"""How old answers are: `X-Data-Age-Ms` on each of them, from what the region itself can see.

The age is now minus when the last heartbeat that has come through was confirmed. A source that can't be
asked keeps its last confirmation, so its age grows. One that never said anything could be arbitrarily old:
it counts as old as 1970, which is the only number that is not too small.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.consistency_token import DATA_AGE_HEADER
from service_kit.background import running

HEADER = DATA_AGE_HEADER.lower().encode()
POLL_SECONDS = 0.5
_NEVER = datetime.fromtimestamp(0, UTC)
_STATE_KEY = "answered_from"

_LOG = logging.getLogger(__name__)


class DataAge:
    """The age of one source, kept current by asking `ask` for its last confirmation."""

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[datetime | None]],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self._ask = ask
        self._now = now
        self._confirmed_at: datetime | None = None
        self._answers = False

    @property
    def answers(self) -> bool:
        """Whether the source answered when it was last asked."""
        return self._answers

    @property
    def known_ms(self) -> int | None:
        """The age in milliseconds, or None if the source never said anything."""
        return None if self._confirmed_at is None else self.milliseconds

    @property
    def milliseconds(self) -> int:
        """The age in milliseconds; never negative, whatever the clocks of two machines say."""
        return max(0, int((self._now() - (self._confirmed_at or _NEVER)).total_seconds() * 1000))

    async def refresh(self) -> None:
        """Asks once. Whatever goes wrong makes the age grow, and nothing else."""
        try:
            confirmed_at = await self._ask()
        except Exception as error:  # noqa: BLE001 - a source that fails in any way is one that doesn't answer
            if self._answers:
                _LOG.warning("no age", extra={"source": self.name, "reason": type(error).__name__})
            self._answers = False
            return
        self._answers = True
        if confirmed_at is not None:
            # A rebuilt source may know less than what was already answered from it.
            self._confirmed_at = confirmed_at

    @asynccontextmanager
    async def kept_current(self) -> AsyncIterator[None]:
        """Asks every 500 ms while the block runs."""
        await self.refresh()
        async with running(f"data-age-{self.name}", self._poll):
            yield

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.refresh()


def answered_from_index(request: Request) -> None:
    """A dependency: this route's answers are as old as the index; all others' are as old as the reader."""
    request.scope.setdefault("state", {})[_STATE_KEY] = "index"


def is_from_index(scope: Scope) -> bool:
    """Whether the route said so."""
    return bool(scope.get("state", {}).get(_STATE_KEY) == "index")


class DataAgeHeader:
    """Puts the age of its source on every answer, also on refusals and errors."""

    def __init__(self, app: ASGIApp, *, reader: DataAge, index: DataAge) -> None:
        self._app = app
        self._reader = reader
        self._index = index

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Adds the header when the answer starts, by what the route said it answers from."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})  # shared with the routes inside

        async def send_with_age(message: Message) -> None:
            if message["type"] == "http.response.start":
                source = self._index if is_from_index(scope) else self._reader
                headers = [*message.get("headers", ()), (HEADER, b"%d" % source.milliseconds)]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_with_age)

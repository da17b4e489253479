"""write_api itself, which answers a constant: routing, authentication, parsing and the answer are its own.

What an answer can do without is left out, so that nothing with the same stack can be quicker: nobody counts
tries, and no answer waits to be confirmed.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from service_kit.rate_limit_headers import Judged
from write_api.app import create_app
from write_api.bookings.batches import BookingQueues, Served
from write_api.bookings.grants import Wish
from write_api.settings import WriteApiSettings

UNLIMITED = Judged((), None)


def create_null(settings: WriteApiSettings) -> FastAPI:
    """The application; a booking by the hot route is all that it answers so."""
    app = create_app(settings)
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def with_constants(of: FastAPI) -> AsyncIterator[None]:
        async with lifespan(of):
            app.state.booking_queues = _ConstantQueues(app.state.booking_queues)
            app.state.booking_limits = _NoLimits()
            yield

    app.router.lifespan_context = with_constants
    return app


class _ConstantQueues:
    """Books once, and from then on answers that."""

    def __init__(self, queues: BookingQueues) -> None:
        self._queues = queues
        self._constant: Served | None = None

    async def ask(self, event_id: int, wish: Wish) -> Served:
        if self._constant is None:
            self._constant = await self._queues.ask(event_id, wish)
        return self._constant


class _NoLimits:
    """Counts nothing."""

    def judge_try(self, *, person_id: int, address: str, tries: int = 1) -> Judged:  # noqa: ARG002
        return UNLIMITED

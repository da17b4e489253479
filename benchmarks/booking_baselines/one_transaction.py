"""Designs with one transaction a request, each as good as it can be.

They commit as PostgreSQL offers it: `synchronous_commit=on` with the quorum, so that a lock is held until a
standby has confirmed. Their route is FastAPI's as everybody writes it, with write_api's permission and body;
nothing else of write_api is in the way. Statements are prepared, and a connection is lent without a check.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from contracts import problems
from contracts.token_claims import Identity
from mini_auth.api_keys import ApiKeys, reader_of_api_keys
from mini_auth.callers import Callers
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.permissions import BOOK
from mini_auth.verifier import TokenVerifier
from service_kit.database import connection_url, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem, add_problem_handlers
from write_api.bookings.schemas import BookingCreate
from write_api.settings import WriteApiSettings

QUERIES = load_queries("benchmarks.booking_baselines")
SERIAL_CONNECTIONS = 16
"""Enough where one has the lock and all others wait for it: more would only wait in another place."""
PARALLEL_CONNECTIONS = 32
PATIENCE_SECONDS = 600.0
"""Nobody is refused for having waited: at 80 ms a lock is given twelve times a second."""

Parameters = Mapping[str, Any]
Book = Callable[[AsyncConnection[DictRow], Parameters], Awaitable[DictRow | None]]
"""Books in one transaction; the row of the booking, None where no seats are left."""


class Made(BaseModel):
    """What is answered."""

    id: int
    event_id: int
    quantity: int
    status: str = "held"
    seats: list[int]


async def _textbook(connection: AsyncConnection[DictRow], wish: Parameters) -> DictRow | None:
    async with connection.transaction():
        stock = await (await connection.execute(QUERIES["lock_stock"], wish)).fetchone()
        if stock is None or stock["remaining"] < wish["quantity"]:
            return None
        chosen = {**wish, "ticket_type_id": stock["ticket_type_id"]}
        free = await (await connection.execute(QUERIES["free_seats"], chosen)).fetchall()
        positions = [row["position"] for row in free]
        booking = {
            **chosen,
            "seat_positions": positions,
            "price_minor": stock["price_minor"] * wish["quantity"],
            "currency": stock["currency"],
        }
        made = await (await connection.execute(QUERIES["insert_booking"], booking)).fetchone()
        assert made is not None
        await connection.execute(QUERIES["take_seats"], {**booking, "booking_id": made["id"]})
        await connection.execute(QUERIES["lower_stock"], booking)
    return {"id": made["id"], "seat_positions": positions}


def _statement(name: str) -> Book:
    async def book(connection: AsyncConnection[DictRow], wish: Parameters) -> DictRow | None:
        return await (await connection.execute(QUERIES[name], wish)).fetchone()

    return book


@dataclass(frozen=True)
class Design:
    """How a booking is made, and over how many connections at a time."""

    book: Book
    connections: int


DESIGNS = {
    "textbook": Design(_textbook, SERIAL_CONNECTIONS),
    "single_statement": Design(_statement("book_by_counter"), SERIAL_CONNECTIONS),
    "skip_locked": Design(_statement("book_skipping"), PARALLEL_CONNECTIONS),
}
"""The counter locked, looked at and lowered in several statements; all of it in one, and so one round trip;
and one without a counter, whose transactions run and commit side by side."""


def create_app(design: Design, settings: WriteApiSettings) -> FastAPI:
    """The application of a design."""
    pool = AsyncConnectionPool(
        connection_url(settings.main_database, application_name="baseline"),
        connection_class=AsyncConnection[DictRow],
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 0},
        min_size=design.connections,
        max_size=design.connections,
        timeout=PATIENCE_SECONDS,
        open=False,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        keys = create_pool(settings.reader_database, application_name="keys", max_size=2, max_waiting=4)
        async with pool, keys, KnowledgeFeed(keys, settings.state_directory) as feed:
            tokens = TokenVerifier(feed, issuer=settings.token_issuer, audience=settings.token_audience)
            app.state.callers = Callers(tokens, ApiKeys(reader_of_api_keys(keys)), None, feed)
            await pool.wait()
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    add_problem_handlers(app)

    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/api/v1/bookings", status_code=201)
    async def create_booking(
        body: BookingCreate,
        person: Annotated[Identity, Depends(BOOK)],
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Made:
        wish = {
            "event_id": body.event_id,
            "quantity": body.quantity,
            "person_id": person.person_id,
            "key": idempotency_key,
            "hold_seconds": settings.hold_seconds,
        }
        async with pool.connection() as connection:
            made = await design.book(connection, wish)
        if made is None:
            raise Problem(problems.NOT_ENOUGH_SEATS, "There are not enough seats left.")
        return Made(
            id=made["id"], event_id=body.event_id, quantity=body.quantity, seats=made["seat_positions"]
        )

    return app

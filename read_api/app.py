"""The application: what each part needs is made here, and ends here in the opposite order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from elasticsearch import AsyncElasticsearch
from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from contracts.booking import booking_from_row, booking_page
from contracts.consistency_token import TokenSigner
from contracts.order import order_from_row, order_page
from contracts.waitlist import waitlist_entry_from_row, waitlist_page
from mini_auth.api_keys import ApiKeys, reader_of_api_keys
from mini_auth.callers import Callers
from mini_auth.guest_links import GuestLinkVerifier
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.permissions import PUBLIC, require_declared_permissions
from mini_auth.verifier import TokenVerifier
from read_api.bookings import routes as bookings_routes
from read_api.consistency import ConsistencyHeader, PassOnToPrimary, on_pass_on
from read_api.data_age import DataAge, DataAgeHeader
from read_api.events import routes as events_routes
from read_api.events.service import EventService
from read_api.events.store import EventStore
from read_api.orders import routes as orders_routes
from read_api.own_records import OwnRecords
from read_api.pages import pages_router
from read_api.positions import PositionWatch, ReaderPosition
from read_api.search import routes as search_routes
from read_api.search.service import SearchService
from read_api.search.store import SearchStore
from read_api.settings import ReadApiSettings
from read_api.waitlist import routes as waitlist_routes
from service_kit.database import Pool, create_pool
from service_kit.head_requests import HeadAsGet
from service_kit.health import health_router
from service_kit.named_sql import load_queries
from service_kit.openapi import with_consistency_tokens, with_problems
from service_kit.problem_responses import add_problem_handlers
from service_kit.request_limits import BodyLimit
from service_kit.settings import key_bytes

PROCESS = "read_api"
MAX_BODY_BYTES = 64 * 1024
ELASTICSEARCH_CONNECTIONS = 64
READER_POLL_SECONDS = 0.005
INDEX_POLL_SECONDS = 0.025
_OF_SOMEBODY = {"bookings", "orders", "waitlist"}


class _Sources:
    """What answers come from, with the age and the position of each; neither source has to be there."""

    def __init__(self, settings: ReadApiSettings) -> None:
        self.pool = create_pool(
            settings.reader_database,
            application_name=f"frontrow-{PROCESS}",
            max_size=8,
            max_waiting=512,
            statement_timeout_seconds=3.0,
        )
        # Beside the queries: whoever waits for the reader must not wait for those that it is busy with.
        self._positions_pool = create_pool(
            settings.reader_database,
            application_name=f"frontrow-{PROCESS}-positions",
            max_size=1,
            max_waiting=4,
            wait_seconds=1.0,
            statement_timeout_seconds=1.0,
        )
        # A search is tried once more where the connection was closed meanwhile; a slow one is not.
        self._elasticsearch = AsyncElasticsearch(
            settings.elasticsearch,
            connections_per_node=ELASTICSEARCH_CONNECTIONS,
            max_retries=1,
            retry_on_timeout=False,
            retry_on_status=(),
        )
        self.events, self.searches = EventStore(self.pool), SearchStore(self._elasticsearch)
        self.reader_age = DataAge("reader", self.events.confirmed_at)
        self.index_age = DataAge("index", self.searches.confirmed_at)
        ask_reader = ReaderPosition(self._positions_pool)
        self.reader_position = PositionWatch("reader", ask_reader, poll_seconds=READER_POLL_SECONDS)
        self.index_position = PositionWatch("index", self.searches.position, poll_seconds=INDEX_POLL_SECONDS)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connects and keeps ages and positions known while the block runs."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._elasticsearch.close)
            for lasting in (
                self.pool,
                self._positions_pool,
                self.reader_position.watching(),
                self.index_position.watching(),
                self.reader_age.kept_current(),
                self.index_age.kept_current(),
            ):
                await stack.enter_async_context(lasting)
            yield

    async def readiness(self) -> tuple[bool, dict[str, Any]]:
        """With one source gone, the other half of the answers still is worth having."""
        details = {"index_age_ms": self.index_age.known_ms, "reader_age_ms": self.reader_age.known_ms}
        return self.reader_age.answers or self.index_age.answers, details


class ReadApi(FastAPI):
    """FastAPI with its data's age and position on every answer, and problems in its OpenAPI document."""

    def __init__(self, sources: _Sources, signer: TokenSigner, **options: Any) -> None:
        super().__init__(**options)
        self._sources = sources
        self._signer = signer

    def build_middleware_stack(self) -> ASGIApp:
        """The age encloses even the answer to an unexpected error."""
        reader_age = self._sources.reader_age
        with_token = ConsistencyHeader(
            super().build_middleware_stack(),
            signer=self._signer,
            reader=self._sources.reader_position,
            reader_age=reader_age,
        )
        return DataAgeHeader(with_token, reader=reader_age, index=self._sources.index_age)

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = with_consistency_tokens(with_problems(super().openapi()))
            for path in document["paths"].values():
                for operation in path.values():
                    # FastAPI can't say that a token is optional: an empty requirement does.
                    if not _OF_SOMEBODY & set(operation.get("tags", ())):
                        operation["security"] = [{}, *operation.get("security", [])]
            self.openapi_schema = document
        return self.openapi_schema


def create_app(settings: ReadApiSettings) -> FastAPI:
    """The application; its connections live as long as its lifespan."""
    sources, signer = _Sources(settings), TokenSigner(key_bytes(settings.consistency_key))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        feed = KnowledgeFeed(sources.pool, settings.state_directory)
        async with sources.connected(), feed as knowledge:
            tokens = TokenVerifier(knowledge, issuer=settings.token_issuer, audience=settings.token_audience)
            guest_links = GuestLinkVerifier(knowledge, key_bytes(settings.link_key))
            api_keys = ApiKeys(reader_of_api_keys(sources.pool))
            app.state.callers = Callers(tokens, api_keys, guest_links, knowledge)
            yield

    app = ReadApi(
        sources,
        signer,
        title="Frontrow: searches, event pages, your bookings and orders",
        summary="What only reads, answered by the region that is asked. Changes are another document.",
        lifespan=lifespan,
        openapi_url="/openapi/read.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.consistency_signer = signer
    app.state.reader_position = sources.reader_position
    app.state.index_position = sources.index_position
    app.state.events = EventService(sources.events)
    _serve_own_records(app, sources.pool)
    app.state.search = SearchService(sources.searches)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(HeadAsGet)
    add_problem_handlers(app)
    app.add_exception_handler(PassOnToPrimary, on_pass_on)
    health = health_router(process=PROCESS, region=settings.region, readiness=sources.readiness)
    app.include_router(health, dependencies=[Depends(PUBLIC)])
    for routes in (search_routes, events_routes, bookings_routes, orders_routes, waitlist_routes):
        app.include_router(routes.router)
    pages = pages_router()
    app.include_router(pages)
    require_declared_permissions(app, public_pages=pages.routes)
    return app


def _serve_own_records(app: FastAPI, pool: Pool) -> None:
    """Has the routes find what people have of their own."""
    app.state.bookings = OwnRecords(
        pool,
        load_queries("read_api.bookings"),
        missing="You have no booking {id}.",
        make_record=booking_from_row,
        make_page=booking_page,
    )
    app.state.orders = OwnRecords(
        pool,
        load_queries("read_api.orders"),
        missing="You have no order {id}.",
        make_record=order_from_row,
        make_page=order_page,
    )
    app.state.waitlist = OwnRecords(
        pool,
        load_queries("read_api.waitlist"),
        missing="You have no entry {id} on a waitlist.",
        make_record=waitlist_entry_from_row,
        make_page=waitlist_page,
    )

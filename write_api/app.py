"""The single-primary application, wired in one place."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, LiteralString

import psycopg
from argon2 import PasswordHasher
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts import problems
from contracts.consistency_token import TokenSigner
from mini_auth.api_keys import ApiKeys, reader_of_api_keys
from mini_auth.callers import Callers
from mini_auth.guest_links import GuestLinkDesk, GuestLinkVerifier
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.permissions import PUBLIC, require_declared_permissions
from mini_auth.verifier import TokenVerifier
from service_kit.background import running
from service_kit.database import Pool, create_pool
from service_kit.head_requests import HeadAsGet
from service_kit.health import health_router
from service_kit.hot_route import HotRoute, HotRoutes
from service_kit.openapi import with_consistency_tokens, with_problems
from service_kit.problem_responses import Problem, add_problem_handlers, problem_response
from service_kit.rate_limit_headers import RateLimitHeaders
from service_kit.request_limits import BodyLimit
from service_kit.request_origin import KnowRequestOrigin
from service_kit.settings import key_bytes
from write_api.account_links import AccountLinks
from write_api.accounts.passwords import password_hasher
from write_api.accounts.store import AccountStore
from write_api.answer_gate import (
    AnswerGate,
    AnswerGateMiddleware,
    ConfirmationRule,
    ConfirmedAnswers,
    LocalFlush,
    OnlyWhile,
    QuorumFlush,
)
from write_api.api_keys.store import ApiKeyStore
from write_api.api_keys.uses import ApiKeyUses
from write_api.audit_log import AuditLog
from write_api.bookings.batches import SESSION_SETTINGS
from write_api.bookings.expiry import HoldExpiry
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.hot import METHOD_AND_PATH, HotBooking
from write_api.bookings.offers import WaitlistSale
from write_api.bookings.settling import SeatSettling
from write_api.bookings.store import BookingStore
from write_api.bookings.supply_store import SupplyStore
from write_api.catalogue import routes as catalogue_routes
from write_api.consistency import AnswerConsistency
from write_api.features import ROUTERS, Features
from write_api.generations import Generations, QuorumMembers
from write_api.heartbeat import Heartbeat
from write_api.idempotency import IdempotentRequests, KeyExpiry
from write_api.notifications.delivery import NotificationDelivery
from write_api.notifications.letters import LetterWriter
from write_api.notifications.store import NotificationStore
from write_api.other_mains import OtherMains
from write_api.settings import WriteApiSettings
from write_api.signing_keys.service import KeyRing
from write_api.signing_keys.store import SigningKeyStore
from write_api.standing import OnlyAsWriter, Standing
from write_api.waitlist.offers import WaitlistOffers
from write_api.waitlist.store import WaitlistStore
from write_api.writer_state import WriterRule, WriterState, writer_state

PROCESS = "write_api"
MAX_BULK_BYTES = 4 * 1024 * 1024
FIRST_CONNECTION_SECONDS = 30.0
HIGHEST_GENERATION = "highest-generation-seen"

REQUEST_CONNECTIONS = 16
BOOKING_CONNECTIONS = 8  # batches, which are short: more at once only get in each other's way
CONTROL_CONNECTIONS = 5  # gate, heartbeat, expiry, waitlist, one to spare: never behind requests in a queue


class WriteApi(FastAPI):
    """FastAPI with hot routes and the answer gate outside of everything, and problems in its document."""

    def __init__(self, confirmed: ConfirmedAnswers, **options: Any) -> None:
        super().__init__(**options)
        self._confirmed = confirmed
        self.hot_routes: dict[tuple[str, str], HotRoute] = {}
        self.in_front = HotRoutes(super().__call__, self.hot_routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hot routes first, then everything else."""
        await self.in_front(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The gate encloses even the answer to an unexpected error; hot routes ask it by themselves."""
        return AnswerGateMiddleware(super().build_middleware_stack(), confirmed=self._confirmed)

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = with_consistency_tokens(with_problems(super().openapi()))
        return self.openapi_schema


def create_app(
    settings: WriteApiSettings,
    *,
    confirmation_rule: ConfirmationRule | None = None,
    writer_rule: WriterRule = writer_state,
    booking_queries: Mapping[str, LiteralString] | None = None,
    hasher: PasswordHasher | None = None,
) -> FastAPI:
    """The application; its connections and its background work live as long as its lifespan.

    Tests give other rules, other statements or another hasher, to see what these protect from.
    """
    booking_store = BookingStore(booking_queries)
    parts = _Parts(settings, confirmation_rule, writer_rule, booking_store, hasher or password_hasher())
    app = WriteApi(
        parts.confirmed,
        title="Frontrow: accounts, events, bookings",
        summary="What changes something. What only reads is another document.",
        lifespan=parts.lifespan,
        openapi_url="/openapi/write.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.consistency_signer = parts.signer
    app.add_middleware(OnlyAsWriter, standing=parts.standing)
    app.add_middleware(BodyLimit, paths={catalogue_routes.BULK_PATH: MAX_BULK_BYTES})
    app.add_middleware(HeadAsGet)
    app.add_middleware(RateLimitHeaders)
    app.add_middleware(KnowRequestOrigin)
    add_problem_handlers(app)
    app.add_exception_handler(psycopg.errors.ForeignKeyViolation, _on_missing_person)
    health = health_router(process=PROCESS, region=settings.region, readiness=parts.readiness)
    app.include_router(health, dependencies=[Depends(PUBLIC)])
    for router in ROUTERS:
        app.include_router(router)
    require_declared_permissions(app)
    app.hot_routes[METHOD_AND_PATH] = HotBooking(
        app, may_write=lambda: parts.standing.may_write, confirmed=parts.confirmed
    )
    return app


class _Parts:
    """Everything that lives longer than a request, and the order in which it starts and ends."""

    def __init__(
        self,
        settings: WriteApiSettings,
        confirmation_rule: ConfirmationRule | None,
        writer_rule: WriterRule,
        booking_store: BookingStore,
        hasher: PasswordHasher,
    ) -> None:
        self._settings = settings
        self._requests_pool = _primary_pool(
            settings, "requests", max_size=REQUEST_CONNECTIONS, max_waiting=512
        )
        self._booking_pool = _primary_pool(
            settings, "bookings", max_size=BOOKING_CONNECTIONS, max_waiting=256, **SESSION_SETTINGS
        )
        self._control_pool = _primary_pool(settings, "control", max_size=CONTROL_CONNECTIONS, max_waiting=16)
        members = _members(settings)
        generations = Generations(self._control_pool, region=settings.region, members=members)
        self._other_mains = OtherMains(settings.other_mains, settings.state_directory / HIGHEST_GENERATION)
        audit_log = AuditLog(settings.region)
        self._key_ring = KeyRing(self._control_pool, SigningKeyStore(), settings.key_sealing_bytes, audit_log)
        self.standing = Standing(
            generations, self._other_mains, take_over=self._key_ring.load, rule=writer_rule
        )
        self._members = QuorumMembers(
            self._control_pool, generations, members=members, required=settings.quorum_required
        )
        rule = confirmation_rule or _confirmation_rule(settings, self._control_pool)
        self.gate = AnswerGate(
            OnlyWhile(rule, lambda: self.standing.may_write and self._members.may_count),
            wait_seconds=settings.answer_wait_seconds,
        )
        self._heartbeat = Heartbeat(
            self._control_pool, self.gate, own_generation=lambda: self.standing.generation
        )
        self.signer = TokenSigner(key_bytes(settings.consistency_key))
        consistency = AnswerConsistency(self.signer, lambda: self._heartbeat.generation)
        self.confirmed = ConfirmedAnswers(self.gate, consistency)
        freed_seats = FreedSeats()
        self._settling = SeatSettling(self._control_pool, SupplyStore(), freed_seats)
        self._expiry = HoldExpiry(self._control_pool, booking_store, freed_seats=freed_seats)
        idempotent_requests = IdempotentRequests()
        self._key_expiry = KeyExpiry(
            self._control_pool, [booking_store.forget_keys, idempotent_requests.forget_keys]
        )
        notifications = NotificationStore()
        self._delivery_pool = _primary_pool(settings, "notifications", max_size=2, max_waiting=32)
        account_store = AccountStore()
        account_links = AccountLinks(key_bytes(settings.link_key))
        guest_links = GuestLinkDesk(key_bytes(settings.link_key))
        self._delivery = NotificationDelivery(
            self._delivery_pool,
            notifications,
            self.gate,
            find_recipient=account_store.find_recipient,
            writer=LetterWriter(
                account_links,
                guest_links,
                sender=settings.mail_sender,
                public_url=settings.public_url,
            ),
            transport=settings.smtp_server,
        )
        waitlist_sale = WaitlistSale(booking_store, offer_seconds=settings.waitlist_offer_seconds)
        self._waitlist_offers = WaitlistOffers(
            self._control_pool, WaitlistStore(), sale=waitlist_sale, notify=notifications.enqueue_for_people
        )
        freed_seats.listen(self._waitlist_offers.kick)
        self._features = Features(
            settings=settings,
            pool=self._requests_pool,
            booking_pool=self._booking_pool,
            audit_log=audit_log,
            account_store=account_store,
            booking_store=booking_store,
            freed_seats=freed_seats,
            waitlist_sale=waitlist_sale,
            waitlist_offers=self._waitlist_offers,
            idempotent_requests=idempotent_requests,
            account_links=account_links,
            guest_links=guest_links,
            notifications=notifications,
            sign=self._key_ring.sign,
            hasher=hasher,
            confirm_bookings=self.confirmed.raw_headers,
            confirmation_seconds=lambda: self.gate.usual_seconds,
        )
        self._api_key_uses = ApiKeyUses(self._control_pool, ApiKeyStore())
        self._knows_key: Callable[[str], bool] = lambda _: False

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Starts the parts; what is started later uses what was started before, so all end in reverse.

        By then the server has let open requests finish, and the gate still lets their answers go.
        """
        async with AsyncExitStack() as stack:
            # 1. Connections to the main. Without it nothing can be served: fail the start after 30 s.
            pools = (self._requests_pool, self._booking_pool, self._control_pool, self._delivery_pool)
            for pool in pools:
                await pool.open(wait=True, timeout=FIRST_CONNECTION_SECONDS)
                stack.push_async_callback(pool.close)
            # 2. What a writer has: on the primary at once, on a standby when it is promoted.
            self._features.prepare(app, stack)
            await self.standing.ask()
            # 3. What verifies tokens, API keys and guests' links, as this region's reader has it.
            await self._verify_callers(app, stack)
            await stack.enter_async_context(running("standing", self.standing.run))
            # 4. The gate, then what writes by itself, or must watch while we may write: the quorum's members,
            # what other mains know, the heartbeat, the sweep that frees the seats of expired holds, mails.
            await stack.enter_async_context(running("answer-gate", self.gate.run))
            for name, work in self._work_of_the_writer().items():
                await stack.enter_async_context(
                    running(f"{name}-of-writer", self.standing.while_writing(name, work))
                )
            yield

    async def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Ready is who can write and confirm, and whose own tokens are known here."""
        state = self.standing.state(self._heartbeat.confirmed_age_seconds)
        is_writer = state is WriterState.WRITER and self.standing.may_write
        details = {
            "writer": is_writer,
            "state": state,
            "main": "primary" if self.standing.is_primary else "standby",
            "durability": self.gate.durability,
            "generation": self._heartbeat.generation,
            "highest_generation_seen": self.standing.highest_generation_seen,
            "fenced": state is WriterState.FENCED,
            "mail": self._delivery.details,
        }
        key = self._key_ring.current
        return is_writer and key is not None and self._knows_key(key.key_id), details

    def _work_of_the_writer(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs while this process may write."""
        return {
            "quorum-members": lambda: self._members.run(self.gate),
            "other-mains": self._other_mains.run,
            "heartbeat": self._heartbeat.run,
            "signing-keys": self._key_ring.run,
            "hold-expiry": self._expiry.run,
            "seat-settling": self._settling.run,
            "idempotency-key-expiry": self._key_expiry.run,
            "waitlist-offers": self._waitlist_offers.run,
            "notifications": self._delivery.run,
            "api-key-uses": self._api_key_uses.run,
        }

    async def _verify_callers(self, app: FastAPI, stack: AsyncExitStack) -> None:
        """Who sends a request. The reader may be away for a while: the feed serves what it has."""
        pool = create_pool(
            self._settings.reader_database,
            application_name=f"frontrow-{PROCESS}-keys",
            max_size=4,  # the feed's, two of the lookups of API keys, and one to spare
            max_waiting=4,
            statement_timeout_seconds=2.0,
        )
        await pool.open()
        stack.push_async_callback(pool.close)
        feed = await stack.enter_async_context(KnowledgeFeed(pool, self._settings.state_directory))
        self._knows_key = lambda key_id: key_id in feed.keys
        tokens = TokenVerifier(
            feed, issuer=self._settings.token_issuer, audience=self._settings.token_audience
        )
        api_keys = ApiKeys(reader_of_api_keys(pool), on_use=self._api_key_uses.note)
        guest_links = GuestLinkVerifier(feed, key_bytes(self._settings.link_key))
        app.state.callers = Callers(tokens, api_keys, guest_links, feed)


def _primary_pool(
    settings: WriteApiSettings, name: str, *, max_size: int, max_waiting: int, **session_settings: str
) -> Pool:
    """Connections whose commits return after the local fsync; what answers wait for is the gate's matter."""
    return create_pool(
        settings.main_database,
        application_name=f"frontrow-{PROCESS}-{name}",
        max_size=max_size,
        max_waiting=max_waiting,
        session_settings={"synchronous_commit": "local", **session_settings},
    )


def _members(settings: WriteApiSettings) -> tuple[str, ...]:
    return settings.quorum_members if settings.durability == "quorum" else ()


def _confirmation_rule(settings: WriteApiSettings, pool: Pool) -> ConfirmationRule:
    if settings.durability == "local":
        return LocalFlush(pool)
    return QuorumFlush(pool, members=_members(settings), required=settings.quorum_required)


async def _on_missing_person(_: Request, error: Exception) -> JSONResponse:
    """A good token of a person whom this database does not know, as after a restore: log in again."""
    assert isinstance(error, psycopg.errors.ForeignKeyViolation)  # noqa: S101 - registered for it alone
    if error.diag.constraint_name not in {
        "api_keys_person_id_fkey",
        "bookings_person_id_fkey",
        "events_host_id_fkey",
        "venues_host_id_fkey",
        "organisations_created_by_fkey",
        "waitlist_entries_person_id_fkey",
        "orders_person_id_fkey",
        "idempotent_requests_person_id_fkey",
        "data_is_of_somebody_there",
    }:
        raise error
    return problem_response(Problem(problems.TOKEN_INVALID, "The token's account does not exist."))

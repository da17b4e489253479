"""The region's key service: the key set (JWKS) for whoever verifies, introspection for who doesn't."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from contracts import problems
from mini_auth.api_keys import ApiKeys, reader_of_api_keys
from mini_auth.callers import Callers
from mini_auth.introspection import introspection_router
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.permissions import PUBLIC, require_declared_permissions
from mini_auth.settings import MiniAuthSettings
from mini_auth.verifier import TokenVerifier
from service_kit.database import create_pool
from service_kit.head_requests import HeadAsGet
from service_kit.health import health_router
from service_kit.problem_responses import Problem, add_problem_handlers
from service_kit.request_limits import BodyLimit

PROCESS = "mini_auth"
# The gateway asks again when it runs out, so this bounds how late a new key is known there.
JWKS_MAX_AGE_SECONDS = 2
MAX_BODY_BYTES = 16 * 1024  # a token in a form


def create_app(settings: MiniAuthSettings) -> FastAPI:
    """The application; its pool and its feed of keys live as long as its lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # 1. The pool; 2. the feed that polls through it. Torn down in the opposite order.
        pool = create_pool(
            settings.reader_database,
            application_name=f"frontrow-{PROCESS}",
            max_size=4,  # the feed's, two of the lookups of API keys, and one to spare
            max_waiting=4,
            statement_timeout_seconds=2.0,
        )
        async with pool, KnowledgeFeed(pool, settings.state_directory) as feed:
            app.state.knowledge_feed = feed
            tokens = TokenVerifier(feed, issuer=settings.token_issuer, audience=settings.token_audience)
            app.state.callers = Callers(tokens, ApiKeys(reader_of_api_keys(pool)), None, feed)
            yield

    app = FastAPI(title="Frontrow keys", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    add_problem_handlers(app)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(HeadAsGet)

    async def readiness() -> tuple[bool, dict[str, Any]]:
        feed: KnowledgeFeed = app.state.knowledge_feed
        return bool(feed.keys), {"keys": len(feed.keys), "age_ms": feed.age_ms}

    health = health_router(process=PROCESS, region=settings.region, readiness=readiness)
    app.include_router(health, dependencies=[Depends(PUBLIC)])
    app.include_router(introspection_router(settings))

    @app.get("/.well-known/jwks.json", dependencies=[Depends(PUBLIC)])
    async def key_set(request: Request) -> JSONResponse:
        """The public keys that verify access tokens (RFC 7517)."""
        feed: KnowledgeFeed = request.app.state.knowledge_feed
        if not feed.keys:
            raise Problem(problems.TEMPORARILY_UNAVAILABLE, "No signing key has reached this region yet.")
        return JSONResponse(feed.jwks(), headers={"Cache-Control": f"public, max-age={JWKS_MAX_AGE_SECONDS}"})

    require_declared_permissions(app)
    return app

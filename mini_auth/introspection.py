"""Token introspection (RFC 7662): what a token or an API key says, for those in the region who don't verify.

Who asks must be an administrator or hold an administrator's key with the scope `tokens:introspect`, since the
answer tells of other people; the gateway sends nobody here.
"""

from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from contracts import problems
from contracts.api_keys import API_KEY_PREFIX
from contracts.token_claims import CLIENT_ID, Identity
from mini_auth.api_keys import ApiKeyRefusedError, ApiKeysUnavailableError
from mini_auth.callers import Callers
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.permissions import INTROSPECT, PUBLIC
from mini_auth.settings import MiniAuthSettings
from mini_auth.verifier import KeysUnavailableError, TokenRefusedError
from service_kit.problem_responses import Problem

MAX_FIELDS = 10
_FORM = "application/x-www-form-urlencoded"


class Introspection(BaseModel):
    """`active` alone where the token is not good; which of all reasons it was is not told."""

    active: bool
    token_type: str | None = None
    client_id: str | None = None
    sub: str | None = None
    roles: list[str] | None = None
    scope: str | None = None
    sid: str | None = None
    jti: str | None = None
    iss: str | None = None
    aud: str | None = None
    iat: int | None = None
    exp: int | None = None


class KnowledgeAges(BaseModel):
    """How fresh what this process knows is, and how much it is."""

    age_ms: int | None
    confirmed_age_ms: int | None
    keys: int
    revocations: int


def introspection_router(settings: MiniAuthSettings) -> APIRouter:
    """The addresses `/introspect` and `/knowledge`."""
    router = APIRouter()

    @router.post("/introspect", response_model_exclude_none=True)
    async def introspect(
        request: Request, response: Response, _: Annotated[Identity, Depends(INTROSPECT)]
    ) -> Introspection:
        """What the token of the form's field `token` says, if it is good now."""
        response.headers["Cache-Control"] = "no-store"
        identity = await _identity_of(request.app.state.callers, await _token_of(request))
        if identity is None:
            return Introspection(active=False)
        return Introspection(active=True, **_said_by(identity, settings))

    @router.get("/knowledge", dependencies=[Depends(PUBLIC)])
    async def knowledge(request: Request) -> KnowledgeAges:
        """How old this region's knowledge of keys and revocations is."""
        feed: KnowledgeFeed = request.app.state.knowledge_feed
        return KnowledgeAges(
            age_ms=feed.age_ms,
            confirmed_age_ms=feed.confirmed_age_ms,
            keys=len(feed.keys),
            revocations=len(feed.knowledge.revocations.by_name),
        )

    return router


async def _token_of(request: Request) -> str:
    """The form's one field `token`. Raises Problem UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise Problem(problems.UNSUPPORTED_MEDIA_TYPE, f"Send a form, as {_FORM}.")
    try:
        fields = parse_qsl((await request.body()).decode("utf-8"), True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Problem(problems.INVALID_REQUEST, "The form could not be read.") from None
    tokens = [value for name, value in fields if name == "token"]
    if len(tokens) != 1:
        raise Problem(problems.INVALID_REQUEST, "The form must have one field named token.")
    return tokens[0]


async def _identity_of(callers: Callers, token: str) -> Identity | None:
    """None where it is not good, for whatever reason. Raises Problem TEMPORARILY_UNAVAILABLE."""
    try:
        if token.startswith(API_KEY_PREFIX):
            return await callers.api_keys.verify(token)
        return callers.tokens.verify(token)
    except (TokenRefusedError, ApiKeyRefusedError):
        return None
    except (KeysUnavailableError, ApiKeysUnavailableError):
        raise Problem(problems.TEMPORARILY_UNAVAILABLE, "The token can't be checked now.") from None


def _said_by(identity: Identity, settings: MiniAuthSettings) -> dict[str, Any]:
    is_key = identity.scopes is not None
    return {
        "token_type": "api_key" if is_key else "Bearer",
        "client_id": CLIENT_ID,
        "sub": str(identity.person_id),
        "roles": sorted(identity.roles),
        "scope": " ".join(sorted(identity.scopes)) if identity.scopes is not None else None,
        "sid": None if identity.session_id is None else str(identity.session_id),
        "jti": identity.token_id,
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "iat": int(identity.issued_at.timestamp()),
        "exp": int(identity.expires_at.timestamp()),
    }

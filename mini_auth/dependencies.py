"""FastAPI dependencies that turn the Authorization header into an Identity, or into a problem answer.

They read `request.app.state.token_verifier`, which the application sets in its lifespan.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from contracts import problems
from contracts.token_claims import ROLES, Identity
from mini_auth.verifier import KeysUnavailableError, TokenRefusedError, TokenVerifier
from service_kit.problem_responses import Problem

# It puts the scheme into the OpenAPI document; the header itself is read below, more strictly.
_DOCUMENTED_SCHEME = HTTPBearer(
    auto_error=False, bearerFormat="JWT", scheme_name="accessToken", description="From `POST /api/v1/login`."
)
_Documented = Annotated[HTTPAuthorizationCredentials | None, Security(_DOCUMENTED_SCHEME)]


async def require_identity(request: Request, _: _Documented = None) -> Identity:
    """Who asks. Raises Problem TOKEN_MISSING, TOKEN_INVALID, or TEMPORARILY_UNAVAILABLE without any key."""
    identity = await optional_identity(request)
    if identity is None:
        raise Problem(problems.TOKEN_MISSING, "Log in, and send 'Authorization: Bearer <access_token>'.")
    return identity


async def optional_identity(request: Request, _: _Documented = None) -> Identity | None:
    """Who asks, or None where no token is sent. A token that is sent must be good: raises as above."""
    headers = request.headers.getlist("authorization")
    if not headers:
        return None
    scheme, _separator, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer" or not token:
        raise _invalid("Send one Authorization header, as 'Bearer <access_token>'.")
    verifier: TokenVerifier = request.app.state.token_verifier
    try:
        return verifier.verify(token)
    except TokenRefusedError as error:
        raise _invalid(str(error)) from None
    except KeysUnavailableError:
        raise Problem(problems.TEMPORARILY_UNAVAILABLE, "No key is known yet to check the token.") from None


def require_role(role: str) -> Callable[..., Awaitable[Identity]]:
    """A dependency for those who have `role`. Raises as `require_identity` does, and Problem FORBIDDEN."""
    if role not in ROLES:
        raise ValueError(f"there is no role {role}")

    async def identity_with_role(identity: Annotated[Identity, Depends(require_identity)]) -> Identity:
        if role not in identity.roles:
            raise Problem(problems.FORBIDDEN, f"This needs an account with the role {role}.")
        return identity

    return identity_with_role


def _invalid(detail: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # RFC 6750, section 3
    return Problem(problems.TOKEN_INVALID, detail, headers=headers)

"""Who may use a route: each route of each application declares exactly one of these permissions.

A permission is a FastAPI dependency. It answers who asks, or refuses with a problem; it reads
`request.app.state.token_verifier`, which the application sets in its lifespan. `require_declared_permissions`
ends the start of an application that has a route without one, so nothing is open by an oversight.
"""

from collections.abc import Collection, Iterator
from typing import Annotated

from fastapi import FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import BaseRoute

from contracts import problems
from contracts.token_claims import ROLES, Identity
from mini_auth.verifier import KeysUnavailableError, TokenRefusedError, TokenVerifier
from service_kit.problem_responses import Problem

# It puts the scheme into the OpenAPI document; the header itself is read below, more strictly.
_DOCUMENTED_SCHEME = HTTPBearer(
    auto_error=False, bearerFormat="JWT", scheme_name="accessToken", description="From `POST /api/v1/login`."
)
_Documented = Annotated[HTTPAuthorizationCredentials | None, Security(_DOCUMENTED_SCHEME)]


class UndeclaredRouteError(Exception):
    """A route declares no permission, or several; the message names it."""


class Permission:
    """What a route declares. `name` is what documentation and the permission table call it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Permission({self.name})"


class Public(Permission):
    """Everybody, whatever they send as a token: it is not even read."""

    async def __call__(self) -> None:
        """Lets everybody through."""


class Anyone(Permission):
    """Everybody; a token that is sent must be good."""

    async def __call__(self, request: Request, _: _Documented = None) -> Identity | None:
        """Who asks, or None. Raises Problem TOKEN_INVALID, or TEMPORARILY_UNAVAILABLE without any key."""
        return _identity(request)


class Person(Permission):
    """Whoever brings a good token, with at least one of `roles` if they are given."""

    def __init__(self, name: str, *, roles: Collection[str] = ()) -> None:
        super().__init__(name)
        self.roles = frozenset(roles)
        if not self.roles <= ROLES:
            raise ValueError(f"there is no role {', '.join(sorted(self.roles - ROLES))}")

    async def __call__(self, request: Request, _: _Documented = None) -> Identity:
        """Who asks. Raises Problem TOKEN_MISSING, FORBIDDEN, and what Anyone raises."""
        identity = _identity(request)
        if identity is None:
            raise Problem(problems.TOKEN_MISSING, "Log in, and send 'Authorization: Bearer <access_token>'.")
        if self.roles and not self.roles & identity.roles:
            wanted = " or ".join(sorted(self.roles))
            raise Problem(problems.FORBIDDEN, f"This needs an account with the role {wanted}.")
        return identity


PUBLIC = Public("public")
ANYONE = Anyone("anyone")
SIGNED_IN = Person("signed-in")
HOST_EVENTS = Person("host-events", roles={"host"})


def declared_permissions(app: FastAPI) -> Iterator[tuple[RouteContext, Permission]]:
    """Each API route of the application with the one permission that it declares.

    Raises UndeclaredRouteError at one that declares none, or several.
    """
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute):
            continue
        declared = {id(one): one for one in _permissions(context.dependant)}
        if len(declared) != 1:
            names = ", ".join(sorted(one.name for one in declared.values())) or "none"
            methods = ",".join(sorted(context.methods or ()))
            raise UndeclaredRouteError(
                f"{methods} {context.path} must declare exactly one permission, and declares {names}"
            )
        yield context, next(iter(declared.values()))


def require_declared_permissions(app: FastAPI, *, public_pages: Collection[BaseRoute] = ()) -> None:
    """Ends the start of an application with a route that declares no permission: UndeclaredRouteError.

    `public_pages` are routes of files, which hold nothing of anybody; the OpenAPI document is one too.
    """
    declared = {id(context.original_route) for context, _ in declared_permissions(app)}
    declared |= {id(route) for route in public_pages}
    for context in iter_route_contexts(app.routes):
        if id(context.original_route) not in declared and context.path != app.openapi_url:
            raise UndeclaredRouteError(f"{context.path} is no API route, so it can't declare a permission")


def _permissions(dependant: Dependant) -> Iterator[Permission]:
    for dependency in dependant.dependencies:
        call: object = dependency.call
        if isinstance(call, Permission):
            yield call
        yield from _permissions(dependency)


def _identity(request: Request) -> Identity | None:
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


def _invalid(detail: str) -> Problem:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # RFC 6750, section 3
    return Problem(problems.TOKEN_INVALID, detail, headers=headers)

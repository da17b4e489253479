"""Who may use a route: each route of each application declares exactly one of these permissions.

A permission is a FastAPI dependency. It answers who asks, or refuses with a problem; it reads
`request.app.state.callers`, which the application sets in its lifespan. `require_declared_permissions` ends
the start of an application that has a route without one, so nothing is open by an oversight. What that means
for every route and every kind of caller is the table in docs/permissions.md, which is executed as a test.
"""

from collections.abc import Collection, Iterator
from typing import Annotated

from fastapi import FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from starlette.routing import BaseRoute

from contracts import problems
from contracts.api_keys import API_KEY_HEADER, Scope
from contracts.token_claims import ROLES, Identity
from mini_auth.callers import Callers, SentHeaders
from mini_auth.guest_links import GUEST_LINK_HEADER
from service_kit.problem_responses import Problem

# They put the schemes into the OpenAPI document; the headers are read in callers.py, more strictly.
_TOKEN_SCHEME = HTTPBearer(
    auto_error=False, bearerFormat="JWT", scheme_name="accessToken", description="From `POST /api/v1/login`."
)
_KEY_SCHEME = APIKeyHeader(
    name=API_KEY_HEADER,
    auto_error=False,
    scheme_name="apiKey",
    description="From `POST /api/v1/api-keys`, with the scope that the address needs.",
)
_LINK_SCHEME = APIKeyHeader(
    name=GUEST_LINK_HEADER,
    auto_error=False,
    scheme_name="guestLink",
    description="From `POST /api/v1/guests`, for the guest's own bookings.",
)
_Token = Annotated[HTTPAuthorizationCredentials | None, Security(_TOKEN_SCHEME)]
_Key = Annotated[str | None, Security(_KEY_SCHEME)]
_Link = Annotated[str | None, Security(_LINK_SCHEME)]


class UndeclaredRouteError(Exception):
    """A route declares no permission, or several; the message names it."""


class Permission:
    """What a route declares. `name` is what documentation and the permission table call it.

    `roles`: it needs at least one of them, any will do if empty. `scope`: what an API key must be allowed;
    None where no key is taken. `is_sensitive`: refused while the knowledge of revocations is too old, as
    administration and payments are.
    """

    takes_guests = False

    def __init__(
        self,
        name: str,
        *,
        roles: Collection[str] = (),
        scope: Scope | None = None,
        is_sensitive: bool = False,
    ) -> None:
        self.name = name
        self.roles = frozenset(roles)
        self.scope = scope
        self.is_sensitive = is_sensitive
        if not self.roles <= ROLES:
            raise ValueError(f"there is no role {', '.join(sorted(self.roles - ROLES))}")

    def __repr__(self) -> str:
        return f"Permission({self.name})"

    async def _allowed(self, request: Request) -> Identity | None:
        """Who asks, if they may; None where nobody says who they are. Raises Problem FORBIDDEN and more."""
        return await self.judge(request.app.state.callers, request.headers)

    async def judge(self, callers: Callers, headers: SentHeaders) -> Identity | None:
        """Who asks, by the headers, if they may; None where nobody says who they are.

        Raises what the dependency raises. For those who answer in front of FastAPI (service_kit.hot_route).
        """
        identity = await callers.identity(headers)
        if identity is None:
            return None
        if identity.is_guest and not self.takes_guests:
            raise Problem(problems.FORBIDDEN, "A guest's link is for the guest's bookings alone.")
        if identity.scopes is not None and (self.scope is None or self.scope not in identity.scopes):
            wanted = f"a key with the scope {self.scope}" if self.scope else "an access token, and no key"
            raise Problem(problems.FORBIDDEN, f"This needs {wanted}.")
        if self.roles and not self.roles & identity.roles:
            wanted = " or ".join(sorted(self.roles))
            raise Problem(problems.FORBIDDEN, f"This needs an account with the role {wanted}.")
        if self.is_sensitive:
            callers.require_fresh_knowledge()
        return identity


class Public(Permission):
    """Everybody, whatever they send as a token or key: it is not even read."""

    async def __call__(self) -> None:
        """Lets everybody through."""


class Anyone(Permission):
    """Everybody; a token or key that is sent must be good, and the key have the scope."""

    async def __call__(self, request: Request, _: _Token = None, __: _Key = None) -> Identity | None:
        """Who asks, or None.

        Raises Problem TOKEN_INVALID, API_KEY_INVALID, FORBIDDEN, and TEMPORARILY_UNAVAILABLE where neither
        can be judged now.
        """
        return await self._allowed(request)


class Person(Permission):
    """Whoever brings a good token, never a key, with at least one of `roles` if they are given."""

    async def __call__(self, request: Request, _: _Token = None) -> Identity:
        """Who asks. Raises Problem TOKEN_MISSING, and what Anyone raises."""
        return _present(await self._allowed(request))


class PersonOrKey(Permission):
    """Whoever brings a good token or a key with the scope; roles count for both, those of now for a key."""

    async def __call__(self, request: Request, _: _Token = None, __: _Key = None) -> Identity:
        """Who asks. Raises Problem TOKEN_MISSING, and what Anyone raises."""
        return _present(await self._allowed(request))


class PersonKeyOrGuest(Permission):
    """Whoever brings a good token, a key with the scope, or a guest's link, which has it."""

    takes_guests = True

    async def __call__(
        self, request: Request, _: _Token = None, __: _Key = None, ___: _Link = None
    ) -> Identity:
        """Who asks. Raises Problem TOKEN_MISSING, and what Anyone raises."""
        return _present(await self._allowed(request))


PUBLIC = Public("public")
BROWSE_EVENTS = Anyone("browse-events", scope="events:read")
HOST_EVENTS = PersonOrKey("host-events", roles={"host"}, scope="events:write")
BOOK = PersonKeyOrGuest("book", scope="bookings:write")
READ_BOOKINGS = PersonKeyOrGuest("read-bookings", scope="bookings:read")
MANAGE_ACCOUNT = Person("manage-account")
MANAGE_SESSIONS = Person("manage-sessions")
MANAGE_API_KEYS = Person("manage-api-keys")
MANAGE_ORGANISATIONS = Person("manage-organisations")
FOUND_ORGANISATIONS = Person("found-organisations", roles={"host"})
INTROSPECT = PersonOrKey("introspect", roles={"admin", "superadmin"}, scope="tokens:introspect")
ADMINISTER = Person("administer", roles={"admin", "superadmin"}, is_sensitive=True)


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


def permission_of(app: FastAPI, method: str, path: str) -> Permission:
    """What the route of this method and path declares. Raises UndeclaredRouteError where there is none."""
    for context, permission in declared_permissions(app):
        if context.path == path and method in (context.methods or ()):
            return permission
    raise UndeclaredRouteError(f"{method} {path} is no route, so it declares no permission")


def _permissions(dependant: Dependant) -> Iterator[Permission]:
    for dependency in dependant.dependencies:
        call: object = dependency.call
        if isinstance(call, Permission):
            yield call
        yield from _permissions(dependency)


def _present(identity: Identity | None) -> Identity:
    if identity is None:
        raise Problem(problems.TOKEN_MISSING, "Log in, and send 'Authorization: Bearer <access_token>'.")
    return identity

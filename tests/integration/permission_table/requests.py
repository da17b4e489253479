"""What is sent to each route: a request that would be right, were it sent by the right caller.

Paths are filled from the cast, by the name of the parameter. To add a route that takes a body, add it here.
"""

import inspect
from collections.abc import Awaitable, Callable
from string import Formatter
from typing import Any

from contracts.api_keys import new_api_key
from tests.integration.permission_table.cast import Cast
from tests.integration.write_api.application import event_body
from tests.people import PASSWORD, unique

Json = dict[str, Any]
Body = Callable[[Cast], Json | Awaitable[Json]]


async def _booking(cast: Cast) -> Json:
    return {"event_id": await cast.event_id(), "quantity": 1}


async def _order(cast: Cast) -> Json:
    return {"items": [await _booking(cast)]}


async def _place_in_line(cast: Cast) -> Json:
    return {"event_id": await cast.sold_out_event_id(), "quantity": 1}


async def _revocation(cast: Cast) -> Json:
    return {"revoke": {"kind": "person", "person_id": await cast.person_id()}}


BODIES: dict[str, Body] = {
    "POST /api/v1/accounts": lambda _: {"email": f"{unique('new')}@example.com", "password": PASSWORD},
    "POST /api/v1/accounts/confirm": lambda cast: {"token": cast.confirmation()},
    "POST /api/v1/accounts/confirm/resend": lambda cast: {"email": cast.person("customer").email},
    "POST /api/v1/password/forgotten": lambda cast: {"email": cast.person("customer").email},
    "POST /api/v1/password/reset": lambda cast: {"token": cast.reset(), "password": f"new {PASSWORD}"},
    "PUT /api/v1/password": lambda _: {"current": PASSWORD, "new": f"new {PASSWORD}"},
    "POST /api/v1/login": lambda cast: {"email": cast.person("customer").email, "password": PASSWORD},
    "POST /api/v1/refresh": lambda cast: {"refresh_token": cast.refresh_token()},
    "POST /api/v1/guests": lambda _: {
        "name": "A guest",
        "email": "g@example.com",
        "phone": "+84 24 3825 3536",
    },
    "POST /api/v1/api-keys": lambda _: {"name": "a key", "scopes": ["events:read"]},
    "DELETE /api/v1/me": lambda _: {"password": PASSWORD},
    "POST /api/v1/events": lambda _: event_body(),
    "POST /api/v1/events/bulk": lambda _: {"events": [event_body()]},
    "PUT /api/v1/events/{event_id}": lambda _: {"name": "mine now"},
    "POST /api/v1/events/{event_id}/ticket-types": lambda _: {
        "name": unique("kind"),
        "price": 1,
        "capacity": 1,
    },
    "PUT /api/v1/events/{event_id}/ticket-types/{ticket_type_id}": lambda _: {"capacity": 1000},
    "POST /api/v1/bookings": _booking,
    "PUT /api/v1/bookings/{booking_id}/attendees": lambda _: {"attendees": [{"name": "Ann"}]},
    "POST /api/v1/orders": _order,
    "POST /api/v1/waitlist": _place_in_line,
    "POST /api/v1/organisations": lambda _: {"name": "ours"},
    "PUT /api/v1/organisations/{organisation_id}": lambda _: {"name": "ours"},
    "PUT /api/v1/organisations/{organisation_id}/members/{person_id}": lambda _: {"role": "scanner"},
    "POST /api/v1/organisations/{organisation_id}/invitations": lambda _: {
        "email": f"{unique('new')}@example.com",
        "role": "staff",
    },
    "POST /api/v1/admin/people/search": lambda cast: {"email": cast.person("customer").email},
    "PUT /api/v1/admin/people/{person_id}/suspension": lambda _: {"reason": "a test"},
    "POST /api/v1/admin/revocations": _revocation,
    "PUT /api/v1/admin/events/{event_id}/deactivation": lambda _: {"reason": "a test"},
    "POST /api/v1/search/events": lambda _: {"text": "music"},
}
FORMS: dict[str, Body] = {"POST /introspect": lambda _: {"token": new_api_key().text}}


async def path_for(route: str, cast: Cast) -> str:
    """The path of `METHOD /path/{parameter}` with what the cast has."""
    path = route.partition(" ")[2]
    names = [name for _, name, _, _ in Formatter().parse(path) if name]
    return path.format(**{name: await getattr(cast, name)() for name in names})


async def content_for(route: str, cast: Cast) -> dict[str, Any]:
    """The body, as an argument of httpx; none where the route takes none."""
    for kind, bodies in (("json", BODIES), ("data", FORMS)):
        if route in bodies:
            body = bodies[route](cast)
            return {kind: await body if inspect.isawaitable(body) else body}
    return {}

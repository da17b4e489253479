"""Who a request comes from, as the gateway tells: the only client that an application believes."""

from fastapi import Request
from starlette.types import Scope

# Envoy drops the header that people send and sets its own: the address before all proxies that we run.
ADDRESS_HEADER = "x-envoy-external-address"


def client_address(request: Request) -> str:
    """The address of whoever sent the request to the outermost of our proxies; of the peer without any."""
    return address_of(request.headers.get(ADDRESS_HEADER), request.scope)


def address_of(told: str | None, scope: Scope) -> str:
    """As `client_address`, where the gateway has `told` this in its header."""
    if told:
        return told
    client: tuple[str, int] | None = scope.get("client")
    return "unknown" if client is None else client[0]

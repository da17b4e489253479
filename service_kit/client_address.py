"""Who a request comes from, as the gateway tells: the only client that an application believes."""

from fastapi import Request

# Envoy drops the header that people send and sets its own: the address before all proxies that we run.
ADDRESS_HEADER = "x-envoy-external-address"


def client_address(request: Request) -> str:
    """The address of whoever sent the request to the outermost of our proxies; of the peer without any."""
    told = request.headers.get(ADDRESS_HEADER)
    if told:
        return told
    return request.client.host if request.client is not None else "unknown"

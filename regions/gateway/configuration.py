"""Envoy's configurations, built as plain data: a region's gateway, and the global load balancer before them.

Envoy's static bootstrap. Routes and filters are in `routes.py`, `places.py` and `filters.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.consistency_token import PASSED_ON_HEADER
from regions.catalogue import Address, Edge
from regions.gateway.filters import http_filters, local_replies, router_filter
from regions.gateway.limits import (
    CONNECTION_BUFFER_BYTES,
    CONNECTION_LIMIT,
    HEADER_COUNT_LIMIT,
    HEADER_LIMIT_KIB,
    HEADERS_SECONDS,
    IDLE_SECONDS,
    REQUEST_SECONDS,
    STREAMS_OF_A_CONNECTION,
)
from regions.gateway.places import nearest_to, places
from regions.gateway.routes import HEALTH_PATH, virtual_host
from regions.gateway.tokens import PERSON_HEADER

Json = dict[str, Any]


@dataclass(frozen=True)
class GatewayAddresses:
    """Where the gateway listens (the first is its own), and where it finds the applications."""

    listeners: tuple[Address, ...]
    admin: Address
    write_api: Address
    read_api: Address
    mini_auth: Address
    other_write_apis: tuple[Address, ...] = ()
    """Those of the other regions, as this region reaches them; any of them may be the writer."""


def gateway_configuration(region: str, addresses: GatewayAddresses, edge: Edge, access_log: str) -> Json:
    """Build the bootstrap of one region's gateway; `access_log` is a file that Envoy appends to."""
    people = {
        "name": "people",
        "virtual_hosts": [virtual_host(edge.allowed_origins)],
        # After the virtual host has removed what people sent by this name.
        "request_headers_to_add": [
            {
                "header": {"key": "x-frontrow-region", "value": region},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        ],
        "response_headers_to_add": [
            {"header": {"key": "x-region", "value": region}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }
    filters = http_filters(addresses.mini_auth, edge)
    return bootstrap(
        node={"id": f"gateway-{region}", "cluster": f"frontrow-{region}"},
        admin=addresses.admin,
        listener=_listener(
            addresses.listeners,
            # With several regions the balancer stands before each gateway (0063).
            connection_manager(
                people,
                filters,
                access_log,
                https=edge.https,
                proxies_before=1 if addresses.other_write_apis else 0,
            ),
        ),
        clusters=[
            _writers(addresses),
            cluster("own_write_api", [[addresses.write_api]], requests=64),
            cluster("read_api", [[addresses.read_api]], requests=1024),
            cluster("mini_auth", [[addresses.mini_auth]], requests=64),
        ],
    )


def balancer_configuration(
    regions: Sequence[str],
    nearest_first: Callable[[str], Sequence[Address]],
    *,
    front_door: Address,
    admin: Address,
    edge: Edge,
    access_log: str,
) -> Json:
    """Build the bootstrap of the global load balancer, which sends people to the nearest healthy gateway.

    `nearest_first` gives the gateways that people at a region's place should try, in that order.
    """
    people = {"name": "people", "virtual_hosts": [places(regions)]}
    manager = connection_manager(people, [router_filter()], access_log, https=edge.https)
    return bootstrap(
        node={"id": "balancer", "cluster": "frontrow"},
        admin=admin,
        listener=_listener((front_door,), manager),
        clusters=[
            # With no gateway healthy at all, trying one is better than refusing everybody: panic stays on.
            cluster(
                nearest_to(region),
                [[gateway] for gateway in nearest_first(region)],
                requests=CONNECTION_LIMIT,
                health_path=HEALTH_PATH,
            )
            for region in regions
        ],
    )


def bootstrap(*, node: Json, admin: Address, listener: Json, clusters: Sequence[Json]) -> Json:
    """Join the parts of a static configuration."""
    return {
        "node": node,
        "admin": {"address": socket_address(admin)},
        "overload_manager": _overload_manager(),
        "static_resources": {"listeners": [listener], "clusters": list(clusters)},
    }


def socket_address(address: Address) -> Json:
    """Render an address."""
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _writers(addresses: GatewayAddresses) -> Json:
    """Writes go to whichever write_api says that it is the writer; to none if none does."""
    if not addresses.other_write_apis:
        return cluster("write_api", [[addresses.write_api]], requests=1024)
    any_of = [addresses.write_api, *addresses.other_write_apis]
    return {
        **cluster("write_api", [any_of], requests=1024, health_path=HEALTH_PATH),
        # A standby can only refuse: with no writer the gateway says so itself.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }


def health_check(path: str) -> Json:
    """Render an active check: a bad answer counts at once, silence or a refused connection twice."""
    interval = "1s"
    return {
        "timeout": "1s",
        "interval": interval,
        "no_traffic_interval": interval,
        "no_traffic_healthy_interval": interval,
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": path},
    }


def cluster(
    name: str, priorities: Sequence[Sequence[Address]], requests: int, health_path: str | None = None
) -> Json:
    """Render an application with its limits; what is over them is answered 503 at once.

    A group of addresses is used only while all of the groups before it are unhealthy.
    """
    checks = {"health_checks": [health_check(health_path)]} if health_path else {}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.5s",
        **checks,
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [
                {
                    "priority": priority,
                    "lb_endpoints": [{"endpoint": {"address": socket_address(one)}} for one in group],
                }
                for priority, group in enumerate(priorities)
            ],
        },
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": requests,
                    "max_pending_requests": requests,
                    "max_requests": requests,
                    "max_retries": 16,
                }
            ]
        },
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER_BYTES,
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                # Shorter than the applications' keep-alive, so that we never write into a closing connection.
                "common_http_protocol_options": {"idle_timeout": "3s"},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _overload_manager() -> Json:
    return {
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors."
                    "downstream_connections.v3.DownstreamConnectionsConfig",
                    "max_active_downstream_connections": CONNECTION_LIMIT,
                },
            }
        ]
    }


def _listener(listeners: tuple[Address, ...], manager: Json) -> Json:
    first, *others = listeners
    return {
        "name": "people",
        "address": socket_address(first),
        "additional_addresses": [{"address": socket_address(other)} for other in others],
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER_BYTES,
        "filter_chains": [
            {
                "filters": [
                    {
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": manager,
                    }
                ]
            }
        ],
    }


def connection_manager(
    routes: Json, filters: Sequence[Json], access_log: str, *, https: bool, proxies_before: int = 0
) -> Json:
    """Render how people's connections are handled: limits, one spelling of each path, our own answers.

    Of the addresses that a request names, those of `proxies_before` proxies of ours are believed.
    """
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "people",
        # Nobody's own claims about addresses or the request's history are believed.
        "use_remote_address": True,
        "xff_num_trusted_hops": proxies_before,
        "generate_request_id": True,
        "preserve_external_request_id": False,
        # No answer says by which programs it was made.
        "server_header_transformation": "PASS_THROUGH",
        # One spelling for each path, so that no rule below can be walked around.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "strip_any_host_port": True,
        "max_request_headers_kb": HEADER_LIMIT_KIB,
        "common_http_protocol_options": {
            "idle_timeout": f"{IDLE_SECONDS}s",
            "max_headers_count": HEADER_COUNT_LIMIT,
            "headers_with_underscores_action": "REJECT_REQUEST",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": STREAMS_OF_A_CONNECTION,
            "initial_stream_window_size": 65536,
            "initial_connection_window_size": CONNECTION_BUFFER_BYTES,
        },
        "request_headers_timeout": f"{HEADERS_SECONDS}s",
        "request_timeout": f"{REQUEST_SECONDS}s",
        "stream_idle_timeout": f"{IDLE_SECONDS}s",
        "delayed_close_timeout": "1s",
        "early_header_mutation_extensions": [_without_words_of_ours()],
        "access_log": [_access_log(access_log)],
        "local_reply_config": local_replies(https=https),
        "route_config": routes,
        "http_filters": list(filters),
    }


def _without_words_of_ours() -> Json:
    """What routes and limits go by is taken from requests as they come in; a redirect of ours keeps it."""
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3."
            "HeaderMutation",
            "mutations": [{"remove": PASSED_ON_HEADER}, {"remove": PERSON_HEADER}],
        },
    }


def _access_log(path: str) -> Json:
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {
                "json_format": {
                    "at": "%START_TIME%",
                    "request_id": "%REQ(X-REQUEST-ID)%",
                    "method": "%REQ(:METHOD)%",
                    # Without the query: what people search for is nobody's business in a log.
                    "path": "%PATH(NQ)%",
                    "status": "%RESPONSE_CODE%",
                    "detail": "%RESPONSE_CODE_DETAILS%",
                    "flags": "%RESPONSE_FLAGS%",
                    "duration_ms": "%DURATION%",
                    "received_bytes": "%BYTES_RECEIVED%",
                    "sent_bytes": "%BYTES_SENT%",
                    "application": "%UPSTREAM_CLUSTER%",
                    "retries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                    "address": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
                }
            },
        },
    }

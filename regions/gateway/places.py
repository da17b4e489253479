"""Which region's gateway the global load balancer sends a request to, and when it tries the next.

Where a person is, the header `X-Client-Place` says by a region's name; in production the balancer's own
knowledge of addresses stands in its place. Without it, or with an unknown one, the first region is near.
"""

from collections.abc import Sequence
from typing import Any

from regions.gateway.routes import READ_SECONDS, STREAM_SECONDS, WRITE_SECONDS

Json = dict[str, Any]

PLACE_HEADER = "x-client-place"
TRY_SECONDS = 2.5
"""How long a region may be silent before a read is tried in the next; most answers take a hundredth of it."""
_NEXT_REGION = {
    "name": "envoy.retry_priorities.previous_priorities",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3."
        "PreviousPrioritiesConfig",
        "update_frequency": 1,
    },
}


def nearest_to(region: str) -> str:
    """Name the cluster whose first gateway is that of a region."""
    return f"nearest_to_{region}"


def places(regions: Sequence[str]) -> Json:
    """Build the routes of people at each region's place, the first that matches wins."""
    everywhere = [{"name": PLACE_HEADER, "string_match": {"exact": region}} for region in regions]
    return {
        "name": "people",
        "domains": ["*"],
        "include_request_attempt_count": False,
        "routes": [
            route
            for region, place in zip([*regions, regions[0]], [*everywhere, None], strict=True)
            for route in _routes(nearest_to(region), [place] if place else [])
        ],
    }


def _routes(cluster: str, place: Sequence[Json]) -> list[Json]:
    def match(path: Json, *methods: str) -> Json:
        pattern = {"safe_regex": {"regex": "|".join(methods)}}
        method = [{"name": ":method", "string_match": pattern}] if methods else []
        return {**path, "headers": [*method, *place]}

    stream = match({"safe_regex": {"regex": r"/api/v1/events/\d+/availability"}}, "GET")
    return [
        {"match": stream, "route": _route(cluster, STREAM_SECONDS, "connect-failure")},
        {"match": match({"path": "/api/v1/search/events"}, "POST"), "route": _read(cluster)},
        {"match": match({"prefix": "/"}, "GET", "HEAD"), "route": _read(cluster)},
        # Writes are sent again only if no connection was made: nothing can have happened.
        {"match": match({"prefix": "/"}), "route": _route(cluster, WRITE_SECONDS + 1, "connect-failure")},
    ]


def _read(cluster: str) -> Json:
    """A read that a region does not answer is tried in the next ones."""
    route = _route(cluster, 2 * READ_SECONDS, "connect-failure,refused-stream,reset,retriable-status-codes")
    route["retry_policy"] |= {"per_try_timeout": f"{TRY_SECONDS}s", "retriable_status_codes": [503, 504]}
    return route


def _route(cluster: str, timeout_seconds: float, retry_on: str) -> Json:
    return {
        "cluster": cluster,
        "timeout": f"{timeout_seconds}s",
        "retry_policy": {
            "retry_on": retry_on,
            "num_retries": 2,
            "retry_priority": _NEXT_REGION,
            "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
        },
    }

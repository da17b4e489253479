"""Which request goes to which application, with which timeout, retries and body limit."""

from collections.abc import Sequence
from typing import Any

from contracts.consistency_token import PASSED_ON_HEADER
from regions.gateway.browsers import other_origins
from regions.gateway.limits import BULK_BODY_LIMIT_BYTES
from regions.gateway.tokens import PERSON_HEADER

Json = dict[str, Any]

READ_SECONDS = 5
WRITE_SECONDS = 15
STREAM_SECONDS = 3600
PASSED_ON_SECONDS = 2
"""With the 0.2 s that read_api has waited before, less than the balancer gives a region."""
HEALTH_SECONDS = 1
HEALTH_PATH = "/health/ready"
"""At a gateway: whether the region can answer reads. At write_api: whether it is the writer."""
SEARCH_PATHS = ("/api/v1/search/events", "/api/v1/search", "/api/v1/events")

IDENTITY_HEADERS = (
    PERSON_HEADER,
    "x-frontrow-roles",
    "x-frontrow-region",
    "x-frontrow-forwarded",
    "x-user-id",
    "x-person-id",
    "x-sub",
    "x-roles",
    "x-jwt-payload",
    "x-forwarded-client-cert",
    "x-forwarded-user",
    "x-remote-user",
    "x-original-url",
    "x-rewrite-url",
    "x-envoy-original-path",
    "x-envoy-original-host",
)
"""Headers that could be taken for our own word about who calls; from outside they mean nothing."""


def virtual_host(allowed_origins: Sequence[str]) -> Json:
    """Build the routes, the first that matches wins; what matches none is answered 404 by read_api."""
    return {
        "name": "people",
        "domains": ["*"],
        "request_headers_to_remove": list(IDENTITY_HEADERS),
        "include_request_attempt_count": False,
        "typed_per_filter_config": {"envoy.filters.http.cors": other_origins(allowed_origins)},
        "routes": [
            _refused_tunnel(),
            _refused_spelling(),
            _passed_on(_below("/api/v1", "GET", "HEAD")),
            _read(_exact("/.well-known/jwks.json", "GET", "HEAD"), "mini_auth"),
            _health(_exact(HEALTH_PATH, "GET"), "read_api"),
            _read(_exact("/openapi/write.json", "GET", "HEAD"), "own_write_api"),
            _write(_exact("/api/v1/login", "POST")),
            _write(_exact("/api/v1/refresh", "POST")),
            _write(_below("/api/v1/logout", "POST")),
            _read(_below("/api/v1/sessions", "GET", "HEAD"), "write_api"),
            _write(_below("/api/v1/sessions", "DELETE")),
            _read(_below("/api/v1/me", "GET", "HEAD"), "write_api"),
            _write(_below("/api/v1/me", "DELETE")),
            _write(_below("/api/v1/accounts", "POST")),
            _write(_below("/api/v1/password", "POST", "PUT")),
            _write(_exact("/api/v1/guests", "POST")),
            _read(_below("/api/v1/api-keys", "GET", "HEAD"), "write_api"),
            _write(_below("/api/v1/api-keys", "POST", "DELETE")),
            _read(_below("/api/v1/organisations", "GET", "HEAD"), "write_api"),
            _write(_below("/api/v1/organisations", "POST", "PUT", "DELETE")),
            _read(_below("/api/v1/invitations", "GET", "HEAD"), "write_api"),
            _write(_below("/api/v1/invitations", "POST", "DELETE")),
            _read(_below("/api/v1/admin", "GET", "HEAD"), "write_api"),
            _write(_below("/api/v1/admin")),
            _bulk(_exact("/api/v1/events/bulk", "POST")),
            _write(_below("/api/v1/events", "POST", "PUT", "PATCH", "DELETE")),
            _read_or_pass_on(_below("/api/v1/bookings", "GET", "HEAD")),
            _write(_below("/api/v1/bookings")),
            _read_or_pass_on(_below("/api/v1/orders", "GET", "HEAD")),
            _write(_below("/api/v1/orders")),
            _read_or_pass_on(_below("/api/v1/waitlist", "GET", "HEAD")),
            _write(_below("/api/v1/waitlist", "POST", "DELETE")),
            _stream(_pattern(r"/api/v1/events/\d+/availability", "GET")),
            *(_search(_exact(path)) for path in SEARCH_PATHS),
            _read_or_pass_on(_below("/api/v1/events", "GET", "HEAD")),
            _read({"prefix": "/"}, "read_api"),
        ],
    }


def _refused_tunnel() -> Json:
    """Refuse CONNECT at once; its stream has no end, for which the body limit would wait."""
    return {
        "match": {"connect_matcher": {}},
        "direct_response": {"status": 403},
        "typed_per_filter_config": {
            "envoy.filters.http.buffer": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
                "disabled": True,
            }
        },
    }


def _refused_spelling() -> Json:
    """Refuse a path that still has an escaped ASCII character after Envoy has written it in its one way.

    An application would decode it, and see another path than the rules here did; no path of ours needs one.
    """
    return {"match": _pattern(r".*%[0-7][0-9A-Fa-f].*"), "direct_response": {"status": 400}}


def _methods(methods: Sequence[str]) -> Json:
    if not methods:
        return {}
    pattern = {"safe_regex": {"regex": "|".join(methods)}}
    return {"headers": [{"name": ":method", "string_match": pattern}]}


def _exact(path: str, *methods: str) -> Json:
    return {"path": path, **_methods(methods)}


def _below(path: str, *methods: str) -> Json:
    """Match a path and everything below it, but not `/api/v1/eventsomething`."""
    return {"path_separated_prefix": path, **_methods(methods)}


def _pattern(regex: str, *methods: str) -> Json:
    return {"safe_regex": {"regex": regex}, **_methods(methods)}


def _read(match: Json, application: str) -> Json:
    """Reads may be sent again: on a failed connection, a reset or a 503."""
    return {
        "match": match,
        "route": {
            "cluster": application,
            "timeout": f"{READ_SECONDS}s",
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
                "retriable_status_codes": [503],
                "num_retries": 2,
                "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
            },
        },
    }


def _read_or_pass_on(match: Json) -> Json:
    """A read that the region's reader can't answer yet, for what the request asks, is asked of the primary.

    read_api says so by a redirect that is followed in here, with the request's own headers and all checks of
    a request. Its word for it is a header that nobody can bring from outside (see configuration.py).
    """
    route = _read(match, "read_api")
    route["route"]["internal_redirect_policy"] = {
        "max_internal_redirects": 1,
        "redirect_response_codes": [307],
        "response_headers_to_copy": [PASSED_ON_HEADER],
        "allow_cross_scheme_redirect": True,
    }
    return route


def _passed_on(match: Json) -> Json:
    """What read_api has passed on to the writer; a second attempt only if no connection was made."""
    said_so = {"name": PASSED_ON_HEADER, "present_match": True}
    return {
        "match": {**match, "headers": [*match["headers"], said_so]},
        "route": {
            "cluster": "write_api",
            "timeout": f"{PASSED_ON_SECONDS}s",
            "retry_policy": {"retry_on": "connect-failure", "num_retries": 1},
        },
    }


def _search(match: Json) -> Json:
    """A search that was refused has waited for the index already: it is not sent again here."""
    route = _read(match, "read_api")
    route["route"]["retry_policy"] |= {"retry_on": "connect-failure,refused-stream,reset"}
    return route


def _health(match: Json, application: str) -> Json:
    """Asked every second: an answer that is late or negative is the answer."""
    return {
        "match": match,
        "route": {
            "cluster": application,
            "timeout": f"{HEALTH_SECONDS}s",
            "retry_policy": {"retry_on": "connect-failure", "num_retries": 1},
        },
    }


def _write(match: Json) -> Json:
    """Writes are sent again only if no connection was made: nothing can have happened."""
    return {
        "match": match,
        "route": {
            "cluster": "write_api",
            "timeout": f"{WRITE_SECONDS}s",
            "retry_policy": {
                "retry_on": "connect-failure",
                "num_retries": 3,
                "retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"},
            },
        },
    }


def _bulk(match: Json) -> Json:
    return {
        **_write(match),
        "typed_per_filter_config": {"envoy.filters.http.buffer": body_limit(BULK_BODY_LIMIT_BYTES)},
    }


def _stream(match: Json) -> Json:
    """Answers that go on for long; an idle one is ended by the stream's idle timeout."""
    return {
        "match": match,
        "route": {
            "cluster": "read_api",
            "timeout": f"{STREAM_SECONDS}s",
            "retry_policy": {"retry_on": "connect-failure", "num_retries": 2},
        },
    }


def body_limit(limit_bytes: int) -> Json:
    """Render a route's own limit of the request body."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
        "buffer": {"max_request_bytes": limit_bytes},
    }

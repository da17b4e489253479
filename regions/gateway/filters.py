"""What every request passes at the gateway (token check, body limit), and the gateway's own answers."""

from typing import Any

from contracts import problems
from contracts.api_keys import API_KEY_HEADER
from contracts.consistency_token import NOT_CAUGHT_UP, PASSED_ON_HEADER
from contracts.problems import ProblemType
from contracts.token_claims import MAX_ACCESS_TOKEN_SECONDS
from regions.catalogue import Address
from regions.gateway.routes import BODY_LIMIT_BYTES

Json = dict[str, Any]

TOKEN_ISSUER = "https://frontrow.local"  # noqa: S105
TOKEN_AUDIENCE = "frontrow-api"  # noqa: S105
_PROVIDER = "frontrow"

# Envoy's own bodies of these are empty or repeat the status; the details name what was wrong.
_NOT_TAKEN = "The gateway could not take the request: %RESPONSE_CODE_DETAILS%."
_NO_WRITER = "No region can take writes now; nothing was changed. Searches and pages are answered."


def http_filters(mini_auth: Address) -> list[Json]:
    """Build the filters in the order in which a request passes them."""
    return [
        {"name": "envoy.filters.http.jwt_authn", "typed_config": _token_check(mini_auth)},
        {
            "name": "envoy.filters.http.buffer",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
                "max_request_bytes": BODY_LIMIT_BYTES,
            },
        },
        router_filter(),
    ]


def router_filter() -> Json:
    """Build the last filter, which sends the request on."""
    return {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            # An `x-envoy-...` header from outside must not change timeouts or retries.
            "respect_expected_rq_timeout": False,
            "suppress_envoy_headers": True,
            "strict_check_headers": [
                "x-envoy-upstream-rq-timeout-ms",
                "x-envoy-upstream-rq-per-try-timeout-ms",
                "x-envoy-max-retries",
                "x-envoy-retry-on",
                "x-envoy-retry-grpc-on",
            ],
        },
    }


def _token_check(mini_auth: Address) -> Json:
    """A token is required where nobody may go without one; elsewhere a bad one is still refused.

    The applications check again by themselves: this is the first gate, not the only one.
    """
    writes = {
        "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": "POST|PUT|PATCH|DELETE"}}}]
    }
    with_key = {"headers": [{"name": API_KEY_HEADER, "present_match": True}]}
    required = {"provider_name": _PROVIDER}
    optional = {"requires_any": {"requirements": [required, {"allow_missing": {}}]}}
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {
            _PROVIDER: {
                "issuer": TOKEN_ISSUER,
                "audiences": [TOKEN_AUDIENCE],
                "remote_jwks": {
                    "http_uri": {
                        "uri": f"http://{mini_auth}/.well-known/jwks.json",
                        "cluster": "mini_auth",
                        "timeout": "1s",
                    },
                    "cache_duration": "2s",
                    "async_fetch": {"failed_refetch_duration": "1s"},
                },
                "forward": True,
                "require_expiration": True,
                "max_lifetime": f"{MAX_ACCESS_TOKEN_SECONDS}s",
                "clock_skew_seconds": 5,
                "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
            }
        },
        "rules": [
            # Whoever refreshes may well send along the token that has expired.
            {"match": {"path": "/api/v1/refresh"}},
            # No key manages keys or sessions. Elsewhere an API key may stand in a token's place; only the
            # applications can tell whether it is good, and they refuse it beside a token.
            {"match": {"path_separated_prefix": "/api/v1/api-keys"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/sessions"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/logout"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/me"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1", **with_key}, "requires": optional},
            {"match": {"path_separated_prefix": "/api/v1/bookings"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/events", **writes}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1"}, "requires": optional},
        ],
    }


def local_replies() -> Json:
    """Turn Envoy's own answers into problem documents (RFC 9457), the same that the applications give."""
    return {
        "mappers": [
            _reply(_passed_on_in_vain(), problems.TEMPORARILY_UNAVAILABLE, NOT_CAUGHT_UP),
            _reply(_without_token(401), problems.TOKEN_MISSING),
            _reply(_status(401), problems.TOKEN_INVALID),
            _reply(_with_token(403), problems.TOKEN_INVALID),  # signed by us, for somebody else
            _reply(_status(403), problems.FORBIDDEN, "Connections are neither upgraded nor tunnelled here."),
            _reply(_status(404), problems.NOT_FOUND),
            _reply(_status(408), problems.REQUEST_TOO_SLOW),
            _reply(_status(413), problems.BODY_TOO_LARGE),
            _reply(_status(426), problems.UPGRADE_REQUIRED),
            _reply(_status(429), problems.TOO_MANY_REQUESTS),
            _reply(_status(431), problems.HEADERS_TOO_LARGE),
            _reply(_nobody_healthy(), problems.TEMPORARILY_UNAVAILABLE, _NO_WRITER),
            _reply(_status(501), problems.NOT_IMPLEMENTED, _NOT_TAKEN),
            _reply(_status(503), problems.TEMPORARILY_UNAVAILABLE),
            _reply(_status(504), problems.UPSTREAM_TIMEOUT),
            _reply(_status(502), problems.TEMPORARILY_UNAVAILABLE),
            _reply(_status(400), problems.MALFORMED_REQUEST, _NOT_TAKEN),
        ],
        "body_format": _body(problems.INTERNAL_ERROR),
    }


def _reply(condition: Json, kind: ProblemType, detail: str = "%LOCAL_REPLY_BODY%") -> Json:
    retried_later = [{"header": {"key": "retry-after", "value": "1"}}] if kind.status in {429, 503} else []
    return {
        "filter": condition,
        "status_code": kind.status,
        "body_format_override": _body(kind, detail),
        "headers_to_add": retried_later,
    }


def _body(kind: ProblemType, detail: str = "%LOCAL_REPLY_BODY%") -> Json:
    return {
        "json_format": {
            "type": kind.uri,
            "title": kind.title,
            "status": "%RESPONSE_CODE%",
            "detail": detail,
            "request_id": "%REQ(X-REQUEST-ID)%",
        },
        "content_type": problems.PROBLEM_MEDIA_TYPE,
    }


def _status(status: int) -> Json:
    comparison = {"op": "EQ", "value": {"default_value": status, "runtime_key": f"problem.{status}"}}
    return {"status_code_filter": {"comparison": comparison}}


def _nobody_healthy() -> Json:
    """Match an answer to a request for which no healthy application was known; only writers are checked."""
    return {"response_flag_filter": {"flags": ["UH"]}}


def _passed_on_in_vain() -> Json:
    """Match an answer of 5xx to a read that was passed on to a writer: none is known, or none answers."""
    at_least = {"op": "GE", "value": {"default_value": 500, "runtime_key": "problem.passed_on"}}
    passed_on = {"header": {"name": PASSED_ON_HEADER, "present_match": True}}
    return {
        "and_filter": {
            "filters": [{"status_code_filter": {"comparison": at_least}}, {"header_filter": passed_on}]
        }
    }


def _without_token(status: int) -> Json:
    """Match an answer to a request that brought no token at all."""
    return {"and_filter": {"filters": [_status(status), _authorization_present(invert=True)]}}


def _with_token(status: int) -> Json:
    """Match an answer to a request that brought a token, whatever it is worth."""
    return {"and_filter": {"filters": [_status(status), _authorization_present(invert=False)]}}


def _authorization_present(*, invert: bool) -> Json:
    header = {"name": "authorization", "present_match": True, "invert_match": invert}
    return {"header_filter": {"header": header}}

"""What every request passes at the gateway, in order, and the gateway's own answers."""

from typing import Any

from contracts import problems
from contracts.consistency_token import NOT_CAUGHT_UP, PASSED_ON_HEADER
from contracts.problems import ProblemType
from regions.catalogue import Address, Edge
from regions.gateway.browsers import answer_headers, nothing_of_people_is_stored, security_headers
from regions.gateway.limits import BODY_LIMIT_BYTES, limit_of_addresses, limit_of_persons
from regions.gateway.tokens import (
    ROLE_CHECK,
    ROLE_RULES,
    refused_by,
    role_check,
    token_check,
)

Json = dict[str, Any]

# Envoy's own bodies of these are empty or repeat the status; the details name what was wrong.
_NOT_TAKEN = "The gateway could not take the request: %RESPONSE_CODE_DETAILS%."
_NO_WRITER = "No region can take writes now; nothing was changed. Searches and pages are answered."
_TOO_MANY = "More requests come from this address or account than are taken. Try again in a second."


def http_filters(mini_auth: Address, edge: Edge) -> list[Json]:
    """Build the filters in the order in which a request passes them; an answer passes them in reverse.

    Each is cheaper than the next: who asks too much is refused before a signature is verified.
    """
    times = edge.request_limits_times
    cors = {"@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors"}
    buffer = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
        "max_request_bytes": BODY_LIMIT_BYTES,
    }
    return [
        {"name": "security-headers", "typed_config": security_headers(https=edge.https)},
        {"name": "no-store", "typed_config": nothing_of_people_is_stored()},
        {"name": "envoy.filters.http.cors", "typed_config": cors},
        {"name": "limit-of-addresses", "typed_config": limit_of_addresses(times)},
        {"name": "envoy.filters.http.jwt_authn", "typed_config": token_check(mini_auth)},
        {"name": ROLE_CHECK, "typed_config": role_check()},
        {"name": "limit-of-persons", "typed_config": limit_of_persons(times)},
        {"name": "envoy.filters.http.buffer", "typed_config": buffer},
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


def local_replies(*, https: bool) -> Json:
    """Turn Envoy's own answers into problem documents (RFC 9457), the same that the applications give."""
    replies = [
        *(_reply(refused_by(rule), problems.FORBIDDEN, rule.refusal) for rule in ROLE_RULES),
        _reply(_passed_on_in_vain(), problems.TEMPORARILY_UNAVAILABLE, NOT_CAUGHT_UP),
        _reply(_without_token(401), problems.TOKEN_MISSING),
        _reply(_status(401), problems.TOKEN_INVALID),
        _reply(_with_token(403), problems.TOKEN_INVALID),  # signed by us, for somebody else
        _reply(_status(403), problems.FORBIDDEN, "Connections are neither upgraded nor tunnelled here."),
        _reply(_status(404), problems.NOT_FOUND),
        _reply(_status(408), problems.REQUEST_TOO_SLOW),
        _reply(_status(413), problems.BODY_TOO_LARGE),
        _reply(_status(426), problems.UPGRADE_REQUIRED),
        _reply(_status(429), problems.TOO_MANY_REQUESTS, _TOO_MANY),
        _reply(_status(431), problems.HEADERS_TOO_LARGE),
        _reply(_nobody_healthy(), problems.TEMPORARILY_UNAVAILABLE, _NO_WRITER),
        _reply(_status(501), problems.NOT_IMPLEMENTED, _NOT_TAKEN),
        _reply(_status(503), problems.TEMPORARILY_UNAVAILABLE),
        _reply(_status(504), problems.UPSTREAM_TIMEOUT),
        _reply(_status(502), problems.TEMPORARILY_UNAVAILABLE),
        _reply(_status(400), problems.MALFORMED_REQUEST, _NOT_TAKEN),
    ]
    # What was refused before any filter saw it has no other chance of these headers.
    told = answer_headers(https=https)
    for reply in replies:
        reply["headers_to_add"] = [*reply["headers_to_add"], *told]
    return {"mappers": replies, "body_format": _body(problems.INTERNAL_ERROR)}


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

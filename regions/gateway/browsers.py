"""What browsers are told: which other origins may call, and what an answer must not be used for."""

from collections.abc import Sequence
from typing import Any

from contracts.consistency_token import CONSISTENCY_HEADER
from regions.gateway.tokens import OTHER_CREDENTIALS

Json = dict[str, Any]

PREFLIGHT_SECONDS = 600
HTTPS_SECONDS = 365 * 24 * 3600
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "accept-language",
    "idempotency-key",
    "if-match",
    "if-none-match",
    CONSISTENCY_HEADER.lower(),
    *OTHER_CREDENTIALS,
)
_RESPONSE_HEADERS = (
    CONSISTENCY_HEADER,
    "X-Data-Age-Ms",
    "X-Durability",
    "X-Region",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)


def other_origins(allowed: Sequence[str]) -> Json:
    """Let pages of these origins call; without cookies, since who calls is said by headers alone."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": origin} for origin in allowed],
        "allow_methods": _METHODS,
        "allow_headers": ", ".join(_REQUEST_HEADERS),
        "expose_headers": ", ".join(_RESPONSE_HEADERS),
        "max_age": str(PREFLIGHT_SECONDS),
        "allow_credentials": False,
        # Who may not call is told so here, by an answer that allows nothing; no application is asked.
        "forward_not_matching_preflights": False,
    }


def answer_headers(*, https: bool) -> list[Json]:
    """Build what each answer says, where the application has not said so itself.

    `https` is whether people arrive by TLS: only then may a browser be told to come by nothing else.
    """
    told = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    }
    if https:
        told["strict-transport-security"] = f"max-age={HTTPS_SECONDS}; includeSubDomains"
    return [
        {"header": {"key": key, "value": value}, "append_action": "ADD_IF_ABSENT"}
        for key, value in told.items()
    ]


def security_headers(*, https: bool) -> Json:
    """Build the filter that adds them, and takes away what tells of our programs."""
    added = [{"append": one} for one in answer_headers(https=https)]
    # Whether a page may read an answer depends on where the page is from; a cache has to know.
    by_origin = {"header": {"key": "vary", "value": "Origin"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}
    added.append({"append": by_origin})
    return _mutation([*added, {"remove": "server"}, {"remove": "x-powered-by"}])


def nothing_of_people_is_stored() -> Json:
    """Build the filter by which no cache keeps an answer to somebody who said who they are.

    What such an answer shows may be theirs alone, whatever the application says of the page.
    """
    no_store = {"header": {"key": "cache-control", "value": "no-store"}}
    return {
        "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        "extension_config": {
            "name": "envoy.filters.http.header_mutation",
            "typed_config": _mutation(
                [{"append": {**no_store, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}]
            ),
        },
        "xds_matcher": {
            "matcher_list": {
                "matchers": [
                    {
                        "predicate": {
                            "not_matcher": {
                                "or_matcher": {"predicate": [_brings(name) for name in _SAYS_WHO]}
                            }
                        },
                        "on_match": {
                            "action": {
                                "name": "skip",
                                "typed_config": {
                                    "@type": "type.googleapis.com/envoy.extensions.filters.common."
                                    "matcher.action.v3.SkipFilter"
                                },
                            }
                        },
                    }
                ]
            }
        },
    }


_SAYS_WHO = ("authorization", *OTHER_CREDENTIALS)


def _brings(header: str) -> Json:
    return {
        "single_predicate": {
            "input": {
                "name": header,
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                    "header_name": header,
                },
            },
            "value_match": {"safe_regex": {"google_re2": {}, "regex": ".*"}},
        }
    }


def _mutation(mutations: Sequence[Json]) -> Json:
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        "mutations": {"response_mutations": list(mutations)},
    }

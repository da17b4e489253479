"""How much anybody may ask of a gateway: sizes, times, numbers of headers, and requests a second.

The one place of these numbers; each says why. A region counts for itself, in its gateway's memory.
"""

import math
from dataclasses import dataclass
from typing import Any

from regions.gateway.tokens import PERSON_HEADER

Json = dict[str, Any]

BODY_LIMIT_BYTES = 1 << 20
"""An event with all of its texts is some 100 KB."""
BULK_BODY_LIMIT_BYTES = 4 << 20
HEADER_LIMIT_KIB = 32
"""A token has at most 8 KB, cookies of other applications of the same site some more."""
HEADER_COUNT_LIMIT = 64
"""Browsers and proxies send some 25."""
CONNECTION_LIMIT = 4096
CONNECTION_BUFFER_BYTES = 1 << 20
HEADERS_SECONDS = 10
"""Until a request's headers have arrived; who sends a byte now and then holds a connection no longer."""
REQUEST_SECONDS = 30
"""Until a request has arrived whole: 1 MB by a slow mobile network. Answers may stream for longer."""
IDLE_SECONDS = 75
"""Of connections and streams: long polls and event streams send something at least each 30 s."""
STREAMS_OF_A_CONNECTION = 100
"""Of HTTP/2: more than a page asks for at once, and 4,096 connections stay a bound."""
COUNTED_AT_ONCE = 10_000
"""Addresses, and persons, that are counted; who was not seen for longest is forgotten: some 10 MB."""


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """So many requests at once, and so many a second from then on."""

    at_once: int
    per_second: int


OF_ADDRESS = RequestLimit(at_once=2000, per_second=500)
"""An address may be a campus or a mobile network: 2,000 people who each ask every four seconds."""
OF_PERSON = RequestLimit(at_once=300, per_second=50)
"""A page asks some ten things at once; a person has a few devices, a gate's scanner scans three a second."""


def limit_of_addresses(times: int) -> Json:
    """Count requests by the address that the request came from: of IPv6, the network of a household."""
    masked = {"v4_prefix_mask_len": 32, "v6_prefix_mask_len": 64}
    return _limit("address", "masked_remote_address", {"masked_remote_address": masked}, OF_ADDRESS, times)


def limit_of_persons(times: int) -> Json:
    """Count requests by the person whom the verified token names; who brings none is not counted here."""
    header = {"header_name": PERSON_HEADER, "descriptor_key": "person", "skip_if_absent": True}
    # Only this one tells on each answer what is left: of an address that depends on strangers.
    headers = {"enable_x_ratelimit_headers": "DRAFT_VERSION_03"}
    return {**_limit("person", "person", {"request_headers": header}, OF_PERSON, times), **headers}


def _limit(name: str, key: str, action: Json, limit: RequestLimit, times: int) -> Json:
    """A bucket for each value of the key, with `times` as many requests as the limit says."""
    at_once, per_second = limit.at_once * times, limit.per_second * times
    told = {
        "ratelimit-policy": f'"{name}";q={at_once};w={math.ceil(at_once / per_second)}',
        "ratelimit": f'"{name}";r=0;t=1',
    }
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": name,
        "filter_enabled": _always(f"limit_{name}.enabled"),
        "filter_enforced": _always(f"limit_{name}.enforced"),
        "rate_limits": [{"actions": [action]}],
        "descriptors": [
            {
                "entries": [{"key": key}],  # any value
                "token_bucket": {
                    "max_tokens": at_once,
                    "tokens_per_fill": per_second,
                    "fill_interval": "1s",
                },
            }
        ],
        "max_dynamic_descriptors": COUNTED_AT_ONCE,
        "always_consume_default_token_bucket": False,
        "response_headers_to_add": [
            {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            for key, value in told.items()
        ],
    }


def _always(key: str) -> Json:
    return {"default_value": {"numerator": 100}, "runtime_key": key}

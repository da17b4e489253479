"""Who passes the gateway: the check of access tokens, and which roles a path needs.

The applications check again by themselves, and more: this is the first gate, not the only one. What brings an
API key or a guest's link instead of a token is theirs alone to judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.api_keys import API_KEY_HEADER
from contracts.token_claims import MAX_ACCESS_TOKEN_SECONDS
from regions.catalogue import Address

Json = dict[str, Any]

TOKEN_ISSUER = "https://frontrow.local"  # noqa: S105
TOKEN_AUDIENCE = "frontrow-api"  # noqa: S105
OTHER_CREDENTIALS = (API_KEY_HEADER.lower(), "x-guest-link")
"""Headers that stand in a token's place."""
WRITES = ("POST", "PUT", "PATCH", "DELETE")
ROLE_CHECK = "envoy.filters.http.rbac"
PERSON_HEADER = "x-frontrow-subject"
"""The person whom a verified token names, for the filters after the check; no application gets it."""
_PROVIDER = "frontrow"
# Handing on all claims costs a tenth of a request, so it is done where a role is asked for.
_PROVIDER_WITH_CLAIMS = "frontrow-with-claims"
_CLAIMS = "claims"
_TOKEN_CHECK = "envoy.filters.http.jwt_authn"  # noqa: S105
# A signature costs about as much as the rest of a request (0110), so a token that was good is remembered
# until it expires. Ours have some 600 characters; 4,096 of them and what they say are some 10 MB.
_REMEMBERED_TOKENS = 4096
_REMEMBERED_TOKEN_CHARACTERS = 2048


@dataclass(frozen=True, slots=True)
class RoleRule:
    """A path, and all below it, that needs one of some roles; for all methods if none is named."""

    name: str
    path: str
    roles: tuple[str, ...]
    methods: tuple[str, ...] = ()

    @property
    def refusal(self) -> str:
        """What whoever lacks them is told, in the words of the applications (mini_auth/permissions.py)."""
        return f"This needs an account with the role {' or '.join(sorted(self.roles))}."


ROLE_RULES = (
    RoleRule("events", "/api/v1/events", ("host",), WRITES),
    RoleRule("administration", "/api/v1/admin", ("admin", "superadmin")),
)


def token_check(mini_auth: Address) -> Json:
    """A token is required where nobody may go without one; elsewhere a bad one is still refused."""
    required, required_with_claims = {"provider_name": _PROVIDER}, {"provider_name": _PROVIDER_WITH_CLAIMS}
    optional = {"requires_any": {"requirements": [required, {"allow_missing": {}}]}}
    everything = {"path_separated_prefix": "/api/v1"}
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {
            _PROVIDER: _provider(mini_auth),
            _PROVIDER_WITH_CLAIMS: {**_provider(mini_auth), "payload_in_metadata": _CLAIMS},
        },
        "rules": [
            # Whoever refreshes, or comes from a mail, may well send along the token that has expired.
            {"match": {"path": "/api/v1/refresh"}},
            {"match": {"path_separated_prefix": "/api/v1/accounts/confirm"}},
            {"match": {"path": "/api/v1/password/reset"}},
            # Nobody but the person manages keys, sessions and what is kept about them.
            {"match": {"path_separated_prefix": "/api/v1/api-keys"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/sessions"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/logout"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/me"}, "requires": required},
            {"match": {"path": "/api/v1/password"}, "requires": required},
            # Elsewhere a key or a link may stand in a token's place; the applications refuse it beside one.
            *(
                {"match": {**everything, "headers": [_present(name)]}, "requires": optional}
                for name in OTHER_CREDENTIALS
            ),
            {"match": {"path_separated_prefix": "/api/v1/bookings"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/orders"}, "requires": required},
            {"match": {"path_separated_prefix": "/api/v1/waitlist"}, "requires": required},
            *({"match": _matched(rule), "requires": required_with_claims} for rule in ROLE_RULES),
            {"match": everything, "requires": optional},
        ],
    }


def role_check() -> Json:
    """Refuse whoever brings a token without a role that the path needs."""
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {
            "action": "DENY",
            "policies": {
                rule.name: {"permissions": [_permission(rule)], "principals": [_who_lacks(rule.roles)]}
                for rule in ROLE_RULES
            },
        },
    }


def refused_by(rule: RoleRule) -> Json:
    """Match the answer 403 to a good token at a rule's path: nothing but the rule gives it.

    What the role check itself notes of a request is there only after its answer was made.
    """
    at_path = {"safe_regex": {"regex": rf"{rule.path}([/?].*)?"}}
    verified = _claim("sub", {"present_match": True})
    status = {"op": "EQ", "value": {"default_value": 403, "runtime_key": f"problem.403.{rule.name}"}}
    return {
        "and_filter": {
            "filters": [
                {"status_code_filter": {"comparison": status}},
                {"header_filter": {"header": {"name": ":path", "string_match": at_path}}},
                {"metadata_filter": {"matcher": verified, "match_if_key_not_found": False}},
            ]
        }
    }


def _provider(mini_auth: Address) -> Json:
    return {
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
        "claim_to_headers": [{"header_name": PERSON_HEADER, "claim_name": "sub"}],
        "jwt_cache_config": {
            "jwt_cache_size": _REMEMBERED_TOKENS,
            "jwt_max_token_size": _REMEMBERED_TOKEN_CHARACTERS,
        },
    }


def _matched(rule: RoleRule) -> Json:
    methods = [_method(rule.methods)] if rule.methods else []
    return {"path_separated_prefix": rule.path, **({"headers": methods} if methods else {})}


def _permission(rule: RoleRule) -> Json:
    below = {"safe_regex": {"regex": f"{rule.path}(/.*)?"}}
    rules: list[Json] = [{"url_path": {"path": below}}]
    if rule.methods:
        rules.append({"header": _method(rule.methods)})
    return {"and_rules": {"rules": rules}}


def _who_lacks(roles: Sequence[str]) -> Json:
    def holds(role: str) -> Json:
        matcher = _claim("roles", {"list_match": {"one_of": {"string_match": {"exact": role}}}})
        return {"sourced_metadata": {"metadata_matcher": matcher, "metadata_source": "DYNAMIC"}}

    judged_behind = [{"header": _present(name)} for name in OTHER_CREDENTIALS]
    return {"not_id": {"or_ids": {"ids": [*map(holds, roles), *judged_behind]}}}


def _claim(name: str, value: Json) -> Json:
    """Match a claim of the verified token."""
    return {"filter": _TOKEN_CHECK, "path": [{"key": _CLAIMS}, {"key": name}], "value": value}


def _present(name: str) -> Json:
    return {"name": name, "present_match": True}


def _method(methods: Sequence[str]) -> Json:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(methods)}}}

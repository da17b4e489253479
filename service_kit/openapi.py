"""What the OpenAPI document says beyond the routes: how each of them refuses."""

from typing import Any, Final

from contracts.consistency_token import CONSISTENCY_HEADER
from contracts.problems import (
    API_KEY_INVALID,
    BODY_TOO_LARGE,
    FORBIDDEN,
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    METHOD_NOT_ALLOWED,
    PROBLEM_MEDIA_TYPE,
    TEMPORARILY_UNAVAILABLE,
    TOKEN_INVALID,
    TOKEN_MISSING,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemType,
)

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457). Rely on `type`; `detail` is for people.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["location", "message"],
                "properties": {"location": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "reason": {"type": "string"},
        "seats_remaining": {"type": "integer"},
    },
    "additionalProperties": True,
}

# The gateway itself finds some requests malformed, such as control characters in a path.
ANY_REQUEST = (TEMPORARILY_UNAVAILABLE, INVALID_REQUEST, METHOD_NOT_ALLOWED, MALFORMED_REQUEST)
# What the permissions answer: where a token is needed, a token or a key, or neither.
WITH_TOKEN = (TOKEN_MISSING, TOKEN_INVALID, FORBIDDEN)
WITH_TOKEN_OR_KEY = (*WITH_TOKEN, API_KEY_INVALID)
WITH_ANYTHING = (TOKEN_INVALID, API_KEY_INVALID, FORBIDDEN)
BODY_REQUEST = (*ANY_REQUEST, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)


def refusals(*kinds: ProblemType) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that answers these kinds of problems; several may share a status."""
    titles: dict[int, list[str]] = {}
    for kind in sorted(dict.fromkeys(kinds), key=lambda kind: kind.status):
        titles.setdefault(kind.status, []).append(f"{kind.title} (`{kind.name}`)")
    return {
        status: {"description": "; ".join(names) + ".", "content": {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM}}}
        for status, names in titles.items()
    }


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the schema of problems in place of FastAPI's own schema of validation errors."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    return document


_CONSISTENCY_TOKEN: Final = {
    "description": "Up to where in the primary's log this answer knows. A read that brings it is answered "
    "nothing older, in any region.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{36}$"},
}


def with_consistency_tokens(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the consistency token among the headers of each successful answer of the API."""
    for path, operations in document["paths"].items():
        if path.startswith("/api/"):
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if status.startswith("2"):
                        response.setdefault("headers", {})[CONSISTENCY_HEADER] = _CONSISTENCY_TOKEN
    return document

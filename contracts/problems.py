"""The catalogue of problem answers (RFC 9457) that any part of Frontrow may give.

One home for each `type`, its status and its title, so that the gateway, both APIs and the documentation
name the same problem in the same words. A client may rely on `type`; `detail` is for people.
"""

from dataclasses import dataclass

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_TYPE_PREFIX = "https://frontrow.dev/problems/"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: the last part of its `type` URI, its HTTP status and its title."""

    name: str
    status: int
    title: str

    @property
    def uri(self) -> str:
        """The stable `type` of RFC 9457; it identifies the problem and need not resolve."""
        return PROBLEM_TYPE_PREFIX + self.name


MALFORMED_REQUEST = ProblemType("malformed-request", 400, "The request could not be read")
TOKEN_MISSING = ProblemType("token-missing", 401, "An access token is needed")
TOKEN_INVALID = ProblemType("token-invalid", 401, "The access token is not valid")
API_KEY_INVALID = ProblemType("api-key-invalid", 401, "The API key is not valid")
CREDENTIALS_WRONG = ProblemType("credentials-wrong", 401, "E-mail or password is wrong")
SESSION_ENDED = ProblemType("session-ended", 401, "The session has ended; log in again")
LINK_REFUSED = ProblemType("link-refused", 403, "The link is not good, or no longer")
FORBIDDEN = ProblemType("forbidden", 403, "This is not yours to do")
NOT_FOUND = ProblemType("not-found", 404, "There is no such thing")
METHOD_NOT_ALLOWED = ProblemType("method-not-allowed", 405, "This address does not take that method")
REQUEST_TOO_SLOW = ProblemType("request-too-slow", 408, "The request did not arrive in time")
CONFLICT = ProblemType("conflict", 409, "The request conflicts with the present state")
ACCOUNT_NEEDED = ProblemType("account-needed", 409, "Others still count on this account")
NOT_ENOUGH_SEATS = ProblemType("not-enough-seats", 409, "Fewer seats are left than were asked for")
PER_PERSON_LIMIT = ProblemType("per-person-limit", 409, "One person may not have so many of these seats")
SEATS_ARE_FREE = ProblemType("seats-are-free", 409, "These seats can be booked now")
WAITLIST_FULL = ProblemType("waitlist-full", 409, "Too many others wait for these seats")
EVENT_NOT_BOOKABLE = ProblemType("event-not-bookable", 409, "This event can't be booked now")
BOOKING_STATE = ProblemType("booking-state", 409, "The booking's state does not allow this")
REFUSED_BY_POLICY = ProblemType("refused-by-policy", 409, "The booking's policy does not allow this")
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency-key-reused", 422, "The idempotency key was used for another request"
)
BODY_TOO_LARGE = ProblemType("body-too-large", 413, "The request body is too large")
UNSUPPORTED_MEDIA_TYPE = ProblemType("unsupported-media-type", 415, "Send JSON as application/json")
INVALID_REQUEST = ProblemType("invalid-request", 422, "The request has wrong or missing values")
UPGRADE_REQUIRED = ProblemType("upgrade-required", 426, "Use HTTP/1.1 or HTTP/2")
TOO_MANY_REQUESTS = ProblemType("too-many-requests", 429, "Too many requests; slow down")
HEADERS_TOO_LARGE = ProblemType("headers-too-large", 431, "The request's headers are too large")
INTERNAL_ERROR = ProblemType("internal-error", 500, "Something went wrong on our side")
NOT_IMPLEMENTED = ProblemType("not-implemented", 501, "The request uses something that is not supported here")
TEMPORARILY_UNAVAILABLE = ProblemType(
    "temporarily-unavailable", 503, "This can't be answered now; try again shortly"
)
UPSTREAM_TIMEOUT = ProblemType("upstream-timeout", 504, "The answer took too long")

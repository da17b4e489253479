"""What an answer says about limits: the headers of draft-ietf-httpapi-ratelimit-headers-10.

Whoever counts a request under a limit tells it here; the middleware then puts it on the answer, whatever that
is, so that a refusal and an answer say it alike.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts import problems
from service_kit.problem_responses import Problem
from service_kit.rate_limits import Limit, RateLimiter, Taken
from service_kit.whole_answers import RawHeaders

_POLICY_HEADER = b"ratelimit-policy"
_LEFT_HEADER = b"ratelimit"

_TOLD: ContextVar[dict[str, Taken] | None] = ContextVar("told_limits", default=None)


def tell(taken: Taken) -> None:
    """Have the answer to the request in progress say this; of each limit the last one counts."""
    told = _TOLD.get()
    if told is not None:
        told[taken.limit.name] = taken


async def count_or_refuse(
    limiter: RateLimiter, *asked: tuple[Limit, str], refusal: str, count: int = 1
) -> None:
    """Counts a request under these limits, and tells of the first, or of the one that refuses for longest.

    `count` is as how many it counts.

    Raises Problem TOO_MANY_REQUESTS, which begins with the sentence `refusal`, where any of them refuses.
    """
    tell_or_refuse(judge(await limiter.take(*asked, count=count), refusal=refusal))


class Judged(NamedTuple):
    """What the answer to a request says of limits, and the refusal where it is beyond one."""

    told: tuple[Taken, ...]
    problem: Problem | None


def tell_or_refuse(judged: Judged) -> None:
    """Have the answer to the request in progress say what it must. Raises the Problem, if it is one."""
    for one in judged.told:
        tell(one)
    if judged.problem is not None:
        raise judged.problem


def judge(taken: Sequence[Taken], *, refusal: str) -> Judged:
    """What is told of a request: of its first limit, and of the one that refuses for longest."""
    for one in taken:
        if one.wait_microseconds:
            break
    else:
        return Judged((taken[0],), None)
    worst = max(taken, key=lambda one: one.wait_microseconds)
    problem = Problem(
        problems.TOO_MANY_REQUESTS,
        f"{refusal} Try again in {worst.retry_after_seconds} s.",
        headers={"Retry-After": str(worst.retry_after_seconds)},
    )
    return Judged((taken[0],) if worst is taken[0] else (taken[0], worst), problem)


def raw_headers_of(taken: Sequence[Taken]) -> RawHeaders:
    """The two headers, as they are sent; none where nothing was counted.

    `t` is when there is room again for one who has none left, else for all.
    """
    if not taken:
        return ()
    policies, left = b"", b""
    for one in taken:
        separator = b", " if left else b""
        name, policy = _name_and_policy(one.limit)
        policies += separator + policy
        seconds = one.retry_after_seconds or one.reset_seconds
        left += b"%b%b;r=%d;t=%d" % (separator, name, one.remaining, seconds)
    return (_POLICY_HEADER, policies), (_LEFT_HEADER, left)


@lru_cache(maxsize=100)
def _name_and_policy(limit: Limit) -> tuple[bytes, bytes]:
    """What is said of a limit to everybody."""
    name = f'"{limit.name}"'.encode()
    return name, b"%b;q=%d;w=%.0f" % (name, limit.count, limit.seconds)


class RateLimitHeaders:
    """Says on each answer what was told while it was made."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on; the headers are known when the answer starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told: dict[str, Taken] = {}
        before = _TOLD.set(told)

        async def telling_send(message: Message) -> None:
            if message["type"] == "http.response.start" and told:
                message["headers"] = [*message["headers"], *raw_headers_of(tuple(told.values()))]
            await send(message)

        try:
            await self._app(scope, receive, telling_send)
        finally:
            _TOLD.reset(before)

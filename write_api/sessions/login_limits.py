"""How often a password may be tried. Nobody can lock somebody else out: each limit is of the one who tries.

A guess counts until the password turns out to be right. One limit is of an address and an e-mail together,
so a stranger who guesses uses up nothing of the person's own tries; the other is of an address, for those who
try one password on many e-mails. Whoever has many addresses is slowed by the work of each guess (Argon2id).
"""

import hashlib

from contracts import problems
from service_kit.problem_responses import Problem
from service_kit.rate_limit_headers import tell
from service_kit.rate_limits import Limit, RateLimiter

BY_ADDRESS_AND_EMAIL = Limit("login", 20, 900)
BY_ADDRESS = Limit("login-address", 600, 900)


class LoginLimits:
    """Counts guesses in `limiter`."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter

    async def count_guess(self, *, address: str, email: str) -> None:
        """Counts one guess before it is checked. Raises Problem TOO_MANY_REQUESTS."""
        taken = await self._limiter.take(*_asked(address, email))
        tell(taken[0])
        refusing = [one for one in taken if one.retry_after_seconds]
        if refusing:
            worst = max(refusing, key=lambda one: one.retry_after_seconds)
            tell(worst)
            raise Problem(
                problems.TOO_MANY_REQUESTS,
                f"Too many wrong passwords. Try again in {worst.retry_after_seconds} s.",
                headers={"Retry-After": str(worst.retry_after_seconds)},
            )

    async def forget_guess(self, *, address: str, email: str) -> None:
        """It was no guess: the password was right, or never checked."""
        left = await self._limiter.give_back(*_asked(address, email))
        tell(left[0])


def _asked(address: str, email: str) -> tuple[tuple[Limit, str], ...]:
    """The keys hold a digest: what is counted is no list of who logs in."""
    digest = hashlib.sha256(f"{address}\n{email}".encode()).hexdigest()[:32]
    return (BY_ADDRESS_AND_EMAIL, digest), (BY_ADDRESS, address)

"""How often something may be asked for with an e-mail. Nobody can lock somebody else out.

Each limit is of the one who tries: one of an address and an e-mail together, so that a stranger uses up
nothing of the person's own tries; the other of an address, for those who try many e-mails. There is none of
an e-mail alone.
"""

import hashlib

from service_kit.rate_limit_headers import count_or_refuse, tell
from service_kit.rate_limits import Limit, RateLimiter


class AttemptLimits:
    """Counts attempts in `limiter`; `refusal` is the sentence that a refused one is told."""

    def __init__(
        self, limiter: RateLimiter, *, by_address_and_email: Limit, by_address: Limit, refusal: str
    ) -> None:
        self._limiter = limiter
        self._by_address_and_email = by_address_and_email
        self._by_address = by_address
        self._refusal = refusal

    async def count(self, *, address: str, email: str) -> None:
        """Counts one attempt before anything is done for it. Raises Problem TOO_MANY_REQUESTS."""
        await count_or_refuse(self._limiter, *self._asked(address, email), refusal=self._refusal)

    async def give_back(self, *, address: str, email: str) -> None:
        """It was none: as a right password is no guess."""
        left = await self._limiter.give_back(*self._asked(address, email))
        tell(left[0])

    def _asked(self, address: str, email: str) -> tuple[tuple[Limit, str], ...]:
        """The keys hold a digest: what is counted is no list of who has an account."""
        digest = hashlib.sha256(f"{address}\n{email}".encode()).hexdigest()[:32]
        return (self._by_address_and_email, digest), (self._by_address, address)

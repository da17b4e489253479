"""How often a password may be tried.

A guess counts until the password turns out to be right. Whoever has many addresses is slowed by the work of
each guess (Argon2id).
"""

from service_kit.rate_limits import Limit, RateLimiter
from write_api.attempt_limits import AttemptLimits

BY_ADDRESS_AND_EMAIL = Limit("login", 20, 900)
BY_ADDRESS = Limit("login-address", 600, 900)


def login_limits(limiter: RateLimiter) -> AttemptLimits:
    """The limits of passwords."""
    return AttemptLimits(
        limiter,
        by_address_and_email=BY_ADDRESS_AND_EMAIL,
        by_address=BY_ADDRESS,
        refusal="Too many wrong passwords.",
    )

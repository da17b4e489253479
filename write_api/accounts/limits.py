"""How often accounts are made, and mails of accounts asked for, by one address.

Offices and schools share an address, so what an address may do in all is much more than what it may with one
e-mail. Mails of one kind to one e-mail are merged besides, however many addresses ask: the first one in
MERGE_SECONDS does what the others would.
"""

from service_kit.rate_limits import Limit, RateLimiter
from write_api.attempt_limits import AttemptLimits

SIGN_UP_BY_ADDRESS_AND_EMAIL = Limit("sign-up", 5, 900)
SIGN_UP_BY_ADDRESS = Limit("sign-up-address", 600, 900)
MAIL_BY_ADDRESS_AND_EMAIL = Limit("account-mail", 5, 900)
MAIL_BY_ADDRESS = Limit("account-mail-address", 120, 900)
MERGE_SECONDS = 300


def sign_up_limits(limiter: RateLimiter) -> AttemptLimits:
    """The limits of sign-ups."""
    return AttemptLimits(
        limiter,
        by_address_and_email=SIGN_UP_BY_ADDRESS_AND_EMAIL,
        by_address=SIGN_UP_BY_ADDRESS,
        refusal="Too many sign-ups.",
    )


def mail_limits(limiter: RateLimiter) -> AttemptLimits:
    """The limits of asking for a mail."""
    return AttemptLimits(
        limiter,
        by_address_and_email=MAIL_BY_ADDRESS_AND_EMAIL,
        by_address=MAIL_BY_ADDRESS,
        refusal="Too many mails were asked for.",
    )

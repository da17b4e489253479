"""Money is an integer of minor units and an ISO 4217 code; decimals exist only at the edge."""

from decimal import Decimal
from functools import cache

from babel.core import get_global
from babel.numbers import get_currency_precision

MAX_PRICE_MINOR = 1_000_000_000_000


@cache
def _currencies_in_use() -> frozenset[str]:
    """Codes that are legal tender somewhere today; CLDR knows historic ones and `XXX` (no currency) too."""
    uses = get_global("territory_currencies").values()
    return frozenset(
        code for territory in uses for code, _, end, is_tender in territory if end is None and is_tender
    )


def is_currency(code: str) -> bool:
    """Whether `code` is an ISO 4217 currency that some territory uses today, by Unicode's CLDR."""
    return code in _currencies_in_use()


def minor_units(currency: str) -> int:
    """How many decimal places the currency has: 2 for USD, 0 for JPY, 3 for KWD (CLDR)."""
    return int(get_currency_precision(currency))


def to_minor(amount: Decimal, currency: str) -> int:
    """`amount` in minor units, exactly. Raises ValueError where the currency has no such fraction."""
    scaled = amount.scaleb(minor_units(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{currency} has {minor_units(currency)} decimal places")
    if not 0 <= scaled <= MAX_PRICE_MINOR:
        raise ValueError("must not be negative, nor over 1,000,000,000,000 minor units")
    return int(scaled)

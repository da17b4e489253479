"""Prices as people of a country expect them: everyday amounts in its currency, rounded as they are there."""

from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import get_territory_currencies


@dataclass(frozen=True, slots=True)
class PriceLevel:
    """How many units of a currency buy what a US dollar buys, and what prices are rounded to."""

    per_dollar: Decimal
    step: Decimal


# Rough levels of what a ticket costs there; not exchange rates, and nothing but the demo uses them.
_LEVELS = {
    currency: PriceLevel(Decimal(per_dollar), Decimal(step))
    for currency, (per_dollar, step) in {
        "USD": ("1", "0.50"), "EUR": ("0.85", "0.50"), "GBP": ("0.75", "0.50"), "CAD": ("1.25", "0.50"),
        "AUD": ("1.4", "0.50"), "NZD": ("1.4", "0.50"), "SGD": ("1.2", "0.50"), "CHF": ("1.1", "1"),
        "ZAR": ("9", "10"), "INR": ("30", "50"), "NGN": ("500", "500"), "KES": ("60", "100"),
        "XOF": ("300", "500"), "MXN": ("10", "10"), "ARS": ("600", "500"), "COP": ("2000", "5000"),
        "CLP": ("550", "500"), "PEN": ("2.2", "5"), "UYU": ("28", "50"), "BRL": ("2.6", "5"),
        "VND": ("10000", "10000"), "JPY": ("110", "100"),
    }.items()
}  # fmt: skip


def currency_of(country_code: str) -> str:
    """The currency that a country uses today (CLDR). Raises KeyError where the demo has no price level."""
    currency = str(get_territory_currencies(country_code)[0])
    _LEVELS[currency]
    return currency


def local_price(dollars: float, currency: str) -> Decimal:
    """An amount of dollars as a price in `currency`, rounded as there; at least one step."""
    level = _LEVELS[currency]
    steps = (Decimal(dollars) * level.per_dollar / level.step).to_integral_value()
    return max(steps, Decimal(1)) * level.step

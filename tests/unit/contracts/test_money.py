from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import MAX_PRICE_MINOR, is_currency, minor_units, to_minor


@given(st.integers(0, MAX_PRICE_MINOR), st.sampled_from(["USD", "EUR", "JPY", "KWD", "VND"]))
def test_each_amount_of_minor_units_is_taken_exactly(minor: int, currency: str) -> None:
    assert to_minor(Decimal(minor).scaleb(-minor_units(currency)), currency) == minor


@pytest.mark.parametrize(
    ("amount", "currency"), [("10.505", "USD"), ("1.5", "JPY"), ("-0.01", "USD"), ("1e12", "USD")]
)
def test_an_amount_that_the_currency_has_not_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match=r"decimal places|negative"):
        to_minor(Decimal(amount), currency)


def test_only_currencies_in_use_are_currencies() -> None:
    assert is_currency("EUR")
    assert not is_currency("XQZ")
    assert not is_currency("XXX")
    assert not is_currency("DEM")
    assert not is_currency("eur")

"""What an order is, told by its bookings."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.booking import BookingStatus
from contracts.money import minor_units
from contracts.order import OrderStatus, order_from_row, order_status

NOW = datetime(2030, 1, 1, tzinfo=UTC)
STATUSES: tuple[BookingStatus, ...] = get_args(BookingStatus)
CURRENCIES = ("EUR", "JPY", "KWD")
bookings_of_an_order = st.lists(
    st.tuples(
        st.sampled_from(STATUSES), st.sampled_from(CURRENCIES), st.integers(0, 10**12), st.integers(0, 600)
    ),
    min_size=1,
    max_size=20,
)


def row(bookings: Sequence[tuple[BookingStatus, str, int, int]]) -> dict[str, Any]:
    return {
        "id": 7,
        "created_at": NOW,
        "bookings": [
            {
                "id": number,
                "event_id": number,
                "ticket_type_id": number,
                "quantity": 1,
                "status": status,
                "price_minor": price_minor,
                "currency": currency,
                "seats": [{"position": 1, "label": "1"}],
                "hold_expires_at": (NOW + timedelta(seconds=seconds)).isoformat(),
                "created_at": NOW.isoformat(),
                "confirmed_at": None,
                "order_id": 7,
                "policy": None,
                "refund_minor": None,
                "attendees": [],
            }
            for number, (status, currency, price_minor, seconds) in enumerate(bookings, start=1)
        ],
    }


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ("held held", "held"),
        ("held confirmed", "held"),
        ("held cancelled", "held"),
        ("held expired", "expired"),
        ("held expired confirmed", "expired"),
        ("confirmed confirmed", "confirmed"),
        ("confirmed cancelled", "confirmed"),
        ("confirmed expired", "confirmed"),
        ("expired expired", "expired"),
        ("expired cancelled", "expired"),
        ("cancelled cancelled", "cancelled"),
    ],
)
def test_its_status_follows_its_bookings(statuses: str, status: OrderStatus) -> None:
    words = [word for word in STATUSES for given in statuses.split() if given == word]
    assert order_status(words) == order_status(words[::-1]) == status


@given(bookings_of_an_order)
def test_totals_are_exact_and_of_what_has_its_seats(
    bookings: list[tuple[BookingStatus, str, int, int]],
) -> None:
    order = order_from_row(row(bookings))
    live = [one for one in bookings if one[0] in {"held", "confirmed"}]
    assert [total.currency for total in order.totals] == sorted({currency for _, currency, _, _ in live})
    for total in order.totals:
        assert total.price_minor == sum(price for _, currency, price, _ in live if currency == total.currency)
        assert total.price == total.price_minor / 10 ** minor_units(total.currency)
    deadlines = [seconds for status, _, _, seconds in bookings if status == "held"]
    earliest = NOW + timedelta(seconds=min(deadlines)) if deadlines else None
    assert order.hold_expires_at == earliest
    assert [booking.id for booking in order.bookings] == list(range(1, len(bookings) + 1))

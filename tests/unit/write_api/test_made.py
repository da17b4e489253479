"""What the hot route encodes is, byte for byte, what FastAPI would."""

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from contracts.money import minor_units
from write_api.bookings.made import MadeAttendee, MadeBooking, MadePolicy, MadeRefundStep, MadeSeat

ids = st.integers(1, 2**63 - 1)
times = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
seconds = st.integers(0, 86_400)
steps = st.builds(MadeRefundStep, seconds_before_start=seconds, percent=st.integers(0, 100))
policies = st.builds(
    MadePolicy,
    version=st.integers(0, 9),
    cancel_allowed=st.booleans(),
    cancel_until_seconds=seconds,
    refund_policy=st.lists(steps, max_size=1).map(tuple),
    edit_allowed=st.booleans(),
    edit_until_seconds=seconds,
    transfer_allowed=st.booleans(),
    transfer_until_seconds=seconds,
)
bookings = st.builds(
    lambda price_minor, currency, **more: MadeBooking(
        price_minor=price_minor, price=price_minor / 10 ** minor_units(currency), currency=currency, **more
    ),
    price_minor=st.integers(0, 10**15),
    currency=st.sampled_from(["USD", "JPY", "KWD"]),
    id=ids,
    event_id=ids,
    ticket_type_id=ids,
    quantity=st.integers(1, 100),
    status=st.sampled_from(["held", "confirmed", "cancelled", "expired"]),
    seats=st.lists(st.builds(MadeSeat, position=ids, label=texts), max_size=3),
    hold_expires_at=times,
    created_at=times,
    confirmed_at=st.none() | times,
    order_id=st.none() | ids,
    attendees=st.lists(st.builds(MadeAttendee, name=texts, email=st.none() | texts), max_size=2),
    policy=policies,
    refund_minor=st.none(),
)


@given(bookings)
def test_it_is_encoded_as_the_booking_of_the_contract(made: MadeBooking) -> None:
    assert msgspec.json.encode(made).decode() == made.as_booking().model_dump_json()

"""What a host may send as an event, and what becomes of it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.money import minor_units
from write_api.catalogue.drafts import Place, draft_of
from write_api.catalogue.schemas import EventCreate, EventUpdate

GUIDE = {
    "name": "event13",
    "available_seats": 10,
    "start_at": "2027-11-01T10:00:00Z",
    "location": "HCM",
    "category": "MUSIC",
    "price": Decimal("10.5"),
}
STALLS = {"name": "Stalls", "price": 20, "capacity": 3}
BALCONY = {"name": "Balcony", "price": 10, "capacity": 2}


def event(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**GUIDE, **changes}.items() if value is not ...}


def several(*ticket_types: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return event(ticket_types=list(ticket_types), available_seats=..., price=..., **changes)


def test_the_simple_form_is_a_full_event() -> None:
    draft = draft_of(EventCreate.model_validate(GUIDE))
    assert draft.place == Place("HCM", "HCM", None, None, None, "UTC")
    assert draft.columns["status"] == "inactive"
    assert draft.columns["currency"] == "USD"
    assert draft.columns["ends_at"] is None
    [ticket_type] = draft.ticket_types
    assert (ticket_type.price_minor, ticket_type.capacity, ticket_type.label_prefix) == (1050, 10, "")


def test_seats_of_several_ticket_types_carry_the_name_of_theirs() -> None:
    draft = draft_of(EventCreate.model_validate(several(STALLS, BALCONY)))
    assert [ticket_type.label_prefix for ticket_type in draft.ticket_types] == ["Stalls ", "Balcony "]
    assert draft.seats == 5


def test_an_event_takes_its_zone_from_its_venue() -> None:
    venue = {"name": "Budokan", "city": "Tokyo", "time_zone": "Asia/Tokyo"}
    draft = draft_of(EventCreate.model_validate(event(location=..., venue=venue)))
    assert draft.columns["time_zone"] == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"price": "10.5"}, "must be a number"),
        ({"price": True}, "must be a number"),
        ({"price": Decimal("-0.01")}, "greater than or equal to 0"),
        ({"price": Decimal("10.555")}, "USD has 2 decimal places"),
        ({"price": Decimal("10.5"), "currency": "JPY"}, "JPY has 0 decimal places"),
        ({"price": Decimal("1E+13")}, "less than or equal"),
        ({"price": Decimal("10000000000.01")}, "1,000,000,000,000 minor units"),
        ({"price": Decimal("1E-30")}, "decimal places"),
        ({"price": Decimal("1E+999999")}, "less than or equal"),
        ({"price": Decimal("NaN")}, "finite"),
        ({"price": ...}, "available_seats and price"),
        ({"available_seats": 0}, "greater than or equal to 1"),
        ({"available_seats": 100_001}, "less than or equal to 100000"),
        ({"available_seats": "10"}, "integer"),
        ({"available_seats": True}, "integer"),
        ({"currency": "usd"}, "pattern"),
        ({"currency": "ZZZ"}, "ISO 4217"),
        ({"location": ...}, "location or venue"),
        ({"venue": {"name": "Budokan"}}, "not both"),
        ({"start_at": "2027-11-01T10:00:00"}, "timezone"),
        ({"start_at": 1793527200}, "ISO 8601"),
        ({"start_at": "1793527200"}, "ISO 8601"),
        ({"end_at": "2027-11-01T09:59:59Z"}, "end_at must not be before"),
        ({"time_zone": "Mars/Olympus"}, "IANA"),
        ({"time_zone": "../../etc/passwd"}, "IANA"),
        ({"website": "javascript:alert(1)"}, "http"),
        ({"website": "https://"}, "http"),
        ({"languages": ["english!"]}, "language tag"),
        ({"is_online": 1}, "boolean"),
        ({"status": "sold"}, "inactive"),
        ({"name": ""}, "at least 1"),
        ({"name": "a\x00b"}, "control characters"),
        ({"topics": ["x"] * 51}, "at most 50"),
        ({"seats": 3}, "not permitted"),
        ({"host_id": 3}, "not permitted"),
    ],
)
def test_what_is_wrong_is_refused_with_a_reason(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EventCreate.model_validate(event(**changes))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (several(STALLS, STALLS), "different names"),
        (several({**STALLS, "capacity": 99_999}, BALCONY), "at most 100000 seats"),
        (several({**STALLS, "price": Decimal("1.001")}), "USD has 2"),
        ({**several(STALLS), "price": 3}, "not both"),
        (several(), "at least 1"),
        (
            several({**STALLS, "sales_start_at": GUIDE["start_at"], "sales_end_at": GUIDE["start_at"]}),
            "sales_end_at must be after",
        ),
    ],
)
def test_ticket_types_that_contradict_each_other_are_refused(body: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        EventCreate.model_validate(body)


@pytest.mark.parametrize("point", [{"latitude": 1.5}, {"latitude": 91, "longitude": 0}, {"longitude": 181.0}])
def test_a_point_has_two_coordinates_on_the_globe(point: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        EventCreate.model_validate(event(location=..., venue={"name": "Nowhere", **point}))


@given(st.integers(0, 10**12), st.sampled_from(["USD", "JPY", "KWD"]))
def test_a_price_is_taken_exactly(price_minor: int, currency: str) -> None:
    price = Decimal(price_minor).scaleb(-minor_units(currency))
    draft = draft_of(EventCreate.model_validate(event(price=price, currency=currency)))
    assert draft.ticket_types[0].price_minor == price_minor


@pytest.mark.parametrize("name", ["available_seats", "price", "currency", "ticket_types"])
def test_what_is_sold_already_can_not_be_changed_and_the_refusal_says_so(name: str) -> None:
    with pytest.raises(ValidationError, match=f"can't be changed after the event was made: {name}"):
        EventUpdate.model_validate({name: 3})


def test_an_update_removes_only_what_may_be_absent() -> None:
    EventUpdate.model_validate({"website": None, "end_at": None})
    with pytest.raises(ValidationError, match="name can't be null"):
        EventUpdate.model_validate({"name": None})

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service_kit.fields import Id, Instant, Line, RequestBody, Text

LINE, TEXT, ID, INSTANT = (TypeAdapter(t) for t in (Line, Text, Id, Instant))


@pytest.mark.parametrize("value", ["", "   ", "a\x00b", "\ud800", "x" * 201, 7, None, True, ["a"]])
def test_a_line_that_postgresql_or_people_could_not_take_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        LINE.validate_python(value)


@given(st.text(max_size=300))
def test_a_text_that_is_accepted_can_be_stored(value: str) -> None:
    try:
        accepted = TEXT.validate_python(value)
    except ValidationError:
        return
    assert "\x00" not in accepted
    accepted.encode("utf-8")


@pytest.mark.parametrize("value", ["7", 7.0, True, 0, -1, 2**63, None])
def test_an_id_is_a_positive_integer_and_nothing_like_it(value: object) -> None:
    with pytest.raises(ValidationError):
        ID.validate_python(value)


@pytest.mark.parametrize(
    "value", ["2027-11-01T10:00:00", "1969-12-31T23:59:59Z", "2200-01-02T00:00:00Z", "soon"]
)
def test_an_instant_needs_an_offset_and_lies_within_the_calendar(value: str) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


def test_an_instant_is_kept_in_utc() -> None:
    instant = INSTANT.validate_python("2027-11-01T10:00:00+07:00")
    assert instant == datetime(2027, 11, 1, 3, tzinfo=UTC)
    assert instant.tzinfo is UTC


def test_an_unknown_field_is_an_error_that_does_not_repeat_the_value() -> None:
    class Body(RequestBody):
        name: Line

    with pytest.raises(ValidationError) as refusal:
        Body.model_validate({"name": "a", "pasword": "hunter2"})
    assert "hunter2" not in str(refusal.value)

"""A line becomes an event body that the API takes, or a reason."""

import io
import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.importing.event_lines import Defaults, EventLine, RefusedLine, event_of, read_events
from write_api.catalogue.schemas import EventCreate

CONFERENCE = {
    "name": "PyCon",
    "url": "https://pycon.example",
    "start_date": "2027-06-01",
    "end_date": "2027-06-03",
    "city": "München",
    "country": "Germany",
    "online": False,
    "languages": ["EN", " DE"],
    "topics": ["python"],
}
EVENT = {
    "name": "event13",
    "available_seats": 10,
    "start_at": "2027-11-01T10:00:00Z",
    "location": "HCM",
    "category": "MUSIC",
    "price": 10.5,
}


def event(record: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    return event_of(json.dumps(record).encode(), Defaults(**defaults))


def reason(content: bytes) -> str:
    (only,) = read_events(io.BytesIO(content), Defaults(), limit=None, check=True)
    assert isinstance(only, RefusedLine)
    return only.reason


def test_a_conference_lasts_from_nine_to_six_where_it_takes_place() -> None:
    made = event(CONFERENCE)
    assert (made["start_at"], made["end_at"]) == ("2027-06-01T09:00:00+02:00", "2027-06-03T18:00:00+02:00")
    assert made["venue"] == {
        "name": "München",
        "city": "Munich",
        "country": "Germany",
        "time_zone": "Europe/Berlin",
        "latitude": pytest.approx(48.137, abs=0.01),
        "longitude": pytest.approx(11.575, abs=0.01),
    }
    assert (made["category"], made["languages"], made["topics"]) == ("CONFERENCE", ["en", "de"], ["python"])
    assert (made["available_seats"], made["price"], made["currency"], made["status"]) == (
        100,
        0,
        "USD",
        "active",
    )
    assert (made["website"], made["is_online"]) == ("https://pycon.example", False)
    EventCreate.model_validate(made)


def test_the_defaults_are_the_callers() -> None:
    made = event(CONFERENCE, seats=7, price=1500, currency="JPY", status="inactive")
    assert (made["available_seats"], made["price"], made["currency"], made["status"]) == (
        7,
        1500,
        "JPY",
        "inactive",
    )


def test_an_unknown_city_has_no_coordinates_and_utc() -> None:
    made = event({**CONFERENCE, "city": "Sophia-Antipolis", "country": "France"})
    assert made["venue"] == {
        "name": "Sophia-Antipolis",
        "city": "Sophia-Antipolis",
        "country": "France",
        "time_zone": "UTC",
    }
    assert made["start_at"].endswith("+00:00")


def test_an_online_conference_needs_no_place_and_may_have_one() -> None:
    nowhere = event({**CONFERENCE, "online": True, "city": None, "country": None})
    assert nowhere["is_online"]
    assert "venue" not in nowhere
    assert event({**CONFERENCE, "online": True})["venue"]["city"] == "Munich"


def test_a_conference_of_which_no_place_is_known_says_so() -> None:
    made = event({**CONFERENCE, "city": None, "country": None})
    assert made["venue"]["name"] == "To be announced"
    EventCreate.model_validate(made)


def test_a_conference_without_end_ends_on_its_first_day() -> None:
    assert event({**CONFERENCE, "end_date": None})["end_at"] == "2027-06-01T18:00:00+02:00"


def test_our_own_body_is_sent_as_it_is() -> None:
    made = event(EVENT)
    assert {name: made[name] for name in EVENT} == EVENT
    assert set(made) - set(EVENT) == {"status", "import_reference"}
    assert event({**EVENT, "status": "inactive", "import_reference": "mine"})["import_reference"] == "mine"
    assert event({**EVENT, "status": "inactive"})["status"] == "inactive"


JSON_OBJECTS = st.dictionaries(
    st.sampled_from(["name", "start_at", "start_date", "city", "country", "online", "url", "topics", "x"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates().map(str),
)


@given(JSON_OBJECTS)
def test_any_object_is_an_event_line_or_has_a_reason(record: dict[str, Any]) -> None:
    content = json.dumps(record).encode()
    for item in read_events(io.BytesIO(content), Defaults(), limit=None):
        if isinstance(item, EventLine):
            assert json.loads(item.body)["import_reference"]
        else:
            assert item.reason


@given(st.binary(max_size=200))
def test_any_bytes_are_read_to_the_end(content: bytes) -> None:
    numbers = [item.number for item in read_events(io.BytesIO(content), Defaults(), limit=None)]
    assert numbers == sorted(set(numbers))


@given(st.permutations(sorted(CONFERENCE)), st.sampled_from([None, 1, 4]))
def test_the_reference_depends_on_the_record_and_not_on_its_spelling(
    order: list[str], indent: int | None
) -> None:
    spelled = {name: CONFERENCE[name] for name in order}
    separators = (", ", ": ") if indent else (",", ":")
    content = json.dumps(spelled, separators=separators, ensure_ascii=bool(indent)).encode()
    assert event_of(content, Defaults())["import_reference"] == event(CONFERENCE)["import_reference"]


@pytest.mark.parametrize(
    "change", [{"name": "PyCon 2"}, {"start_date": "2027-06-02"}, {"city": None}, {"topics": []}]
)
def test_another_record_has_another_reference(change: dict[str, Any]) -> None:
    assert event({**CONFERENCE, **change})["import_reference"] != event(CONFERENCE)["import_reference"]


def test_other_defaults_do_not_make_another_event_of_a_line() -> None:
    assert event(CONFERENCE, price=5)["import_reference"] == event(CONFERENCE)["import_reference"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not JSON"),
        (b'{"start_at": NaN}', "NaN is not JSON"),
        (b"\xff", "not UTF-8"),
        (b"[]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b"{}", "neither start_at .* nor start_date"),
        (b"[" * 60_000, "nested too deep"),
        (b'{"start_at": ' + b"9" * 5000 + b"}", "a number too long"),
        (b'{"start_at": 1e999}', "JSON can't carry"),
        (b'{"start_at": "\\ud800"}', "JSON can't carry"),
        (b'{"start_date": "2027-01-01"}', "name: Field required"),
        (b'{"name": "x", "start_date": "1st of May"}', "start_date"),
        (b'{"name": "x", "start_date": "2027-01-02", "end_date": "2027-01-01"}', "end_date is before"),
        (b'{"start_at": "2027-01-01T10:00:00Z"}', "name: Field required"),
        (b'{"start_at": "2027-01-01T10:00:00Z", "nmae": "x"}', "and 1 more|nmae"),
        (b" " * 70_000 + b"x", "longer than 64 KiB"),
    ],
)  # fmt: skip
def test_a_bad_line_has_a_reason_that_helps(content: bytes, why: str) -> None:
    assert re.search(why, reason(content))


def test_a_refusal_never_repeats_a_value() -> None:
    assert "secret" not in reason(json.dumps({**EVENT, "price": "secret", "start_at": "secret"}).encode())


def test_seats_are_counted_so_that_a_request_stays_within_bounds() -> None:
    beyond = {"name": "b", "price": 2, "capacity": 10, "oversell_seats": 2}
    types = [{"name": "a", "price": 1, "capacity": 30}, beyond]
    lines = [
        EVENT,
        {**EVENT, "available_seats": None, "ticket_types": types},
        {**EVENT, "available_seats": "x"},
    ]
    content = b"\n".join(json.dumps(line).encode() for line in lines)
    items = list(read_events(io.BytesIO(content), Defaults(), limit=None))
    assert [item.seats for item in items if isinstance(item, EventLine)] == [10, 42, 0]


def test_local_times_are_instants_with_their_offset() -> None:
    made = event({**CONFERENCE, "city": "Dallas, TX", "country": "U.S.A.", "start_date": "2027-01-04"})
    assert datetime.fromisoformat(made["start_at"]).utcoffset() is not None
    assert made["time_zone"] == "America/Chicago"

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.change_event import (
    ArtistChanged,
    Change,
    EventsChanged,
    Heartbeat,
    Ignored,
    MalformedChangeError,
    TableTruncated,
    VenueChanged,
    decode_change,
)


def message(
    table: str,
    op: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    lsn: int | None = 24023128,
) -> bytes:
    source = {"version": "3.7.0.Final", "schema": "public", "table": table, "lsn": lsn}
    return json.dumps(
        {"before": before, "after": after, "source": source, "op": op, "ts_ms": 1, "transaction": None}
    ).encode()


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (message("events", "c", None, {"id": 7, "name": "x"}), EventsChanged((7,))),
        (message("events", "u", None, {"id": 7, "description": "__unavailable"}), EventsChanged((7,))),
        (message("events", "d", {"id": 7, "name": None}), EventsChanged((7,))),
        (message("event_artists", "c", None, {"event_id": 7, "position": 1}), EventsChanged((7,))),
        (message("event_artists", "u", {"event_id": 8}, {"event_id": 7}), EventsChanged((8, 7))),
        (message("ticket_types", "d", {"event_id": 7, "id": 2}), EventsChanged((7,))),
        (message("ticket_stock", "u", None, {"event_id": 7}), EventsChanged((7,), stock_only=True)),
        (message("venues", "u", None, {"id": 4}), VenueChanged(4)),
        (message("artists", "d", {"id": 5}), ArtistChanged(5)),
        (message("venues", "c", None, {"id": 4}), Ignored()),
        (message("artists", "c", None, {"id": 5}), Ignored()),
        (message("events", "t"), TableTruncated("events")),
        (message("heartbeat", "d", {"id": 1}), Ignored()),
        (json.dumps({"op": "m", "message": {"prefix": "x"}}).encode(), Ignored()),
        (None, Ignored()),
    ],
)  # fmt: skip
def test_each_table_and_operation_says_what_to_read_again(value: bytes | None, change: Change) -> None:
    assert decode_change(value) == change


def test_a_heartbeat_carries_when_the_one_before_was_confirmed() -> None:
    row = {"id": 1, "generation": 2, "beat": 9, "written_at": "2027-01-01T00:00:01Z"}
    change = decode_change(message("heartbeat", "u", None, {**row, "confirmed_at": "2027-01-01T00:00:00.5Z"}))
    assert change == Heartbeat(2, 9, datetime(2027, 1, 1, 0, 0, 0, 500_000, UTC), 24023128)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b"{}",
        message("events", "c"),
        message("events", "x", None, {"id": 1}),
        message("events", "c", None, {"name": "no key"}),
        message("events", "c", None, {"id": "7"}),
        message("events", "c", None, {"id": True}),
        message("events", "c", None, {"id": 0}),
        message("seats", "c", None, {"event_id": 1}),
        message("heartbeat", "u", None, {"generation": 1, "beat": 1}),
        message("heartbeat", "u", None, {"generation": 1, "beat": 1, "confirmed_at": "2027-01-01T00:00:00"}),
        message("heartbeat", "u", None, {"generation": 1, "beat": 1, "confirmed_at": 5}),
        *(
            message(
                "heartbeat",
                "u",
                None,
                {"generation": 1, "beat": 1, "confirmed_at": "2027-01-01T00:00:00Z"},
                lsn,
            )
            for lsn in (None, 0, -1, 2**63)
        ),
        json.dumps({"op": "c", "after": {"id": 1}}).encode(),
    ],
)
def test_what_is_no_change_is_an_error_that_does_not_repeat_values(value: bytes) -> None:
    with pytest.raises(MalformedChangeError) as error:
        decode_change(value)
    assert "no key" not in str(error.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.none() | st.dictionaries(st.sampled_from(["id", "event_id", "beat", "confirmed_at"]), JSON)
TABLES = st.sampled_from(["events", "venues", "heartbeat", "ticket_stock", "other"])


@given(st.one_of(st.binary(max_size=60), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_bytes_crash_the_decoder(value: bytes) -> None:
    _decodes_or_tells(value)


@given(TABLES, st.sampled_from("cudrtmx"), ROWS, ROWS)
def test_no_row_crashes_the_decoder(table: str, op: str, before: Any, after: Any) -> None:
    _decodes_or_tells(message(table, op, before, after))


def _decodes_or_tells(value: bytes) -> None:
    with contextlib.suppress(MalformedChangeError):
        assert isinstance(decode_change(value), Change)

"""What the topic of changes says: Debezium's messages, decoded to what the indexer has to do.

A message says *that* something changed. Only keys are used, and of the heartbeat its values: documents
are read from the database, so a value in a message could only be older.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec


class MalformedChangeError(ValueError):
    """A message is not a change as Debezium writes them; the text says what is wrong, without its values."""


@dataclass(frozen=True, slots=True)
class EventsChanged:
    """These events' documents have to be read again; `stock_only` if nothing but seats left changed."""

    event_ids: tuple[int, ...]
    stock_only: bool = False


@dataclass(frozen=True, slots=True)
class VenueChanged:
    """All events at this venue have to be read again."""

    venue_id: int


@dataclass(frozen=True, slots=True)
class ArtistChanged:
    """All events with this artist have to be read again."""

    artist_id: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """All that was committed before this beat is before it in the topic.

    `confirmed_at` is when the beat before this one was confirmed: what the age of data is counted from. `lsn`
    is where in the log the beat was written, in bytes. It was committed after that, and transactions are told
    in the order of their commits: whatever was committed up to `lsn` is before the beat in the topic.
    """

    generation: int
    beat: int
    confirmed_at: datetime
    lsn: int


@dataclass(frozen=True, slots=True)
class TableTruncated:
    """A whole table was emptied: only comparing everything tells what is left."""

    table: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do: a tombstone of Kafka's, no change of a row, or one that is in no document yet."""


Change = EventsChanged | VenueChanged | ArtistChanged | Heartbeat | TableTruncated | Ignored

# Which key column names the event (or venue, or artist) in each published table.
_EVENT_KEYS = {
    "events": "id",
    "event_artists": "event_id",
    "ticket_types": "event_id",
    "ticket_stock": "event_id",
}
# A new row of these is in no document before an event names it, and that is a change of its own.
_NAMED_BY_EVENTS = frozenset({"venues", "artists"})
_ROW_OPERATIONS = frozenset({"c", "u", "d", "r"})


class _Source(msgspec.Struct):
    table: str
    lsn: int | None = None


class _Message(msgspec.Struct):
    op: str
    source: _Source | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


_DECODER = msgspec.json.Decoder(_Message)


def decode_change(value: bytes | None) -> Change:
    """What one message of the topic means. Raises MalformedChangeError."""
    if value is None:
        return Ignored()
    try:
        message = _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedChangeError(f"not a Debezium message: {type(error).__name__}") from None
    if message.op == "m":
        return Ignored()
    if message.source is None:
        raise MalformedChangeError("a change without its source")
    if message.op == "t":
        return TableTruncated(message.source.table)
    if message.op not in _ROW_OPERATIONS:
        raise MalformedChangeError("an unknown operation")
    if message.op == "c" and message.source.table in _NAMED_BY_EVENTS:
        return Ignored()
    return _row_change(message.source, message.before, message.after)


def _row_change(source: _Source, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Change:
    """A removal tells only the key columns, in `before`; `before` of an update is null where keys stay."""
    rows = [row for row in (before, after) if row is not None]
    if not rows:
        raise MalformedChangeError("a change of a row without a row")
    table = source.table
    if table == "heartbeat":
        return _heartbeat(after, source.lsn) if after is not None else Ignored()
    if table == "venues":
        return VenueChanged(_identifier(rows[-1], "id"))
    if table == "artists":
        return ArtistChanged(_identifier(rows[-1], "id"))
    key = _EVENT_KEYS.get(table)
    if key is None:
        raise MalformedChangeError("a change of a table that is not published")
    event_ids = tuple(dict.fromkeys(_identifier(row, key) for row in rows))
    return EventsChanged(event_ids, stock_only=table == "ticket_stock")


def _heartbeat(row: dict[str, Any], lsn: int | None) -> Heartbeat:
    try:
        confirmed_at = datetime.fromisoformat(row["confirmed_at"])
    except (KeyError, TypeError, ValueError):
        raise MalformedChangeError("a heartbeat without the time of its confirmation") from None
    if confirmed_at.tzinfo is None:
        raise MalformedChangeError("a heartbeat without a time zone")
    if lsn is None or not 0 < lsn < 2**63:
        raise MalformedChangeError("a heartbeat without its place in the log")
    return Heartbeat(_identifier(row, "generation"), _identifier(row, "beat"), confirmed_at, lsn)


def _identifier(row: dict[str, Any], column: str) -> int:
    value = row.get(column)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise MalformedChangeError(f"column {column} is not a positive 64-bit integer")
    return value

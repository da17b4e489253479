"""Turns a line of JSON into an event body, or into the reason why it is none."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from pydantic import ValidationError

from cli.importing.conferences import Conference, conference_event
from cli.importing.lines import MAX_LINE_BYTES, LineRefusedError, read_lines
from cli.places import gazetteer

MAX_REASONS = 3


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a line does not say: seats and price (in main units) of conferences, and every event's status."""

    seats: int = 100
    price: float = 0
    currency: str = "USD"
    status: str = "active"


@dataclass(frozen=True, slots=True)
class EventLine:
    """An event to send: its line number, its body as JSON, and how many seats it asks for."""

    number: int
    body: bytes
    seats: int


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that is no event, and why."""

    number: int
    reason: str


def read_events(
    file: BinaryIO, defaults: Defaults, *, limit: int | None, check: bool = False
) -> Iterator[EventLine | RefusedLine]:
    """The events of a file in order, and in their places the lines that are none.

    With `check`, each body is held against the API's own rules here, and not sent to find out.
    """
    for line in read_lines(file, limit=limit):
        try:
            if line.content is None:
                raise LineRefusedError(f"the line is longer than {MAX_LINE_BYTES // 1024} KiB")
            event = event_of(line.content, defaults)
            if check:
                check_event(event)
            yield EventLine(line.number, _encoded(event), _seats(event))
        except LineRefusedError as refusal:
            yield RefusedLine(line.number, str(refusal))


def event_of(content: bytes, defaults: Defaults) -> dict[str, Any]:
    """The event body of one line, in either format. Raises LineRefusedError.

    `import_reference` is the digest of the record, unless it brings its own: the same record, however often
    and from whichever file it is imported, is one event of its host.
    """
    record = _record(content)
    if "start_at" in record:
        event = dict(record)
    elif "start_date" in record:
        event = _event_of_conference(record, defaults)
    else:
        raise LineRefusedError("it has neither start_at (an event) nor start_date (a conference)")
    if event.get("status") is None:
        event["status"] = defaults.status
    if event.get("import_reference") is None:
        event["import_reference"] = hashlib.sha256(_encoded(record)).hexdigest()[:32]
    return event


def check_event(event: dict[str, Any]) -> None:
    """Holds a body against the rules of POST /api/v1/events. Raises LineRefusedError."""
    from write_api.catalogue.schemas import EventCreate  # noqa: PLC0415 - costs 0.3 s that only a dry run needs

    try:
        EventCreate.model_validate(event)
    except ValidationError as error:
        raise LineRefusedError(_reasons(error)) from None


def _record(content: bytes) -> dict[str, Any]:
    try:
        record = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise LineRefusedError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise LineRefusedError(f"it is not JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError):
        raise LineRefusedError(
            "it is not JSON that can be read: a number too long, or nested too deep"
        ) from None
    if not isinstance(record, dict):
        raise LineRefusedError("it is not a JSON object")
    return record


def _event_of_conference(record: dict[str, Any], defaults: Defaults) -> dict[str, Any]:
    try:
        conference = Conference.model_validate(record)
    except ValidationError as error:
        raise LineRefusedError(_reasons(error)) from None
    return conference_event(
        conference, gazetteer(), seats=defaults.seats, price=defaults.price, currency=defaults.currency
    )


def _encoded(record: dict[str, Any]) -> bytes:
    """One spelling for a record, whatever its spaces and its order."""
    try:
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8")
    except (ValueError, RecursionError):
        raise LineRefusedError("it holds text or a number that JSON can't carry") from None


def _seats(event: dict[str, Any]) -> int:
    """How many seats the body asks for; what is not a number the API will refuse by itself."""
    ticket_types = event.get("ticket_types")
    types = [one for one in ticket_types if isinstance(one, dict)] if isinstance(ticket_types, list) else []
    of_types = [one.get(name) for one in types for name in ("capacity", "oversell_seats")]
    counts = [event.get("available_seats"), *of_types]
    return sum(count for count in counts if isinstance(count, int) and count > 0)


def _reasons(error: ValidationError) -> str:
    """The first few faults in words, without the values."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ") for fault in faults]
    more = f" (and {len(named) - MAX_REASONS} more)" if len(named) > MAX_REASONS else ""
    return "; ".join(named[:MAX_REASONS]) + more


def _refuse_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"{name} is not JSON", "", 0)

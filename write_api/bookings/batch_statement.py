"""The statements of a batch: their parameters, and what their rows mean.

Columns travel as array literals, which Python joins and PostgreSQL reads faster than the driver's own arrays
of numbers; what comes back are arrays of a whole batch, in the order in which seats are handed out.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from contracts.money import minor_units
from service_kit.database import Row
from write_api.bookings.assumed import AssumedSale
from write_api.bookings.grants import Grant, MadeBefore, Sale, Wish
from write_api.bookings.made import MadeBooking, MadeSeat, made_attendees, made_policy
from write_api.bookings.rules import BookableEvent, BookableTicketType


def sale_from_rows(rows: Sequence[Row], time_and_line: Row | None) -> Sale | None:
    """The sale of the rows of `select_sale`, a ticket type each, and of `select_time_and_line`.

    None where there is no event. What is known of people is not in there.
    """
    if not rows:
        return None
    first = rows[0]
    now, awaited = time_and_line_from_row(time_and_line)
    sold = [row for row in rows if row["id"] is not None]
    return Sale(
        event=BookableEvent(
            status=first["status"],
            starts_at=first["starts_at"],
            currency=first["currency"],
            hold_seconds=first["hold_seconds"],
            policy_version=first["policy_version"],
        ),
        ticket_types=[_ticket_type(row) for row in sold],
        remaining={row["id"]: row["remaining"] for row in sold},
        seats={row["id"]: row["seats"] for row in sold},
        now=now,
        awaited=awaited,
        policy=first["policy"],
        versions=[first["event_version"], *(row["ticket_type_version"] for row in sold)],
    )


def _ticket_type(row: Row) -> BookableTicketType:
    return BookableTicketType(
        id=row["id"],
        name=row["name"],
        price_minor=row["price_minor"],
        sales_start_at=row["sales_start_at"],
        sales_end_at=row["sales_end_at"],
        per_person_limit=row["per_person_limit"],
    )


def time_and_line_from_row(row: Row | None) -> tuple[datetime, dict[int, int]]:
    """The row of `select_time_and_line`."""
    assert row is not None  # noqa: S101 - a SELECT without FROM has a row
    return row["now"], {int(key): quantity for key, quantity in (row["awaited"] or {}).items()}


def made_before_parameters(event_id: int, names: Sequence[tuple[int, str]]) -> dict[str, Any]:
    """Of `select_made_before`."""
    return {
        "event_id": event_id,
        "person_ids": _numbers(person_id for person_id, _ in names),
        "keys": _texts(key for _, key in names),
    }


def made_before_from_rows(rows: Sequence[Row]) -> dict[tuple[int, str], MadeBefore]:
    """What was made before, by the names of the wishes."""
    return {
        (row["person_id"], row["key"]): MadeBefore(
            row["booking_id"], row["ticket_type_id"], row["quantity"], row["attendees_sha256"]
        )
        for row in rows
    }


class MadeBatch(NamedTuple):
    """The bookings of a batch in the order of its grants, and how many seats it left by ticket type."""

    bookings: list[MadeBooking]
    remaining: Mapping[int, int]


def parameters_of(
    event_id: int, sale: Sale, grants: Sequence[Grant], holds: Sequence[int], assumed: AssumedSale | None
) -> dict[str, Any]:
    """Of `insert_bookings`; `holds` are the seconds for which each is held."""
    wishes = [grant.wish for grant in grants]
    return {
        "event_id": event_id,
        "ticket_type_ids": _numbers(grant.ticket_type.id for grant in grants),
        "person_ids": _numbers(wish.person_id for wish in wishes),
        "quantities": _numbers(wish.quantity for wish in wishes),
        "keys": _texts(wish.idempotency_key for wish in wishes),
        "attendees_sha256": _hashes_of_attendees(wishes),
        "prices_minor": _numbers(grant.ticket_type.price_minor * grant.wish.quantity for grant in grants),
        "hold_seconds": _numbers(holds),
        "order_ids": _numbers(wish.order_id for wish in wishes),
        "currency": sale.event.currency,
        "policy_version": sale.event.policy_version,
        "now": sale.now if assumed is None else None,
        "versions": None if assumed is None else sale.versions,
        "until": None if assumed is None else assumed.until,
    }


def made_batch(
    event_id: int, sale: Sale, grants: Sequence[Grant], holds: Sequence[int], rows: Sequence[Row]
) -> MadeBatch:
    """The bookings of the grants, from one row a ticket type: each takes the next seats of its own."""
    now = rows[0]["now"]
    seats = {row["ticket_type_id"]: iter(_seats(row)) for row in rows}
    policy = made_policy(sale.policy)
    unit = 10 ** minor_units(sale.event.currency)
    made = []
    for grant, booking_id, hold_seconds in zip(grants, rows[0]["booking_ids"], holds, strict=True):
        wish, ticket_type = grant.wish, grant.ticket_type
        price_minor = ticket_type.price_minor * wish.quantity
        made.append(
            MadeBooking(
                booking_id,
                event_id,
                ticket_type.id,
                wish.quantity,
                "held",
                price_minor,
                price_minor / unit,
                sale.event.currency,
                list(islice(seats[ticket_type.id], wish.quantity)),
                now + timedelta(seconds=hold_seconds),
                now,
                None,
                wish.order_id,
                made_attendees(wish.attendees),
                policy,
                None,
            )
        )
    return MadeBatch(made, {row["ticket_type_id"]: row["remaining"] for row in rows})


def _seats(row: Mapping[str, Any]) -> list[MadeSeat]:
    return list(map(MadeSeat, row["positions"], row["labels"]))


def _hashes_of_attendees(wishes: Sequence[Wish]) -> str:
    """An array literal; an empty one is as good as one of nulls, and the usual case."""
    if not any(wish.attendees for wish in wishes):
        return "{}"
    hashes = [wish.attendees_sha256 for wish in wishes]
    return _texts(None if one is None else f"\\x{one.hex()}" for one in hashes)


def _numbers(values: Iterable[int | None]) -> str:
    """An array literal."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def _texts(values: Iterable[str | None]) -> str:
    """An array literal."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

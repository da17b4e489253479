"""Ticket types of an event that is there: more of them, other prices, more or fewer seats.

What is decided here is decided in one short transaction that leads the event's queue. The seats follow
afterwards, some at a time (write_api.seat_blocks), so that bookings go on meanwhile.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
from pydantic import BaseModel

from contracts import problems
from contracts.event import TicketType, event_from_row
from contracts.money import to_minor
from contracts.token_claims import Identity
from service_kit.database import Connection, Pool, Row
from service_kit.problem_responses import Problem
from write_api.audit_log import AuditLog, actor_of
from write_api.catalogue.refusals import hosted, invalid_field
from write_api.catalogue.schemas import MAX_TICKET_TYPES, Price, TicketTypeBody, TicketTypeUpdate
from write_api.catalogue.store import CatalogueStore
from write_api.idempotency import IdempotentRequests, keyed
from write_api.organisation_access import OrganisationAccess
from write_api.seat_blocks import MAX_SEATS_PER_EVENT, SeatBlock, SeatsTakenError, SeatSupply


class _Asked(BaseModel):
    """A new ticket type and whose it is, which tells whether a request is the same."""

    event_id: int
    ticket_type: TicketTypeBody


class TicketTypeService:
    """Adds and changes ticket types. Lock order: queue of the event, event, stock."""

    def __init__(
        self,
        pool: Pool,
        store: CatalogueStore,
        audit_log: AuditLog,
        organisations: OrganisationAccess,
        supply: SeatSupply,
        *,
        requests: IdempotentRequests,
    ) -> None:
        self._pool = pool
        self._store = store
        self._audit_log = audit_log
        self._organisations = organisations
        self._supply = supply
        self._requests = requests

    async def add(
        self, host: Identity, event_id: int, body: TicketTypeBody, *, idempotency_key: str | None = None
    ) -> TicketType:
        """One more ticket type, the last in order; all its seats are free, and soon on sale.

        Raises Problem NOT_FOUND, FORBIDDEN, CONFLICT, INVALID_REQUEST, IDEMPOTENCY_KEY_REUSED.
        """
        asked = _Asked(event_id=event_id, ticket_type=body)
        request = keyed(host.person_id, "add-ticket-type", idempotency_key, asked)
        async with self._pool.connection() as connection, connection.transaction():
            answered = await self._requests.first_answer(connection, request)
            if answered is not None:
                return TicketType.model_validate_json(answered)
            event, ticket_types = await self._lock(connection, host, event_id)
            columns = _new(event_id, body, event["currency"], ticket_types)
            try:
                [ticket_type_id] = await self._store.insert_ticket_types(connection, [columns])
            except psycopg.errors.UniqueViolation:
                raise _name_taken(body.name) from None
            await self._supply.make_seats(connection, [SeatBlock(event_id, ticket_type_id, 1, 0, "")])
            await self._supply.change(connection, event_id, ticket_type_id, _seats(columns))
            details = {"ticket_type": ticket_type_id, "seats": _seats(columns)}
            await self._record(connection, host, event_id, "ticket-type-created", details)
            added = TicketType(id=ticket_type_id, seats_remaining=_seats(columns), **columns)
            await self._requests.keep(connection, request, added)
        await self._supply.settle(event_id, ticket_type_id)
        return added

    async def change(
        self, host: Identity, event_id: int, ticket_type_id: int, body: TicketTypeUpdate
    ) -> TicketType:
        """Changes what the body names; bookings keep their prices and seats. Raises Problem as `add`."""
        async with self._pool.connection() as connection, connection.transaction():
            event, ticket_types = await self._lock(connection, host, event_id)
            before = next((row for row in ticket_types if row["id"] == ticket_type_id), None)
            if before is None:
                raise Problem(problems.NOT_FOUND, f"Event {event_id} has no ticket type {ticket_type_id}.")
            after = _merged(before, body, event["currency"])
            changed = sorted(name for name in after if after[name] != before[name])
            if changed:
                _check_seats_in_all(
                    [row for row in ticket_types if row["id"] != ticket_type_id], after, before
                )
                await self._change_seats(connection, before, after)
                try:
                    await self._store.update_ticket_type(connection, after)
                except psycopg.errors.UniqueViolation:
                    raise _name_taken(after["name"]) from None
                details = {
                    "ticket_type": ticket_type_id,
                    "changed": changed,
                    "seats": [_seats(before), _seats(after)],
                }
                await self._record(connection, host, event_id, "ticket-type-changed", details)
        return await self._settled(event_id, ticket_type_id)

    async def _lock(self, connection: Connection, host: Identity, event_id: int) -> tuple[Row, list[Row]]:
        """The event and its ticket types, which nobody else changes or books until the transaction ends."""
        row = await self._store.lock_event(connection, event_id)
        event = await hosted(self._organisations, connection, host, row, event_id)
        return event, await self._store.ticket_types(connection, event_id)

    async def _change_seats(self, connection: Connection, before: Row, after: dict[str, Any]) -> None:
        """Raises Problem CONFLICT where more seats are held or sold than there would be."""
        event_id, ticket_type_id = before["event_id"], before["id"]
        try:
            await self._supply.change(connection, event_id, ticket_type_id, _seats(after) - _seats(before))
        except SeatsTakenError as error:
            taken = _seats(before) - error.free_seats
            raise Problem(
                problems.CONFLICT,
                f"{taken} seats are held or sold; there can't be fewer.",
                seats_taken=taken,
            ) from None

    async def _settled(self, event_id: int, ticket_type_id: int) -> TicketType:
        """As everybody reads it, once its seats have followed."""
        await self._supply.settle(event_id, ticket_type_id)
        async with self._pool.connection() as connection:
            row = await self._store.document(connection, event_id)
        assert row is not None  # noqa: S101 - events are never removed by us
        return next(one for one in event_from_row(row).ticket_types if one.id == ticket_type_id)

    async def _record(
        self, connection: Connection, host: Identity, event_id: int, action: str, details: dict[str, Any]
    ) -> None:
        await self._store.touch_event(connection, event_id)
        await self._audit_log.record(
            connection, actor=actor_of(host), action=action, subject=f"event:{event_id}", details=details
        )


def _new(event_id: int, body: TicketTypeBody, currency: str, others: Sequence[Row]) -> dict[str, Any]:
    """The columns of one more ticket type beside `others`. Raises Problem CONFLICT, INVALID_REQUEST."""
    if len(others) >= MAX_TICKET_TYPES:
        raise Problem(problems.CONFLICT, f"An event has at most {MAX_TICKET_TYPES} ticket types.")
    columns = {
        **body.model_dump(exclude={"price"}),
        "price_minor": _price_minor(body.price, currency),
        "event_id": event_id,
        "position": max((row["position"] for row in others), default=0) + 1,
    }
    _check_seats_in_all(others, columns)
    return columns


def _merged(before: Row, body: TicketTypeUpdate, currency: str) -> dict[str, Any]:
    """The ticket type's columns after the change. Raises Problem INVALID_REQUEST."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    price = changes.pop("price", None)
    if price is not None:
        changes["price_minor"] = _price_minor(price, currency)
    after = {**before, **changes}
    starts_at, ends_at = after["sales_start_at"], after["sales_end_at"]
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise invalid_field("sales_end_at", "must be after sales_start_at")
    return after


def _seats(ticket_type: Row) -> int:
    """How many seats it has, with those beyond its capacity."""
    seats: int = ticket_type["capacity"] + ticket_type["oversell_seats"]
    return seats


def _check_seats_in_all(others: Sequence[Row], after: Row, before: Row | None = None) -> None:
    """Raises Problem CONFLICT where the event would have too many seats, and more than it has."""
    elsewhere = sum(_seats(row) for row in others)
    is_raised = before is None or _seats(after) > _seats(before)
    if is_raised and elsewhere + _seats(after) > MAX_SEATS_PER_EVENT:
        most = MAX_SEATS_PER_EVENT - elsewhere
        raise Problem(
            problems.CONFLICT,
            f"An event has at most {MAX_SEATS_PER_EVENT} seats in all, so {most} of this ticket type.",
            seats_at_most=most,
        )


def _price_minor(price: Price, currency: str) -> int:
    """Raises Problem INVALID_REQUEST where the currency has no such fraction."""
    try:
        return to_minor(price, currency)
    except ValueError as error:
        raise invalid_field("price", str(error)) from None


def _name_taken(name: str) -> Problem:
    return Problem(problems.CONFLICT, f"The event has another ticket type of the name {name!r}.")

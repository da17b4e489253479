"""The tables of the bookings: stock, seats, bookings."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, LiteralString

from service_kit.database import Connection, Row
from service_kit.named_sql import load_queries
from service_kit.pipelines import in_pipeline
from write_api.bookings.assumed import AssumedSale
from write_api.bookings.attendees import AttendeeStore
from write_api.bookings.batch_statement import (
    MadeBatch,
    made_batch,
    made_before_from_rows,
    made_before_parameters,
    parameters_of,
    sale_from_rows,
    time_and_line_from_row,
)
from write_api.bookings.cancel_store import CancelStore
from write_api.bookings.grants import Grant, Sale, Wish
from write_api.bookings.locked import EndedBooking, LockedBooking, locked_booking_from_row
from write_api.bookings.rules import BookableEvent, BookableTicketType
from write_api.bookings.seat_accounting import SeatAccountingError, seats_as_they_should_be
from write_api.bookings.sold_out import KeysSince
from write_api.seat_blocks import SeatBlock

Making = Callable[[], Awaitable[MadeBatch]]
"""What a statement under way makes. Raises what the statement raises."""


class BookingStore:
    """Statements of the feature, each on the connection that it is given, within the caller's transaction.

    Tests give other `queries` to prove that a guard is needed.
    """

    def __init__(self, queries: Mapping[str, LiteralString] | None = None) -> None:
        self._queries = queries or load_queries("write_api.bookings")
        self._attendees = AttendeeStore(self._queries)
        self.cancels = CancelStore(self._queries)

    @property
    def flushed_lsn(self) -> LiteralString:
        """The statement that tells, behind a commit, how far the log is flushed."""
        return self._queries["flushed_lsn"]

    async def lock_event(self, connection: Connection, event_id: int) -> BookableEvent | None:
        """The event, which can't change until the transaction ends; None where there is none."""
        await connection.execute(self._queries["join_queue_of_event"], {"event_id": event_id})
        row = await self._row(connection, "lock_event", {"event_id": event_id})
        return None if row is None else BookableEvent(**row)

    async def ticket_types(self, connection: Connection, event_id: int) -> list[BookableTicketType]:
        """The ticket types of an event in its order."""
        cursor = await connection.execute(self._queries["select_ticket_types"], {"event_id": event_id})
        return [BookableTicketType(**row) for row in await cursor.fetchall()]

    async def lock_sale(
        self, connection: Connection, event_id: int, wishes: Sequence[Wish] = ()
    ) -> Sale | None:
        """The event with the stock of all its ticket types, locked; None where there is no event.

        With what is known of those who have these `wishes`: what they have been granted before.
        """
        key, made_before = {"event_id": event_id}, None
        names = [wish.name for wish in wishes if wish.name is not None]
        async with in_pipeline(connection):
            await connection.execute(self._queries["lock_sale"], key)
            selling = await connection.execute(self._queries["select_sale"], key)
            time_and_line = await connection.execute(self._queries["select_time_and_line"], key)
            if names:
                made_before = await connection.execute(
                    self._queries["select_made_before"], made_before_parameters(event_id, names)
                )
        sale = sale_from_rows(await selling.fetchall(), await time_and_line.fetchone())
        if sale is None:
            return None
        people = {wish.person_id for wish in wishes}
        return replace(
            sale,
            made_before={} if made_before is None else made_before_from_rows(await made_before.fetchall()),
            seats_before=await self.seats_before(connection, event_id, sale.ticket_types, people),
        )

    async def share_sale(
        self, connection: Connection, event_id: int, person_ids: Collection[int]
    ) -> Sale | None:
        """The event, which can't change until the transaction ends, with what is on sale; None without one.

        The stock is not locked: what is left may go at once, and more may come. So may the seats that these
        people have, which are read in the same round trip.
        """
        key = {"event_id": event_id}
        async with in_pipeline(connection):
            await connection.execute(self._queries["join_queue_of_event"], key)
            await connection.execute(self._queries["lock_event"], key)
            selling = await connection.execute(self._queries["select_sale"], key)
            time_and_line = await connection.execute(self._queries["select_time_and_line"], key)
            counting = await connection.execute(
                self._queries["count_seats_of_people"], {**key, "person_ids": list(person_ids)}
            )
        sale = sale_from_rows(await selling.fetchall(), await time_and_line.fetchone())
        if sale is None:
            return None
        return replace(sale, seats_before=_seats_by_owner(await counting.fetchall()))

    async def seats_before(
        self,
        connection: Connection,
        event_id: int,
        ticket_types: Sequence[BookableTicketType],
        person_ids: Collection[int],
    ) -> dict[tuple[int, int], int]:
        """How many seats people have, held or confirmed, by ticket type and person, where there is a limit.

        Asks nothing where there is none. Nobody gets more of a ticket type whose stock the caller has locked.
        """
        if not person_ids or all(one.per_person_limit is None for one in ticket_types):
            return {}
        parameters = {"event_id": event_id, "person_ids": sorted(person_ids)}
        cursor = await connection.execute(self._queries["count_seats_of_people"], parameters)
        return _seats_by_owner(await cursor.fetchall())

    async def time_and_line(self, connection: Connection, event_id: int) -> tuple[datetime, dict[int, int]]:
        """The server's time, and by ticket type the smallest number of seats that somebody waits for.

        Asked under the locks of the stock: who has joined the waitlist by now is not passed.
        """
        return time_and_line_from_row(
            await self._row(connection, "select_time_and_line", {"event_id": event_id})
        )

    async def lock_stock(
        self, connection: Connection, event_id: int, ticket_type_id: int
    ) -> tuple[int, datetime]:
        """Seats left, which nobody else can change until the transaction ends, and the time of the lock."""
        row = await self._row(
            connection, "lock_stock", {"event_id": event_id, "ticket_type_id": ticket_type_id}
        )
        if row is None:
            raise SeatAccountingError(f"ticket type {ticket_type_id} has no stock")
        return row["remaining"], row["now"]

    async def insert_booking(
        self,
        connection: Connection,
        *,
        event_id: int,
        event: BookableEvent,
        ticket_type: BookableTicketType,
        person_id: int,
        quantity: int,
        now: datetime,
        hold_seconds: int,
    ) -> int:
        """Takes the first free seats for a new booking under the stock's lock; returns its id.

        Raises SeatAccountingError where there are fewer free seats than the counter says.
        """
        key = {"event_id": event_id, "ticket_type_id": ticket_type.id, "quantity": quantity}
        cursor = await connection.execute(self._queries["free_seats"], key)
        positions = [row["position"] for row in await cursor.fetchall()]
        if len(positions) != quantity:
            raise SeatAccountingError(f"{len(positions)} seats are free where {quantity} should be")
        booking = {
            **key,
            "person_id": person_id,
            "price_minor": ticket_type.price_minor * quantity,
            "currency": event.currency,
            "policy_version": event.policy_version,
            "seat_positions": positions,
            "now": now,
            "hold_seconds": event.hold_seconds or hold_seconds,
        }
        row = await self._row(connection, "insert_booking", booking)
        assert row is not None  # noqa: S101 - INSERT RETURNING without conflict clause
        taken = await connection.execute(
            self._queries["take_seats"],
            {"event_id": event_id, "seat_positions": positions, "booking_id": row["id"]},
        )
        if taken.rowcount != quantity:
            raise SeatAccountingError(f"{taken.rowcount} seats were taken instead of {quantity}")
        await connection.execute(self._queries["lower_stock"], key)
        booking_id: int = row["id"]
        return booking_id

    async def insert_bookings(
        self,
        connection: Connection,
        event_id: int,
        sale: Sale,
        grants: Sequence[Grant],
        *,
        hold_seconds: int,
    ) -> list[int]:
        """Takes the next free seats for each grant under the locks of `sale`; the new ids in the same order.

        `hold_seconds` is how long they are held where neither wish nor event says.

        Raises SeatAccountingError, or psycopg.errors.CheckViolation, where the counters promise seats that
        are not free.
        """
        making = await self.begin_bookings(connection, event_id, sale, grants, hold_seconds=hold_seconds)
        return [booking.id for booking in (await making()).bookings]

    async def begin_bookings(
        self,
        connection: Connection,
        event_id: int,
        sale: Sale,
        grants: Sequence[Grant],
        *,
        hold_seconds: int,
        assumed: AssumedSale | None = None,
    ) -> Making:
        """As `insert_bookings`; in a pipeline the answer can be awaited after the commit was sent.

        The statement itself fails where seats or counters are not as they should be, and so nothing is done.
        Where somebody names who comes it is awaited here, for names are written by the bookings' ids.

        With `assumed` the sale is what is assumed, not what was read under its locks: they are asked for
        here, and the statement fails where it is not so.
        """
        if assumed is not None:
            await connection.execute(self._queries["lock_sale"], {"event_id": event_id})
        holds = [grant.wish.hold_seconds or sale.event.hold_seconds or hold_seconds for grant in grants]
        cursor = None
        if grants:
            parameters = parameters_of(event_id, sale, grants, holds, assumed)
            with seats_as_they_should_be():
                cursor = await connection.execute(self._queries["insert_bookings"], parameters, binary=True)

        async def made() -> MadeBatch:
            with seats_as_they_should_be():
                rows = [] if cursor is None else await cursor.fetchall()
            return made_batch(event_id, sale, grants, holds, rows) if rows else MadeBatch([], {})

        if not any(grant.wish.attendees for grant in grants):
            return made
        batch = await made()
        named = {one.id: grant.wish.attendees for one, grant in zip(batch.bookings, grants, strict=True)}
        await self._attendees.insert(connection, event_id, named)

        async def made_already() -> MadeBatch:
            return batch

        return made_already

    async def begin_keys_since(
        self, connection: Connection, event_id: int, booking_id: int
    ) -> Callable[[], Awaitable[KeysSince]]:
        """The keyed bookings of the event after one, under its locks; await the answer when it suits."""
        parameters = {"event_id": event_id, "booking_id": booking_id}
        cursor = await connection.execute(self._queries["select_keys_since"], parameters, binary=True)

        async def keys_since() -> KeysSince:
            row = await cursor.fetchone()
            assert row is not None  # noqa: S101 - an aggregate has a row
            return KeysSince(row["last_booking_id"], list(zip(row["person_ids"], row["keys"], strict=True)))

        return keys_since

    async def bookings_of_event(
        self, connection: Connection, event_id: int, booking_ids: Collection[int]
    ) -> dict[int, Row]:
        """Bookings of an event with their seats, by id."""
        if not booking_ids:
            return {}
        parameters = {"event_id": event_id, "booking_ids": list(booking_ids)}
        cursor = await connection.execute(self._queries["select_bookings_of_event"], parameters)
        return {row["id"]: row for row in await cursor.fetchall()}

    async def forget_keys(self, connection: Connection, *, kept_seconds: int, limit: int) -> int:
        """Forgets at most `limit` idempotency keys that are older; returns how many."""
        parameters = {"kept_seconds": kept_seconds, "limit": limit}
        return (await connection.execute(self._queries["forget_idempotency_keys"], parameters)).rowcount

    async def booking(self, connection: Connection, booking_id: int, person_id: int) -> Row | None:
        """A person's own booking with its seats, if there is one."""
        return await (await self.begin_booking(connection, booking_id, person_id))()

    async def begin_booking(
        self, connection: Connection, booking_id: int, person_id: int
    ) -> Callable[[], Awaitable[Row | None]]:
        """As `booking`; in a pipeline the answer can be awaited after the commit was sent."""
        key = {"booking_id": booking_id, "person_id": person_id}
        return (await connection.execute(self._queries["select_booking"], key)).fetchone

    async def bookings(self, connection: Connection, person_id: int, *, before: int, limit: int) -> list[Row]:
        """At most `limit` of a person's bookings with ids below `before`, newest first."""
        parameters = {"person_id": person_id, "before": before, "limit": limit}
        return await (await connection.execute(self._queries["select_bookings"], parameters)).fetchall()

    async def event_of(self, connection: Connection, booking_id: int, person_id: int) -> int | None:
        """The event of a person's own booking, if there is one."""
        row = await self._row(
            connection, "find_booking_event", {"booking_id": booking_id, "person_id": person_id}
        )
        return None if row is None else row["event_id"]

    async def lock_booking(self, connection: Connection, event_id: int, booking_id: int) -> LockedBooking:
        """A booking that exists, which can't change until the transaction ends."""
        row = await self._row(connection, "lock_booking", {"event_id": event_id, "booking_id": booking_id})
        assert row is not None  # noqa: S101 - bookings are never deleted
        return locked_booking_from_row(row)

    async def confirm(self, connection: Connection, booking: LockedBooking) -> None:
        """Turns a held booking that is locked into a confirmed one."""
        await connection.execute(
            self._queries["confirm_booking"], {"event_id": booking.event_id, "booking_id": booking.id}
        )

    async def due_holds(
        self, connection: Connection, *, limit: int, left_out: Sequence[int] = ()
    ) -> dict[int, list[int]]:
        """At most `limit` holds past their deadline, the oldest first, by event; not `left_out`; no lock."""
        parameters = {"limit": limit, "left_out": list(left_out)}
        cursor = await connection.execute(self._queries["select_due_holds"], parameters)
        due: dict[int, list[int]] = {}
        for row in await cursor.fetchall():
            due.setdefault(row["event_id"], []).append(row["id"])
        return due

    async def lock_due_holds(
        self, connection: Connection, event_id: int, booking_ids: Sequence[int]
    ) -> list[EndedBooking]:
        """Those of the bookings that are still due, but what others have locked; now locked."""
        parameters = {"event_id": event_id, "booking_ids": list(booking_ids)}
        cursor = await connection.execute(self._queries["lock_due_holds"], parameters)
        return [EndedBooking(**row) for row in await cursor.fetchall()]

    async def end_bookings(
        self, connection: Connection, ended: Sequence[EndedBooking], *, status: str
    ) -> None:
        """Gives bookings of one event, which are locked, their last status, and their seats back to sale.

        Raises SeatAccountingError where they did not have the seats that they say.
        """
        [event_id] = {booking.event_id for booking in ended}
        stocks = {"event_id": event_id, "ticket_type_ids": list({one.ticket_type_id for one in ended})}
        with seats_as_they_should_be():
            async with connection.pipeline():  # one round trip under the lock that everybody else queues for
                await connection.execute(self._queries["lock_stocks"], stocks)
                await self.begin_to_end_bookings(connection, event_id, ended, status=status)

    async def begin_to_end_bookings(
        self, connection: Connection, event_id: int, ended: Collection[EndedBooking], *, status: str
    ) -> None:
        """As `end_bookings`, with their stock locked, in a pipeline: what is awaited next may raise."""
        in_order = sorted(ended, key=lambda one: one.id)
        parameters = {
            "event_id": event_id,
            "booking_ids": [one.id for one in in_order],
            "refunds_minor": [one.refund_minor for one in in_order],
            "status": status,
            "seats": sum(one.quantity for one in in_order),
        }
        await connection.execute(self._queries["end_bookings"], parameters)
        await connection.execute(self._queries["free_booked_seats"], parameters)

    async def make_seats(self, connection: Connection, blocks: Sequence[SeatBlock]) -> None:
        """Makes the seats and the stock of new ticket types (see write_api.seat_blocks)."""
        if not blocks:
            return
        columns = {
            "event_ids": [block.event_id for block in blocks],
            "ticket_type_ids": [block.ticket_type_id for block in blocks],
            "first_positions": [block.first_position for block in blocks],
            "seat_counts": [block.seat_count for block in blocks],
            "label_prefixes": [block.label_prefix for block in blocks],
        }
        await connection.execute(self._queries["make_seats"], columns)
        await connection.execute(self._queries["make_stock"], columns)

    async def _row(self, connection: Connection, name: str, parameters: Mapping[str, Any]) -> Row | None:
        return await (await connection.execute(self._queries[name], parameters)).fetchone()


def _seats_by_owner(rows: Sequence[Row]) -> dict[tuple[int, int], int]:
    """By ticket type and person."""
    return {(row["ticket_type_id"], row["person_id"]): row["seats"] for row in rows}

"""What orders decide: little, for an order is its bookings, all of them or none, in one transaction."""

from collections.abc import Callable, Iterable

from contracts import problems
from contracts.order import Order, OrderPage, order_from_row, order_page
from service_kit.database import Connection, Pool
from service_kit.fields import MAX_ID
from service_kit.problem_responses import Problem
from write_api.idempotency import IdempotentRequests, keyed
from write_api.ordered_bookings import BookingKey, OrderedBookings
from write_api.orders.schemas import OrderCreate
from write_api.orders.store import OrderStore

SeatsFreed = Callable[[Iterable[int]], None]
"""Is told, after the commit, of which events seats came free."""


class OrderService:
    """Places, confirms, cancels and shows orders; a person only ever meets their own."""

    def __init__(
        self,
        pool: Pool,
        store: OrderStore,
        bookings: OrderedBookings,
        requests: IdempotentRequests,
        *,
        seats_freed: SeatsFreed,
    ) -> None:
        self._pool = pool
        self._store = store
        self._bookings = bookings
        self._requests = requests
        self._seats_freed = seats_freed

    async def place(self, person_id: int, body: OrderCreate, *, idempotency_key: str | None = None) -> Order:
        """Holds the seats of all items, or of none; with a key that was used for the same, the first answer.

        Raises Problem as a booking of the first refused item does, with its index as `item`, and
        IDEMPOTENCY_KEY_REUSED, CONFLICT.
        """
        request = keyed(person_id, "place-order", idempotency_key, body)
        async with self._pool.connection() as connection, connection.transaction():
            answered = await self._requests.first_answer(connection, request)
            if answered is not None:
                return Order.model_validate_json(answered)
            order_id = await self._store.next_id(connection)
            bookings = await self._bookings.place(
                connection, order_id=order_id, person_id=person_id, items=body.items
            )
            await self._store.insert(connection, order_id=order_id, person_id=person_id, bookings=bookings)
            order = await self._order(connection, order_id, person_id)
            await self._requests.keep(connection, request, order)
        return order

    async def confirm(self, person_id: int, order_id: int) -> Order:
        """Makes all holds final, or none; repeated, it answers the same.

        Raises Problem NOT_FOUND, BOOKING_STATE, EVENT_NOT_BOOKABLE.
        """
        async with self._pool.connection() as connection, connection.transaction():
            await self._bookings.confirm(connection, await self._keys(connection, order_id, person_id))
            return await self._order(connection, order_id, person_id)

    async def cancel(self, person_id: int, order_id: int) -> Order:
        """Gives all seats back, or none; repeated, it answers the same.

        Raises Problem NOT_FOUND, BOOKING_STATE, REFUSED_BY_POLICY.
        """
        async with self._pool.connection() as connection, connection.transaction():
            keys = await self._keys(connection, order_id, person_id)
            freed = await self._bookings.cancel(connection, keys)
            order = await self._order(connection, order_id, person_id)
        self._seats_freed(freed)
        return order

    async def get(self, person_id: int, order_id: int) -> Order:
        """One order. Raises Problem NOT_FOUND, also where it is another person's."""
        async with self._pool.connection() as connection:
            return await self._order(connection, order_id, person_id)

    async def list_own(self, person_id: int, *, before: int | None, page_size: int) -> OrderPage:
        """A page of orders, newest first, of those with ids below `before`."""
        async with self._pool.connection() as connection:
            rows = await self._store.orders(
                connection, person_id, before=MAX_ID if before is None else before, limit=page_size + 1
            )
        return order_page(rows, page_size=page_size)

    async def _keys(self, connection: Connection, order_id: int, person_id: int) -> list[BookingKey]:
        keys = await self._store.bookings_of(connection, order_id, person_id)
        if keys is None:
            raise _no_order(order_id)
        return keys

    async def _order(self, connection: Connection, order_id: int, person_id: int) -> Order:
        row = await self._store.order(connection, order_id, person_id)
        if row is None:
            raise _no_order(order_id)
        return order_from_row(row)


def _no_order(order_id: int) -> Problem:
    return Problem(problems.NOT_FOUND, f"You have no order {order_id}.")

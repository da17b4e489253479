"""Who sees which orders: everyone their own."""

from contracts import problems
from contracts.order import Order, OrderPage, order_from_row, order_page
from read_api.orders.store import OrderStore
from service_kit.fields import MAX_ID
from service_kit.problem_responses import Problem


class OrderService:
    """Orders as the region's reader has them."""

    def __init__(self, store: OrderStore) -> None:
        self._store = store

    async def order(self, person_id: int, order_id: int) -> Order:
        """One order. Raises Problem NOT_FOUND, also where it is another person's."""
        row = await self._store.order(order_id, person_id)
        if row is None:
            raise Problem(problems.NOT_FOUND, f"You have no order {order_id}.")
        return order_from_row(row)

    async def orders(self, person_id: int, *, before: int | None, page_size: int) -> OrderPage:
        """A page of orders, newest first, of those with ids below `before`."""
        rows = await self._store.orders(
            person_id, before=MAX_ID if before is None else before, limit=page_size + 1
        )
        return order_page(rows, page_size=page_size)

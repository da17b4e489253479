"""The statements of write_api's batches, without HTTP: `python -m benchmarks.bookings.bare_sql`.

The same store on the same kind of connection, batch after batch, each by what was read at first, as write_api
does it; who gets seats is not decided, and nobody is answered. Settings as write_api's; reads a line of JSON
(`Orders`), writes one (`Done`).
"""

import gc
import json
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import uvloop

from service_kit.database import Pool, create_pool
from service_kit.pipelines import pipelined_transaction
from write_api.bookings.assumed import AssumedSale, assume
from write_api.bookings.batches import SESSION_SETTINGS
from write_api.bookings.grants import Grant, Wish
from write_api.bookings.store import BookingStore
from write_api.settings import WriteApiSettings

WARM_BATCHES = 10
"""Until statements are prepared and their plans chosen."""


@dataclass(frozen=True)
class Orders:
    """What to book: one seat for each of `batch_size` people, for some seconds after it is warm."""

    event_id: int
    person_ids: Sequence[int]
    batch_size: int
    seconds: float


@dataclass(frozen=True)
class Done:
    """How many were booked, in how long, and what this process itself used of a core."""

    bookings: int
    seconds: float
    own_cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Bookings a second."""
        return self.bookings / self.seconds


async def book(settings: WriteApiSettings, orders: Orders) -> Done:
    """Books batch after batch."""
    pool = create_pool(
        settings.main_database,
        application_name="bare-sql",
        max_size=1,
        max_waiting=1,
        session_settings={"synchronous_commit": "local", **SESSION_SETTINGS},
    )
    store = BookingStore()
    async with pool:
        assumed = await _read(pool, store, orders)
        for _ in range(WARM_BATCHES):
            await _book_batch(pool, store, orders, settings.hold_seconds, assumed)
        batches, began, cpu = 0, time.monotonic(), time.process_time()
        while time.monotonic() - began < orders.seconds:
            await _book_batch(pool, store, orders, settings.hold_seconds, assumed)
            batches += 1
        return Done(batches * orders.batch_size, time.monotonic() - began, time.process_time() - cpu)


async def _read(pool: Pool, store: BookingStore, orders: Orders) -> AssumedSale:
    async with pool.connection() as connection, connection.transaction():
        sale = await store.lock_sale(connection, orders.event_id)
    assert sale is not None
    assumed = assume(sale, [])
    assert assumed is not None
    return assumed


async def _book_batch(
    pool: Pool, store: BookingStore, orders: Orders, hold_seconds: int, assumed: AssumedSale
) -> None:
    prefix = uuid.uuid4().hex
    people = orders.person_ids
    ticket_type = assumed.sale.ticket_types[0]
    grants = [
        Grant(Wish(people[n % len(people)], 1, idempotency_key=f"{prefix}{n}"), ticket_type)
        for n in range(orders.batch_size)
    ]
    async with pool.connection() as connection, pipelined_transaction(connection):
        making = await store.begin_bookings(
            connection,
            orders.event_id,
            assumed.sale,
            grants,
            hold_seconds=hold_seconds,
            assumed=assumed,
        )
    await making()


def main() -> None:
    """Reads orders, books, tells."""
    orders = Orders(**json.loads(sys.stdin.read()))
    gc.freeze()
    done = uvloop.run(book(WriteApiSettings(), orders))
    sys.stdout.write(json.dumps(asdict(done)) + "\n")


if __name__ == "__main__":
    main()

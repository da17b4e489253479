"""How much a booking, a seat, a key and an event take on disk, in tables and in each index.

A PostgreSQL of its own; what fills it are the product's own requests and queues, so that rows have the sizes,
the free space and the dead versions that bookings leave behind. `packed` is the same after VACUUM FULL, as it
would be in an archive.
"""

import asyncio
import itertools
import tempfile
import uuid
from pathlib import Path
from typing import Any

from benchmarks.figures import describe_run, keep, say
from tests.integration.write_api.application import Application, Database, event_body, running_application
from tests.scratch_postgresql import scratch_postgresql
from write_api.bookings.schemas import BookingCreate

NAME = "storage"
TABLES = ("bookings", "seats", "idempotent_bookings", "events")
SEATS = 20_000
QUANTITIES = (1, 2, 2, 3)
"""Seats a booking: two on average."""
SMALL_EVENTS = 300
WAVE = 500
SIZES = """
SELECT c.relname, pg_table_size(c.oid) AS table_bytes, (
    SELECT jsonb_object_agg(i.relname, pg_relation_size(i.oid))
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid
) AS index_bytes
FROM pg_class c WHERE c.relname = ANY (%s) AND c.relkind = 'r'
"""


def run(*, save: bool = False) -> dict[str, Any]:
    """Measures, prints, and answers the figures; `save` keeps them."""
    say("Bytes on disk")
    figures = describe_run()
    with scratch_postgresql() as server, tempfile.TemporaryDirectory() as state:
        database = Database(server)
        figures["log_bytes_a_booking"] = asyncio.run(fill(database, Path(state)))
        figures["as_used"] = bytes_a_row(database)
        database.rows(f"VACUUM FULL {', '.join(TABLES)}")
        figures["packed"] = bytes_a_row(database)
    for kind in ("as_used", "packed"):
        say(f"  {kind.replace('_', ' ')}, bytes a row")
        for table, sizes in figures[kind].items():
            of_indexes = ", ".join(f"{name} {size}" for name, size in sizes["indexes"].items())
            say(f"    {table:22}{sizes['all']:>8}  of it the table {sizes['table']}; {of_indexes}")
    say(f"  write-ahead log, bytes a booking {figures['log_bytes_a_booking']}")
    if save:
        keep(NAME, figures)
    return figures


async def fill(database: Database, state: Path) -> int:
    """A large event of which four fifths are sold and confirmed, and many small ones of which nothing is.

    Answers how many bytes of write-ahead log a booking made; confirmations are not in it.
    """
    async with running_application(database, state) as application:
        host = await application.sign_up("customer", "host")
        event = await host.created(available_seats=SEATS)
        for _ in range(SMALL_EVENTS):
            await host.created(**event_body(description="What there is to see and hear. " * 20))
        before = log_bytes(database)
        await book(application, host.id, event["id"], seats=SEATS * 4 // 5)
        log = log_bytes(database) - before
    bookings: int = database.rows("SELECT count(*) AS bookings FROM bookings")[0]["bookings"]
    database.rows("UPDATE bookings SET status = 'confirmed', confirmed_at = clock_timestamp()")
    return round(log / bookings)


def log_bytes(database: Database) -> int:
    """How much was written to the log since the server was made."""
    return int(database.rows("SELECT pg_current_wal_lsn() - '0/0' AS bytes")[0]["bytes"])


async def book(application: Application, person_id: int, event_id: int, *, seats: int) -> None:
    """Books so many seats of an event in waves, as people do who come at once."""
    queues = application.app.state.booking_queues
    quantities = itertools.cycle(QUANTITIES)
    while seats > 0:
        wave = [quantity for quantity in itertools.islice(quantities, WAVE) if quantity <= seats]
        await asyncio.gather(
            *(
                queues.create(
                    person_id,
                    BookingCreate(event_id=event_id, quantity=quantity),
                    idempotency_key=str(uuid.uuid4()),
                )
                for quantity in wave
            )
        )
        seats -= sum(wave)


def bytes_a_row(database: Database) -> dict[str, Any]:
    """For each table: its own bytes a row, those of each index, and all together."""
    found = {}
    for row in database.rows(SIZES, list(TABLES)):
        count = database.rows(f"SELECT count(*) AS rows FROM {row['relname']}")[0]["rows"]
        indexes = {name: round(size / count) for name, size in row["index_bytes"].items()}
        table = round(row["table_bytes"] / count)
        found[row["relname"]] = {"all": table + sum(indexes.values()), "table": table, "indexes": indexes}
    return {table: found[table] for table in TABLES}

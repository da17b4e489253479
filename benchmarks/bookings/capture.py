"""Change data capture as the platform has it: a logical slot on the region's reader, read without pause.

Its lag is how long ago the primary had flushed what was last decoded for it.
"""

import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from benchmarks.bookings.stand import Stand
from contracts.names import PUBLICATION
from tests.people import wait_for
from tests.slots import drop_slot

SLOT = "bench"
SAMPLE_SECONDS = 0.05


@dataclass
class Lag:
    """What was seen of the lag so far, in seconds."""

    seconds: list[float] = field(default_factory=list)


@contextmanager
def captured(stand: Stand) -> Iterator[Lag]:
    """Somebody reads all changes while entered, and the lag is watched."""
    make_slot(stand)
    program = str(Path(stand.toolchain.postgresql_programs) / "pg_recvlogical")
    command = [program, "-d", stand.url("frontrow_capture", "reader"), "--slot", SLOT, "--start", "-f", "-"]
    command += ["-o", "proto_version=1", "-o", f"publication_names={PUBLICATION}", "-s", "1"]
    reader = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lag, done = Lag(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(stand, lag, done), daemon=True)
    watcher.start()
    try:
        yield lag
    finally:
        done.set()
        watcher.join()
        reader.terminate()
        reader.wait(timeout=30)
        drop_slot(stand.url("postgres", "reader"), SLOT)


def make_slot(stand: Stand) -> None:
    """Makes the slot; a standby can't before its primary has logged a snapshot, and is told to."""
    made = threading.Event()

    def make() -> None:
        with psycopg.connect(stand.url("postgres", "reader"), autocommit=True) as connection:
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
        made.set()

    maker = threading.Thread(target=make, daemon=True)
    maker.start()

    def is_made() -> bool:
        stand.rows("SELECT pg_log_standby_snapshot()")
        return made.wait(0.2)

    wait_for("the slot is made", is_made)


def _watch(stand: Stand, lag: Lag, done: threading.Event) -> None:
    """Keeps when the primary had flushed what; what was decoded passes these one by one."""
    flushed: deque[tuple[int, float]] = deque()
    primary = psycopg.connect(stand.url("postgres", "main"), autocommit=True)
    reader = psycopg.connect(stand.url("postgres", "reader"), autocommit=True)
    with primary, reader:
        while not done.wait(SAMPLE_SECONDS):
            now = time.monotonic()
            row = primary.execute("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").fetchone()
            flushed.append((int(row[0]) if row else 0, now))
            row = reader.execute(
                "SELECT (sent_lsn - '0/0')::bigint FROM pg_stat_replication"
                " WHERE application_name = 'pg_recvlogical'"
            ).fetchone()
            if row is None or row[0] is None:
                continue
            while flushed and flushed[0][0] <= int(row[0]):
                flushed.popleft()
            lag.seconds.append(time.monotonic() - flushed[0][1] if flushed else 0.0)

"""A region's reader that stands still while the primary goes on: staleness that surely shows."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.conftest import REGION, Platform
from tests.people import wait_for


@contextmanager
def standing_still(platform: Platform, region: str = REGION) -> Iterator[None]:
    """The reader replays nothing while the block runs; then it catches up."""
    url = platform.database_url("postgres", "reader", region)
    with psycopg.connect(url, autocommit=True) as reader:
        reader.execute("SELECT pg_wal_replay_pause()")
        try:
            wait_for("the reader stands still", lambda: _state(reader) == "paused")
            yield
        finally:
            reader.execute("SELECT pg_wal_replay_resume()")


def _state(reader: psycopg.Connection[tuple[object, ...]]) -> object:
    row = reader.execute("SELECT pg_get_wal_replay_pause_state()").fetchone()
    assert row is not None
    return row[0]

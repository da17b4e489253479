"""Two who read for one index: whoever has the higher version never has the older rows."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from indexer.reader import Reader
from tests.conftest import Platform
from tests.people import Person, wait_for

TURNS_SECONDS = 5.0
Reading = tuple[int, int]
"""The version of a reading, and the number that it found in the event's name."""


def went_back(readings: list[Reading]) -> list[tuple[Reading, Reading]]:
    """Pairs of readings of which that with the higher version found the older state."""
    found, newest = [], (0, 0)
    by_version: dict[int, list[int]] = {}
    for version, number in readings:
        by_version.setdefault(version, []).append(number)
    for version, numbers in sorted(by_version.items()):
        if min(numbers) < newest[1]:
            found.append((newest, (version, min(numbers))))
        newest = max(newest, (version, max(numbers)), key=lambda one: one[1])
    return found


@contextmanager
def edited_all_the_time(platform: Platform, event_id: int) -> Iterator[None]:
    """The number in the event's name grows as fast as PostgreSQL can commit."""
    stop = threading.Event()

    def edit() -> None:
        with psycopg.connect(platform.database_url("postgres", "main"), autocommit=True) as connection:
            number = 1
            while not stop.is_set():
                number += 1
                name = f"edited {number}"
                connection.execute("UPDATE events SET name = %s WHERE id = %s", [name, event_id])

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def read_by(readers: list[Reader], event_id: int) -> Iterator[list[Reading]]:
    """What the readers find while the block runs, each in a thread of its own."""
    stop, readings = threading.Event(), list[Reading]()

    def read(reader: Reader) -> None:
        while not stop.is_set():
            snapshot = reader.events([event_id])
            (row,) = snapshot.rows
            readings.append((snapshot.version, int(str(row["name"]).rpartition(" ")[2])))
        reader.close()

    threads = [threading.Thread(target=read, args=[reader]) for reader in readers]
    with ExitStack() as joined:
        for thread in threads:
            thread.start()
            joined.callback(thread.join)
        joined.callback(stop.set)
        yield readings


@pytest.fixture
def event_id(platform: Platform, host: Person, reader: Reader) -> Iterator[int]:
    found = host.create_event(name="edited 1")["id"]
    wait_for("it is replayed", lambda: reader.events([found]).rows)
    with edited_all_the_time(platform, found):
        yield found


def two_readers(platform: Platform, **options: Callable[[], threading.Lock]) -> list[Reader]:
    url = platform.database_url("frontrow_read", "reader")
    made = [{name: make() for name, make in options.items()} for _ in range(2)]
    return [Reader(url, name="frontrow-tests", **one) for one in made]


def test_readers_of_a_process_never_go_back(platform: Platform, event_id: int) -> None:
    with read_by(two_readers(platform), event_id) as readings:
        time.sleep(TURNS_SECONDS)
    assert len({version for version, _ in readings}) > 100
    assert went_back(readings) == []


def test_readers_that_do_not_wait_for_each_other_go_back(platform: Platform, event_id: int) -> None:
    with read_by(two_readers(platform, turn=threading.Lock), event_id) as readings:
        first = wait_for("one goes back", lambda: went_back(list(readings)))[0]
    print(f"\n  after {len(readings)} readings: {first}", end="")

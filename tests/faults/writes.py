"""A stream of writes of every kind that goes on while an engine is killed."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.conftest import Platform
from tests.people import People, unique, wait_for

PAUSE_SECONDS = 0.02


class Writes:
    """One person who creates, edits, activates, cancels, sells and removes events, one after the other."""

    def __init__(self, platform: Platform, seed: int) -> None:
        self._platform = platform
        self._people = People(platform.gateway_url, platform.link_key)
        self._person = self._people.sign_up("customer", "host")
        self._random = random.Random(seed)
        self._events: list[int] = []
        self._stop = threading.Event()
        self.done = 0
        self.errors: list[str] = []

    def run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            try:
                self._write_something()
                self.done += 1
            except Exception as error:  # noqa: BLE001 - told by the test, in its own thread
                self.errors.append(repr(error))

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._people.close()

    def _write_something(self) -> None:
        kind = self._random.choice(["create", "create", "edit", "activate", "book", "book", "remove"])
        if kind == "create" or len(self._events) < 5:
            event = self._person.create_event(artists=[unique("artist")], available_seats=5)
            self._events.append(event["id"])
            return
        event_id = self._random.choice(self._events)
        if kind == "book":
            answer = self._person.book(event_id)
            assert answer.status_code in {201, 409}, answer.text
        elif kind == "remove":
            self._remove(self._events.pop(0))
        else:
            change = {"name": unique("renamed")} if kind == "edit" else {"status": "active"}
            answer = self._person.client.put(f"/api/v1/events/{event_id}", json=change)
            assert answer.status_code == 200, answer.text

    def _remove(self, event_id: int) -> None:
        """No API removes an event; an operator may."""
        with psycopg.connect(self._platform.database_url("postgres", "main")) as connection:
            connection.execute("DELETE FROM bookings WHERE event_id = %s", [event_id])
            connection.execute("DELETE FROM events WHERE id = %s", [event_id])


@contextmanager
def stream_of_writes(platform: Platform) -> Iterator[Writes]:
    """Writes that go on while the block runs; fails if one of them failed."""
    writes = Writes(platform, seed=7)
    thread = threading.Thread(target=writes.run)
    thread.start()
    try:
        yield writes
    finally:
        writes.stop()
        thread.join()
        writes.close()
    assert not writes.errors, writes.errors[:3]


def go_on(writes: Writes, count: int = 20) -> None:
    """Waits until so many further writes were done."""
    target = writes.done + count
    wait_for(f"{count} more writes", lambda: writes.done >= target or writes.errors)

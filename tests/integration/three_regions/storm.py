"""A storm of changes, what strikes the regions meanwhile, and who watches that no document goes back."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import psutil
from elasticsearch import Elasticsearch

from indexer.index_writer import ELASTICSEARCH_ERRORS
from tests.conftest import Platform, is_alive
from tests.frozen import family_of, frozen
from tests.index_watch import Watch
from tests.integration.three_regions.steps import gateway
from tests.people import People, Person, unique, wait_for

FREEZE_SECONDS = 4.0
WRITE_PAUSE_SECONDS = 0.1
WATCH_PAUSE_SECONDS = 0.1
MAX_OWN_EVENTS = 20


@dataclass(frozen=True)
class Blow:
    """What happens to one component of one region (`global`: of none)."""

    component: str
    region: str
    kind: Literal["kill", "freeze"]

    def __str__(self) -> str:
        return f"{self.kind} {self.region} {self.component}"

    def strike(self, three: Platform) -> None:
        """Kills it and brings it back as a person would, or freezes it for a while."""
        family = family_of(three, self.component, self.region)
        if self.kind == "freeze":
            with frozen(family):
                time.sleep(FREEZE_SECONDS)
            return
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_for(f"{self.component} is dead", lambda: not any(map(is_alive, family)))
        only = () if self.region == "global" else ("--region", self.region)
        said = three.command("up", "--no-demo", *only).stdout
        print("".join(f"\n    {line}" for line in said.splitlines() if "hung" in line), end="")


class Writer:
    """Somebody who edits one event again and again, with a growing number in its name, and does more beside.

    Whatever fails is tried another way. After an edit whose fate is not known the event is left alone,
    since it may still come; so PostgreSQL itself never goes back, and an index that does is wrong.
    """

    def __init__(self, people: People, seed: int, hot: list[int]) -> None:
        self._people = people
        self._random = random.Random(seed)
        self._hot = hot
        self._person: Person | None = None
        self._event_id: int | None = None
        self._number = 0
        self._others: list[int] = []
        self.done = 0
        self.failures = 0

    def run(self, stop: threading.Event) -> None:
        """Writes until `stop`."""
        while not stop.wait(WRITE_PAUSE_SECONDS):
            try:
                self._write()
                self.done += 1
            except (httpx.HTTPError, AssertionError):  # people.py asserts that a creation is answered 201
                self.failures += 1
                self._person = self._event_id = None
                stop.wait(0.3)
        self._people.close()

    def _write(self) -> None:
        if self._person is None:
            self._person = self._people.sign_up("customer", "host")
            self._others = []
        if self._event_id is None:
            self._number = 0
            self._event_id = self._person.create_event(name=self._next_name(), available_seats=1000)["id"]
            self._hot.append(self._event_id)
        self._edit(self._person, self._event_id, name=self._next_name())
        self._do_something_else(self._person)

    def _next_name(self) -> str:
        self._number += 1
        return f"storm {self._number}"

    def _do_something_else(self, person: Person) -> None:
        kind = self._random.choice(["nothing", "nothing", "create", "book", "book the hot one", "status"])
        if kind == "create" or (kind in {"book", "status"} and not self._others):
            self._others.append(person.create_event(artists=[unique("artist")])["id"])
            del self._others[:-MAX_OWN_EVENTS]
        elif kind == "book":
            person.book(self._random.choice(self._others))
        elif kind == "book the hot one" and self._event_id is not None:
            person.book(self._event_id)
        elif kind == "status":
            self._edit(
                person, self._random.choice(self._others), status=self._random.choice(["active", "inactive"])
            )

    def _edit(self, person: Person, event_id: int, **change: Any) -> None:
        person.client.put(f"/api/v1/events/{event_id}", json=change).raise_for_status()


@dataclass
class Storm:
    """What goes on: the writers, and a watch of each region's index."""

    hot: list[int]
    writers: list[Writer]
    watches: list[Watch]

    def go_on(self, count: int = 20) -> None:
        """Waits until so many further writes were done."""
        target = self.done + count
        wait_for(f"{count} more writes", lambda: self.done >= target)

    @property
    def done(self) -> int:
        """How many rounds of writing worked."""
        return sum(writer.done for writer in self.writers)

    def __str__(self) -> str:
        steps = ", ".join(f"{watch.region} {watch.steps} steps" for watch in self.watches)
        failures = sum(writer.failures for writer in self.writers)
        return f"{self.done} writes, {failures} failed; {len(self.hot)} hot events; {steps}"


@contextmanager
def storm(three: Platform, indices: dict[str, Elasticsearch], seed: int) -> Iterator[Storm]:
    """A storm that goes on while the block runs."""
    hot: list[int] = []
    writers = [
        Writer(People(gateway(three, region), three.link_key), seed + at, hot)
        for at, region in enumerate(indices)
    ]
    watches = [Watch(region) for region in indices]
    stop, stop_watching = threading.Event(), threading.Event()

    def keep_looking(watch: Watch) -> None:
        while not stop_watching.wait(WATCH_PAUSE_SECONDS):
            with contextlib.suppress(*ELASTICSEARCH_ERRORS):
                if hot:
                    watch.look(indices[watch.region], list(hot))

    writing = [_started(lambda one=writer: one.run(stop)) for writer in writers]  # type: ignore[misc]
    watching = [_started(lambda one=watch: keep_looking(one)) for watch in watches]  # type: ignore[misc]
    try:
        yield Storm(hot, writers, watches)
    finally:
        for event, threads in ((stop, writing), (stop_watching, watching)):
            event.set()
            for thread in threads:
                thread.join()


def _started(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread

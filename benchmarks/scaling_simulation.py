"""A sale that everybody wants at once, on paper: how long queues get and how long people wait, over N shards.

It simulates, it measures nothing: what a writer does a second is a parameter, to be taken from a measurement.
`docs/scaling.md` says what follows from it.

Each shard is a writer as in `write_api/bookings/batches.py`: a queue an event, served in turn, a batch at a
time; at most so many wait in all, and whoever comes beyond is told to come again; a sold-out event answers
from memory. People choose events by Zipf's law. Some have a page that sends at the very opening, so that the
shortest way wins; the others come by and by. With a waiting room the early ones are shuffled, later ones
follow in the order of their arrival, and a shard is handed no more people than it serves. Seats that come
back are left out.
"""

import argparse
import heapq
import json
import random
import sys
from bisect import bisect
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import accumulate
from typing import Any

from write_api.bookings.batches import MAX_BATCH, MAX_WAITING

PLACES = {"near": (0.5, 0.005), "far": (0.3, 0.040), "farthest": (0.2, 0.075)}
"""Which share of people is how many seconds away from the writer, one way."""
QUANTITIES = (1, 2, 2, 3)
ADMISSION_SECONDS = 0.1
EXAMPLE = """example, the one of docs/scaling.md:
  python -m benchmarks.scaling_simulation --shards 1 4 16
"""


@dataclass(frozen=True)
class Sale:
    """What comes at once, and what it meets. Times in seconds, rates a second.

    `batch_seconds` is the work of a batch of any size; a booking adds what `bookings_per_second` says.
    """

    people: int = 500_000
    events: int = 50
    seats: int = 20_000
    zipf_exponent: float = 1.0
    early_share: float = 0.4
    arrival_seconds: float = 60.0
    shards: int = 1
    placement: str = "hash"
    waiting_room: bool = False
    bookings_per_second: float = 4_000.0
    memory_answers_per_second: float = 10_000.0
    batch_seconds: float = 0.002
    max_batch: int = MAX_BATCH
    max_waiting: int = MAX_WAITING
    admitted_share: float = 0.8
    retry_seconds: float = 1.0
    max_tries: int = 10
    seed: int = 1


@dataclass(slots=True)
class Person:
    """Somebody who wants seats; `arrived` is when the first request reaches the platform."""

    event: int
    quantity: int
    place: str
    early: bool
    arrived: float
    tries: int = 0
    outcome: str = ""
    answered: float = 0.0

    @property
    def waited(self) -> float:
        return self.answered - self.arrived


@dataclass
class Shard:
    """What became of one shard."""

    people: int = 0
    longest_queue: int = 0
    longest_room: int = 0
    refused_tries: int = 0
    busy_seconds: float = 0.0
    done_after_seconds: float = 0.0
    tries_by_second: Counter[int] = field(default_factory=Counter)


def arrivals(sale: Sale) -> list[Person]:
    """Everybody who comes, in no order."""
    chance = random.Random(sale.seed)
    weights = list(accumulate(1 / rank**sale.zipf_exponent for rank in range(1, sale.events + 1)))
    shares = list(accumulate(share for share, _ in PLACES.values()))
    names = list(PLACES)
    people = []
    for _ in range(sale.people):
        event = bisect(weights, chance.random() * weights[-1])
        place = names[min(bisect(shares, chance.random()), len(names) - 1)]
        early = chance.random() < sale.early_share
        clicked = 0.0 if early else chance.expovariate(1 / sale.arrival_seconds)
        # A way differs by some per cent from one request to the next.
        way = PLACES[place][1] * chance.uniform(0.95, 1.15)
        people.append(Person(event, chance.choice(QUANTITIES), place, early, clicked + way))
    return people


def shard_of_events(sale: Sale) -> list[int]:
    """The shard of each event: by a hash; or the most wanted first, each where there is least to do."""
    if sale.placement == "hash":
        chance = random.Random(f"placement {sale.seed}")
        return [chance.randrange(sale.shards) for _ in range(sale.events)]
    load = [(0.0, shard) for shard in range(sale.shards)]
    placed = []
    for rank in range(1, sale.events + 1):
        least, shard = heapq.heappop(load)
        placed.append(shard)
        heapq.heappush(load, (least + 1 / rank**sale.zipf_exponent, shard))
    return placed


class Writer:
    """One shard from the opening on, until everybody is answered."""

    def __init__(self, sale: Sale, people: Sequence[Person]) -> None:
        self._sale = sale
        self._chance = random.Random(f"retries {sale.seed}")
        self._now = 0.0
        self._seats: dict[int, int] = {}
        self._queues: dict[int, deque[Person]] = {}
        self._waiting = 0
        self._in_room = 0
        self._rooms: dict[int, deque[Person]] = {}
        self._coming: list[tuple[float, int, Person]] = []
        self._number = 0
        self.figures = Shard(people=len(people))
        for person in people:
            self._seats[person.event] = sale.seats
        if sale.waiting_room:
            self._fill_rooms(people)
        else:
            self._number = len(people)
            self._coming = [(person.arrived, number, person) for number, person in enumerate(people)]
            heapq.heapify(self._coming)

    def run(self) -> Shard:
        """Serves until nobody is left."""
        next_admission = 0.0 if self._rooms else float("inf")
        while self._coming or self._waiting or self._rooms:
            if not self._waiting:
                next_arrival = self._coming[0][0] if self._coming else float("inf")
                self._now = max(self._now, min(next_arrival, next_admission))
            while next_admission <= self._now:
                self._admit(next_admission)
                next_admission = next_admission + ADMISSION_SECONDS if self._rooms else float("inf")
            while self._coming and self._coming[0][0] <= self._now:
                self._receive(heapq.heappop(self._coming)[2])
            if self._waiting:
                self._serve_batch()
        self.figures.done_after_seconds = self._now
        return self.figures

    def _send(self, person: Person, at: float) -> None:
        self._number += 1
        heapq.heappush(self._coming, (at, self._number, person))

    def _receive(self, person: Person) -> None:
        """Queues a try, or answers it from memory."""
        person.tries += 1
        self.figures.tries_by_second[int(self._now)] += 1
        if self._seats[person.event] == 0:
            self._answer_from_memory()
            self._tell(person, "sold out", self._now)
        elif self._waiting < self._sale.max_waiting:
            self._queues.setdefault(person.event, deque()).append(person)
            self._waiting += 1
            self.figures.longest_queue = max(self.figures.longest_queue, self._waiting)
        else:
            self._answer_from_memory()
            self.figures.refused_tries += 1
            if person.tries == self._sale.max_tries:
                self._tell(person, "gave up", self._now)
            else:
                pause = self._sale.retry_seconds * self._chance.uniform(1, 2)
                self._send(person, self._now + pause + 2 * PLACES[person.place][1])

    def _answer_from_memory(self) -> None:
        self._work(1 / self._sale.memory_answers_per_second)

    def _serve_batch(self) -> None:
        """The next event in turn: its queue in order, whoever wants more than is left is refused."""
        event, queue = next(iter(self._queues.items()))
        del self._queues[event]
        batch = [queue.popleft() for _ in range(min(len(queue), self._sale.max_batch))]
        if queue:
            self._queues[event] = queue  # behind the others
        self._waiting -= len(batch)
        self._work(self._sale.batch_seconds + len(batch) / self._sale.bookings_per_second)
        for person in batch:
            fits = person.quantity <= self._seats[event]
            if fits:
                self._seats[event] -= person.quantity
            self._tell(person, "booked" if fits else "sold out", self._now)

    def _fill_rooms(self, people: Sequence[Person]) -> None:
        """The early ones shuffled, then the others as they come."""
        chance = random.Random(f"room {self._sale.seed}")
        for person in sorted(
            people, key=lambda one: (0.0, chance.random()) if one.early else (one.arrived, 0.0)
        ):
            self._rooms.setdefault(person.event, deque()).append(person)

    def _admit(self, now: float) -> None:
        """Hands the shard what it serves until the next time, of each event in turn, if it isn't behind."""
        rate = self._sale.bookings_per_second * self._sale.admitted_share
        behind = self._waiting + len(self._coming)
        served_until_next, bearable = round(rate * ADMISSION_SECONDS), self._sale.max_waiting // 2
        room_left = min(max(1, served_until_next), max(1, bearable) - behind)
        self.figures.longest_room = max(self.figures.longest_room, sum(self._present(now)))
        waiting = list(self._rooms)
        while room_left > 0 and waiting:
            for event in list(waiting):
                room = self._rooms[event]
                if room_left <= 0 or not room or room[0].arrived > now:
                    waiting.remove(event)
                elif self._seats[event] == 0:
                    self._close(event, now)
                    waiting.remove(event)
                else:
                    self._send(room.popleft(), now)
                    room_left -= 1
        self._rooms = {event: room for event, room in self._rooms.items() if room}

    def _present(self, now: float) -> Iterator[int]:
        for room in self._rooms.values():
            yield bisect(room, now, key=lambda person: 0.0 if person.early else person.arrived)

    def _close(self, event: int, now: float) -> None:
        """Everybody who is still in the room, or comes to it later, reads there that nothing is left."""
        for person in self._rooms[event]:
            self._tell(person, "sold out", max(now, person.arrived))
        self._rooms[event].clear()

    def _work(self, seconds: float) -> None:
        self._now += seconds
        self.figures.busy_seconds += seconds

    def _tell(self, person: Person, outcome: str, at: float) -> None:
        person.outcome, person.answered = outcome, at


def simulate(sale: Sale) -> dict[str, Any]:
    """Queues, waiting times and who got seats, all in numbers that JSON has."""
    people, placed = arrivals(sale), shard_of_events(sale)
    by_shard: list[list[Person]] = [[] for _ in range(sale.shards)]
    for person in people:
        by_shard[placed[person.event]].append(person)
    shards = [Writer(sale, those).run() for those in by_shard]
    tries: Counter[int] = sum((shard.tries_by_second for shard in shards), Counter())
    hottest = [person for person in people if person.event == 0]
    return {
        "sale": asdict(sale),
        "people_of_busiest_shard": max(shard.people for shard in shards),
        "longest_queue": max(shard.longest_queue for shard in shards),
        "longest_waiting_room": max(shard.longest_room for shard in shards),
        "refused_tries": sum(shard.refused_tries for shard in shards),
        "most_tries_in_a_second": max(tries.values()),
        "most_tries_in_a_second_of_a_shard": max(
            max(one.tries_by_second.values(), default=0) for one in shards
        ),
        "done_after_seconds": round(max(shard.done_after_seconds for shard in shards), 1),
        "outcomes": dict(Counter(person.outcome for person in people)),
        "waited_seconds": {
            outcome: percentiles([person.waited for person in people if person.outcome == outcome])
            for outcome in ("booked", "sold out", "gave up")
        },
        "hottest_event": {
            "people": len(hottest),
            "seats_sold": sum(person.quantity for person in hottest if person.outcome == "booked"),
            "sold_after_seconds": round(max(one.answered for one in hottest if one.outcome == "booked"), 1),
            "waited_seconds": percentiles([one.waited for one in hottest if one.outcome == "booked"]),
            "chance_of_early_people_by_place": {place: chance_of(hottest, place) for place in PLACES},
        },
    }


def chance_of(people: Sequence[Person], place: str) -> float:
    """Which share of the early ones of a place got seats."""
    there = [person for person in people if person.place == place and person.early]
    return round(sum(person.outcome == "booked" for person in there) / max(1, len(there)), 3)


def percentiles(seconds: Sequence[float]) -> dict[str, float] | None:
    """Median, 99 of 100, and the longest; None of nobody."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[int(len(ordered) * 0.99)], 2),
        "max": round(ordered[-1], 2),
    }


def row(figures: dict[str, Any]) -> list[str]:
    """One line of the table."""
    waited, hottest = figures["waited_seconds"], figures["hottest_event"]
    by_place = hottest["chance_of_early_people_by_place"]

    def times(found: dict[str, float] | None) -> str:
        return f"{found['p50']:.1f} / {found['p99']:.1f}" if found else "-"

    return [
        str(figures["sale"]["shards"]),
        "yes" if figures["sale"]["waiting_room"] else "no",
        f"{figures['most_tries_in_a_second_of_a_shard']:,}",
        f"{figures['longest_queue']:,}",
        f"{figures['longest_waiting_room']:,}",
        f"{figures['refused_tries']:,}",
        f"{figures['outcomes'].get('gave up', 0):,}",
        times(waited["booked"]),
        times(waited["sold out"]),
        f"{hottest['sold_after_seconds']:.1f}",
        " / ".join(f"{100 * share:.0f}" for share in by_place.values()),
    ]


HEADINGS = (
    "shards",
    "room",
    "tries/s",
    "queue",
    "in room",
    "503s",
    "gave up",
    "booked p50/p99 s",
    "sold out p50/p99 s",
    "hottest gone s",
    "early, by distance %",
)
"""Tries, queue and room are those of the busiest shard. The last column: of the hottest event's early people,
how many in a hundred got seats, by the places of PLACES."""


def parser() -> argparse.ArgumentParser:
    """Each field of Sale is an option."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling_simulation",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--shards", type=int, nargs="+", default=[1], help="one run each (default: 1)")
    made.add_argument(
        "--placement", choices=("hash", "demand"), default=Sale.placement, help="of events on shards"
    )
    made.add_argument("--json", action="store_true", help="for machines")
    for name, default in asdict(Sale()).items():
        if name not in {"shards", "placement", "waiting_room"}:
            made.add_argument(
                f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"default: {default}"
            )
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs each number of shards without and with a waiting room, and prints them side by side."""
    options = vars(parser().parse_args(arguments))
    shards, as_json = options.pop("shards"), options.pop("json")
    sale = Sale(**options)
    runs = [
        simulate(replace(sale, shards=number, waiting_room=room))
        for number in shards
        for room in (False, True)
    ]
    if as_json:
        sys.stdout.write(json.dumps(runs, indent=2) + "\n")
        return
    lines = [list(HEADINGS), *map(row, runs)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        sys.stdout.write(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + "\n"
        )


if __name__ == "__main__":
    main()

"""A storm: many clients book, confirm, cancel, repeat and let expire at random, and remember what they hear.

Each request is repeated until it is answered: bookings with their key, confirmations and cancellations as
they were. So at the end the database must hold exactly what was acknowledged (`Ledger.contradictions`).
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import httpx

from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Customer, Database
from tests.people import unique
from write_api.bookings.batches import BookingQueues, Served
from write_api.bookings.grants import Wish
from write_api.bookings.made import MadeBooking

UNANSWERED = 503
INTERNAL_ERROR = 500
RETRY_SECONDS = 0.2
ANSWER_SECONDS = 60.0
"""Within this each request is answered, also by a writer that is killed and started again."""
LOOK_PAUSE_SECONDS = 0.05
MAX_QUANTITY = 4
WEIGHTS = {"book": 10, "confirm": 3, "cancel": 4, "repeat": 2, "look": 1, "let go": 2}
_CONTRADICTIONS = 5

Request = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


@dataclass
class Ledger:
    """What was acknowledged in a storm: bookings as first answered, and what became of them since."""

    bookings: dict[int, dict[str, Any]] = field(default_factory=dict)
    owners: dict[int, int] = field(default_factory=dict)
    confirmed: set[int] = field(default_factory=set)
    cancelled: set[int] = field(default_factory=set)
    heard: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def contradictions(self, database: Database, event_ids: Sequence[int]) -> list[str]:
        """Where the bookings of these events are not exactly those that were acknowledged; some of them.

        To be asked when every request was answered.
        """
        found = _found(database, event_ids)
        unknown = [f"booking {one} was never acknowledged" for one in found.keys() - self.bookings.keys()]
        changed = [
            f"booking {one} is {found[one]}, acknowledged as {acknowledged} of {self.owners[one]}"
            for one, acknowledged in self.bookings.items()
            if one in found and not self._agrees(found[one], acknowledged)
        ]
        kinds = (self.wrong, self.lost(database, event_ids), unknown, changed)
        return [one for kind in kinds for one in kind[:_CONTRADICTIONS]]

    def lost(self, database: Database, event_ids: Sequence[int]) -> list[str]:
        """Which acknowledgements are not true. What was not answered may have been done or not."""
        found = _found(database, event_ids)
        done = {"confirmed": self.confirmed - self.cancelled, "cancelled": self.cancelled}
        undone = [
            f"booking {one} was acknowledged as {status} and is {found[one]['status']}"
            for status, bookings in done.items()
            for one in bookings & found.keys()
            if found[one]["status"] not in {status, "cancelled"}
        ]
        missing = self.bookings.keys() - found.keys()
        return [*(f"booking {one} was acknowledged and is lost" for one in missing), *undone]

    def _agrees(self, row: Mapping[str, Any], acknowledged: Mapping[str, Any]) -> bool:
        if row["id"] in self.cancelled:
            stati = {"cancelled"}
        elif row["id"] in self.confirmed:
            stati = {"confirmed"}
        else:
            stati = {"held", "expired"}
        return (
            row["status"] in stati
            and row["person_id"] == self.owners[row["id"]]
            and all(row[name] == acknowledged[name] for name in ("quantity", "ticket_type_id"))
            and row["seat_positions"] == [seat["position"] for seat in acknowledged["seats"]]
        )


def _found(database: Database, event_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    rows = database.rows(
        "SELECT id, person_id, quantity, ticket_type_id, seat_positions, status FROM bookings "
        "WHERE event_id = ANY(%s)",
        list(event_ids),
    )
    return {row["id"]: row for row in rows}


def _booking(wish: Mapping[str, Any], key: str | None) -> Request:
    headers = {} if key is None else {"Idempotency-Key": key}
    return lambda client: client.post("/api/v1/bookings", json=wish, headers=headers)


class Client:
    """Somebody who does one thing after the other, all of it at random, at any of some writers.

    Without keys a booking that was not answered is repeated as if it were another.
    """

    def __init__(
        self,
        doors: Sequence[Customer],
        events: Sequence[Mapping[str, Any]],
        ledger: Ledger,
        seed: int,
        *,
        with_keys: bool = True,
    ) -> None:
        self._with_keys = with_keys
        self._doors = doors
        self._events = events
        self._ledger = ledger
        self._random = random.Random(seed)
        self._live: list[int] = []
        self._first_answers: list[tuple[dict[str, Any], str, dict[str, Any]]] = []

    async def act(self) -> None:
        """One thing, until it is answered. Raises TimeoutError where that takes longer than a minute."""
        [kind] = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind == "book" or not self._live:
            await self._book()
        elif kind == "repeat" and self._with_keys:
            await self._repeat()
        elif kind in {"look", "repeat"}:
            await self._look(self._random.choice(self._live))
        else:
            booking_id = self._live.pop(self._random.randrange(len(self._live)))
            if kind == "let go":
                return
            await self._end(booking_id, kind)

    async def _book(self) -> None:
        event = self._random.choice(self._events)
        kinds = [one["id"] for one in event["ticket_types"]]
        wish = {"event_id": event["id"], "quantity": self._random.randint(1, MAX_QUANTITY)}
        if len(kinds) > 1 or self._random.random() < 0.5:
            wish["ticket_type_id"] = self._random.choice(kinds)
        key = unique("key")
        answer = await self._ask("book", _booking(wish, key if self._with_keys else None))
        if answer.status_code == 201:
            booking = answer.json()
            if booking["id"] in self._ledger.bookings:
                self._ledger.wrong.append(f"booking {booking['id']} was acknowledged to two")
            self._ledger.bookings[booking["id"]] = booking
            self._ledger.owners[booking["id"]] = self._doors[0].id
            self._live.append(booking["id"])
            self._first_answers.append((wish, key, booking))

    async def _repeat(self) -> None:
        """Sends a request again that was answered, as somebody does who did not hear the answer."""
        wish, key, first = self._random.choice(self._first_answers)
        answer = await self._ask("repeat", _booking(wish, key))
        if answer.status_code != 201 or answer.json() != first:
            self._ledger.wrong.append(f"first {first}, then {answer.status_code} {answer.text}")

    async def _look(self, booking_id: int) -> None:
        answer = await self._ask("look", lambda client: client.get(f"/api/v1/bookings/{booking_id}"))
        if answer.status_code != 200:
            self._ledger.wrong.append(f"booking {booking_id}: {answer.status_code} {answer.text}")

    async def _end(self, booking_id: int, kind: str) -> None:
        """Confirms or cancels, and goes on with a booking that is confirmed."""
        answer = await self._ask(kind, lambda client: client.put(f"/api/v1/bookings/{booking_id}/{kind}"))
        if answer.status_code == 200 and kind == "confirm":
            self._ledger.confirmed.add(booking_id)
            self._live.append(booking_id)
        elif answer.status_code == 200:
            self._ledger.cancelled.add(booking_id)

    async def _ask(self, kind: str, request: Request) -> httpx.Response:
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                status: int | str
                try:
                    answer = await request(self._random.choice(self._doors).client)
                    status = answer.status_code
                except httpx.TransportError as error:
                    status = type(error).__name__
                self._ledger.heard[f"{kind} {status}"] += 1
                if status == INTERNAL_ERROR:
                    self._ledger.wrong.append(f"{kind}: {answer.text}")
                if isinstance(status, int) and status != UNANSWERED:
                    return answer
                await asyncio.sleep(RETRY_SECONDS)


class Arrivals:
    """Takes the place of an application's queues and passes everything on; notes who came when and got what.

    `made` is shared by those of several writers: who repeats a request at another one makes nothing there.
    """

    def __init__(self, made: dict[int, "Arrivals"], *queues: BookingQueues) -> None:
        self._made = made
        self._queues = queues
        self._places: Iterator[int] = count()
        self._first_places: dict[int, dict[int, int]] = {}
        self.heard: list[tuple[int, Wish, MadeBooking | Problem]] = []

    async def ask(self, event_id: int, wish: Wish) -> Served:
        """As BookingQueues; of several queues each in turn."""
        place = next(self._places)
        queues = self._queues[place % len(self._queues)]
        served = await queues.ask(event_id, wish)
        booking = served.outcome
        self.heard.append((place, wish, booking))
        if isinstance(booking, Problem):
            return served
        if self._made.setdefault(booking.id, self) is self:
            of_event = self._first_places.setdefault(event_id, {})
            of_event[booking.id] = min(place, of_event.get(booking.id, place))
        return served

    def overtaken(self) -> dict[int, int]:
        """By event, how many bookings were made before another whose request had arrived earlier."""
        overtaken = {}
        for event_id, places in self._first_places.items():
            arrived = [places[booking_id] for booking_id in sorted(places)]
            if inversions := sum(one > following for one, following in pairwise(arrived)):
                overtaken[event_id] = inversions
        return overtaken


@dataclass
class Looks:
    """What was seen of the invariants while a storm went on."""

    looks: int = 0
    faults: Counter[str] = field(default_factory=Counter)


@asynccontextmanager
async def watched(database: Database, event_ids: Sequence[int]) -> AsyncIterator[Looks]:
    """Asks again and again while the block runs, and once after it, if the invariants hold."""
    looks = Looks()

    async def look() -> None:
        looks.faults.update(await asyncio.to_thread(database.faults, *event_ids))
        looks.looks += 1

    async def keep_looking() -> None:
        while True:
            await look()
            await asyncio.sleep(LOOK_PAUSE_SECONDS)

    looking = asyncio.create_task(keep_looking())
    try:
        yield looks
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    if not looking.cancelled():
        looking.result()
    await look()


async def rage(
    clients: Sequence[Client], *, actions: int = 0, until: Callable[[], bool] | None = None
) -> None:
    """Every client does so many things, or goes on until `until`."""

    async def one(client: Client) -> None:
        done = 0
        while not until() if until is not None else done < actions:
            await client.act()
            done += 1

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(one(client))

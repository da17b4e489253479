"""A storm: many clients use all that can be done to bookings at random, and remember what they hear.

They book, order, wait in line, confirm, cancel, repeat, say who comes, and let expire; hosts change their
events meanwhile. Each request is repeated until it is answered: bookings and orders with their key, all else
as it was. So at the end the database must hold exactly what was acknowledged (`Ledger.contradictions`).
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Protocol

import httpx

from tests.integration.write_api.application import Customer, Database
from tests.integration.write_api.storm_ledger import Ledger
from tests.people import unique
from tests.soak import sized

UNANSWERED = 503
TOKEN_EXPIRED = 401
INTERNAL_ERROR = 500
RETRY_SECONDS = 0.2
ANSWER_SECONDS = sized(60.0, 300.0)
"""Within this each request is answered, also by a writer that is killed and started again and again."""
LOOK_PAUSE_SECONDS = 0.05
HOST_PAUSE_SECONDS = 0.05
MAX_QUANTITY = 4
SHARE_WITH_ATTENDEES = 0.1
WEIGHTS = {
    "book": 10, "confirm": 3, "cancel": 4, "repeat": 2, "look": 1, "let go": 2, "attendees": 1,
    "order": 2, "confirm order": 1, "cancel order": 1, "wait": 2, "ask about line": 2, "leave line": 1,
}  # fmt: skip

Request = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


class Actor(Protocol):
    """Whoever takes part in a storm."""

    async def act(self) -> None:
        """One thing, until it is answered."""
        ...


class Patient:
    """Somebody who asks any of some writers until one answers, and notes what is heard."""

    def __init__(self, doors: Sequence[Customer], ledger: Ledger, seed: int) -> None:
        self.doors = doors
        self.ledger = ledger
        self.random = random.Random(seed)

    async def ask(self, kind: str, request: Request) -> httpx.Response:
        """The answer. Raises TimeoutError where there is none for a minute."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                status: int | str
                door = self.random.choice(self.doors)
                try:
                    answer = await request(door.client)
                    status = answer.status_code
                    if status == TOKEN_EXPIRED:
                        await door.renew(answer)
                except (httpx.TransportError, httpx.HTTPStatusError) as error:
                    status = type(error).__name__
                self.ledger.heard[f"{kind} {status}"] += 1
                if status == INTERNAL_ERROR:
                    self.ledger.wrong.append(f"{kind}: {answer.text}")
                if isinstance(status, int) and status not in {UNANSWERED, TOKEN_EXPIRED}:
                    return answer
                await asyncio.sleep(RETRY_SECONDS)

    async def put(self, kind: str, path: str, **body: Any) -> httpx.Response:
        """The answer to a PUT."""
        return await self.ask(kind, lambda client: client.put(path, json=body or None))

    async def get(self, kind: str, path: str) -> httpx.Response:
        """The answer to a GET."""
        return await self.ask(kind, lambda client: client.get(path))


class Client(Patient):
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
        super().__init__(doors, ledger, seed)
        self._events = events
        self._with_keys = with_keys
        self._live: list[int] = []
        self._orders: list[int] = []
        self._lines: list[int] = []
        self._first_answers: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = []

    async def act(self) -> None:
        """One thing, until it is answered."""
        [kind] = self.random.choices(list(WEIGHTS), list(WEIGHTS.values()))
        if kind == "order":
            await self._order()
        elif kind == "wait":
            await self._wait()
        elif kind.endswith("order") and self._orders:
            await self._end_order(self._orders.pop(), kind)
        elif kind.endswith("line") and self._lines:
            await self._in_line(self._lines.pop(), kind)
        elif kind == "book" or not self._live:
            await self._book()
        elif kind == "repeat" and self._first_answers and self._with_keys:
            await self._repeat()
        else:
            await self._with_booking(kind)

    async def leave_lines(self) -> None:
        """Waits for nothing any more."""
        for entry_id in self._lines:
            await self._in_line(entry_id, "leave line")
        self._lines.clear()

    async def _with_booking(self, kind: str) -> None:
        booking_id = self._live.pop(self.random.randrange(len(self._live)))
        if kind in {"confirm", "cancel"}:
            await self._end(booking_id, kind)
        elif kind == "attendees":
            named = [{"name": unique("attendee")}]
            await self.put(kind, f"/api/v1/bookings/{booking_id}/attendees", attendees=named)
            self._live.append(booking_id)
        elif kind != "let go":
            await self._look(booking_id)
            self._live.append(booking_id)

    def _wish(self) -> dict[str, Any]:
        event = self.random.choice(self._events)
        kinds = [one["id"] for one in event["ticket_types"]]
        wish = {"event_id": event["id"], "quantity": self.random.randint(1, MAX_QUANTITY)}
        if len(kinds) > 1 or self.random.random() < 0.5:
            wish["ticket_type_id"] = self.random.choice(kinds)
        return wish

    async def _book(self) -> None:
        wish, key = self._wish(), unique("key")
        if self.random.random() < SHARE_WITH_ATTENDEES:
            wish["attendees"] = [{"name": unique("attendee")}]
        answer = await self.ask("book", self._keyed("bookings", wish, key))
        if answer.status_code == 201:
            booking = answer.json()
            self._note_new(booking)
            self._live.append(booking["id"])
            self._first_answers.append(("bookings", wish, key, booking))

    async def _order(self) -> None:
        wish, key = {"items": [self._wish() for _ in range(self.random.randint(1, 3))]}, unique("key")
        answer = await self.ask("order", self._keyed("orders", wish, key))
        if answer.status_code == 201:
            order = answer.json()
            for booking in order["bookings"]:
                self._note_new(booking)
            self._orders.append(order["id"])
            self._first_answers.append(("orders", wish, key, order))

    def _note_new(self, booking: Mapping[str, Any]) -> None:
        if booking["id"] in self.ledger.bookings:
            self.ledger.wrong.append(f"booking {booking['id']} was acknowledged to two")
        self.ledger.note(booking, self.doors[0].id)

    async def _repeat(self) -> None:
        """Sends a request again that was answered, as somebody does who did not hear the answer."""
        what, wish, key, first = self.random.choice(self._first_answers)
        answer = await self.ask("repeat", self._keyed(what, wish, key))
        if answer.status_code != 201 or answer.json() != first:
            self.ledger.wrong.append(f"first {first}, then {answer.status_code} {answer.text}")

    def _keyed(self, what: str, wish: Mapping[str, Any], key: str) -> Request:
        headers = {"Idempotency-Key": key} if self._with_keys else {}
        return lambda client: client.post(f"/api/v1/{what}", json=wish, headers=headers)

    async def _look(self, booking_id: int) -> None:
        answer = await self.get("look", f"/api/v1/bookings/{booking_id}")
        if answer.status_code != 200:
            self.ledger.wrong.append(f"booking {booking_id}: {answer.status_code} {answer.text}")

    async def _end(self, booking_id: int, kind: str) -> None:
        """Confirms or cancels, and goes on with a booking that is confirmed."""
        answer = await self.put(kind, f"/api/v1/bookings/{booking_id}/{kind}")
        if answer.status_code == 200:
            self.ledger.note(answer.json(), self.doors[0].id)
            if kind == "confirm":
                self._live.append(booking_id)

    async def _end_order(self, order_id: int, kind: str) -> None:
        """Confirms or cancels all of it, and goes on with an order that is confirmed."""
        answer = await self.put(kind, f"/api/v1/orders/{order_id}/{kind.partition(' ')[0]}")
        if answer.status_code == 200:
            for booking in answer.json()["bookings"]:
                self.ledger.note(booking, self.doors[0].id)
            if kind == "confirm order":
                self._orders.append(order_id)

    async def _wait(self) -> None:
        wish = self._wish()
        answer = await self.ask("wait", lambda client: client.post("/api/v1/waitlist", json=wish))
        if answer.status_code in {200, 201}:
            self._lines.append(answer.json()["id"])

    async def _in_line(self, entry_id: int, kind: str) -> None:
        """Hears what has become of a place in line, or gives it up, and with it what is offered."""
        if kind == "leave line":
            path = f"/api/v1/waitlist/{entry_id}"
            answer = await self.ask(kind, lambda client: client.delete(path))
        else:
            answer = await self.get(kind, f"/api/v1/waitlist/{entry_id}")
        entry = answer.json()
        if answer.status_code == 200 and entry["status"] == "waiting":
            self._lines.append(entry_id)
        elif answer.status_code == 200 and entry["booking_id"] is not None:
            offer = await self.get("offer", f"/api/v1/bookings/{entry['booking_id']}")
            self.ledger.note(offer.json(), self.doors[0].id)
            self._live.append(entry["booking_id"])


class Host(Patient):
    """Takes events off sale and on again, renames them, and changes how many seats they have."""

    def __init__(
        self, doors: Sequence[Customer], events: Sequence[Mapping[str, Any]], ledger: Ledger, seed: int
    ) -> None:
        super().__init__(doors, ledger, seed)
        self._events = events
        self._kinds = cycle(["capacity", "rename", "capacity", "off sale"])

    async def act(self) -> None:
        """One change; for a moment nobody can book where an event is off sale."""
        event = self.random.choice(self._events)
        path = f"/api/v1/events/{event['id']}"
        kind = next(self._kinds)
        if kind == "rename":
            await self.put(kind, path, name=unique("event"))
        elif kind == "off sale":
            await self.put(kind, path, status="inactive")
            await self.put("on sale", path, status="active")
        else:
            one = self.random.choice(event["ticket_types"])
            capacity = max(1, one["capacity"] + self.random.randint(-3, 3))
            await self.put(kind, f"{path}/ticket-types/{one['id']}", capacity=capacity)
        await asyncio.sleep(HOST_PAUSE_SECONDS)


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
    clients: Sequence[Actor], *, actions: int = 0, until: Callable[[], bool] | None = None
) -> None:
    """Every client does so many things, or goes on until `until`."""

    async def one(client: Actor) -> None:
        done = 0
        while not until() if until is not None else done < actions:
            await client.act()
            done += 1

    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(one(client))

"""Queues in which those who want the same of an event meet: whoever waits is served by one transaction.

One transaction each would take its turn at the event's locks, with every round trip to the database and every
turn of the event loop in it. While a batch is served, the next one gathers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from contracts import problems
from service_kit.problem_responses import Problem


class Asked(Protocol):
    """What somebody asks for."""

    @property
    def weight(self) -> int:
        """As how many it counts in a batch, and among those who wait."""
        ...


class Waiting(Protocol):
    """Somebody in a queue; whose answer is done has stopped waiting."""

    @property
    def asked(self) -> Asked:
        """What they want."""
        ...

    @property
    def answer(self) -> "asyncio.Future[Any]":
        """What they wait for."""
        ...


Answer = TypeVar("Answer")
OneWaiting = TypeVar("OneWaiting", bound=Waiting)


def no_seconds() -> float:
    """Of a time that some have to keep, and others not."""
    return 0.0


class EventQueues(Generic[OneWaiting]):
    """A queue an event, worked off while somebody waits in it. At most `max_waiting` wait in all.

    `serve` answers everybody of a batch, which is in the order in which they came; or it raises, with nothing
    done, and each of them is told that. An error of `to_blame` is somebody's own, such as that of an account
    that was just removed: then the batch is halved until whoever is to blame is alone.

    Two batches of an event begin at least `spacing_seconds` apart, but for halves of a failed one.
    """

    def __init__(
        self,
        serve: Callable[[int, Sequence[OneWaiting]], Awaitable[None]],
        *,
        name: str,
        to_blame: tuple[type[Exception], ...],
        max_batch: int,
        max_waiting: int,
        spacing_seconds: Callable[[], float] = no_seconds,
    ) -> None:
        self._serve_all = serve
        self._name = name
        self._to_blame = to_blame
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._spacing_seconds = spacing_seconds
        self._queues: dict[int, deque[OneWaiting]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self.waiting = 0
        """As how many those count who have no answer yet."""

    async def answer_to(self, event_id: int, waiting: OneWaiting, answer: "asyncio.Future[Answer]") -> Answer:
        """The answer of `waiting`, in its turn.

        Raises Problem TEMPORARILY_UNAVAILABLE at once where too many wait.
        """
        if self.waiting >= self._max_waiting:
            raise Problem(problems.TEMPORARILY_UNAVAILABLE, "Too many others wait to be served.")
        self._join(event_id, waiting)
        self.waiting += waiting.asked.weight
        try:
            return await answer
        finally:
            self.waiting -= waiting.asked.weight

    async def close(self) -> None:
        """Waits until all queues are empty; nobody may join any more."""
        await asyncio.gather(*self._workers)

    def _join(self, event_id: int, waiting: OneWaiting) -> None:
        queue = self._queues.get(event_id)
        if queue is not None:
            queue.append(waiting)
            return
        self._queues[event_id] = deque([waiting])
        worker = asyncio.create_task(self._work_off(event_id), name=f"{self._name}-of-event-{event_id}")
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work_off(self, event_id: int) -> None:
        queue = self._queues[event_id]
        try:
            while queue:
                began = time.monotonic()
                await self._serve(event_id, self._next_batch(queue))
                rest_seconds = began + self._spacing_seconds() - time.monotonic()
                if rest_seconds > 0:
                    await asyncio.sleep(rest_seconds)
        finally:
            del self._queues[event_id]

    def _next_batch(self, queue: deque[OneWaiting]) -> list[OneWaiting]:
        """Those who come first and still wait for their answers, as many as one transaction serves."""
        batch, weight = [], 0
        while queue and weight < self._max_batch:
            one = queue.popleft()
            if not one.answer.done():
                batch.append(one)
                weight += one.asked.weight
        return batch

    async def _serve(self, event_id: int, batch: Sequence[OneWaiting]) -> None:
        """Serves a batch; one that fails is halved until whoever is to blame is alone."""
        if not batch:
            return
        try:
            await self._serve_all(event_id, batch)
        except Exception as error:  # noqa: BLE001 - each of them is told
            if isinstance(error, self._to_blame) and len(batch) > 1:
                middle = len(batch) // 2
                await self._serve(event_id, batch[:middle])
                await self._serve(event_id, batch[middle:])
                return
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(error)

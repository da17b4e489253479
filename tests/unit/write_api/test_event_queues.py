"""Who waits in the queue of an event is served in order, in batches, and not for another's fault."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

import pytest

from contracts import problems
from service_kit.problem_responses import Problem
from tests.people import DEADLINE_SECONDS
from write_api.event_queues import EventQueues


class PoisonedError(Exception):
    """Somebody in the batch has something that can't be done."""


class Wish(NamedTuple):
    name: str
    weight: int = 1


class Person(NamedTuple):
    asked: Wish
    answer: "asyncio.Future[str]"


class Office:
    """Serves batches once it is open; whose name is `poison` spoils the batch."""

    def __init__(
        self,
        *,
        max_batch: int = 100,
        max_waiting: int = 100,
        to_blame: tuple[type[Exception], ...] = (PoisonedError,),
        spacing_seconds: float = 0.0,
    ) -> None:
        self.began_at: list[float] = []
        self.batches: list[tuple[int, str]] = []
        self.is_open = asyncio.Event()
        self.queues: EventQueues[Person] = EventQueues(
            self._serve,
            name="wishes",
            to_blame=to_blame,
            max_batch=max_batch,
            max_waiting=max_waiting,
            spacing_seconds=lambda: spacing_seconds,
        )

    def ask(self, name: str, *, event_id: int = 1, weight: int = 1) -> "asyncio.Task[str]":
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waiting = Person(Wish(name, weight), answer)
        return asyncio.create_task(self.queues.answer_to(event_id, waiting, answer))

    async def _serve(self, event_id: int, batch: Sequence[Person]) -> None:
        self.began_at.append(asyncio.get_running_loop().time())
        self.batches.append((event_id, "".join(one.asked.name for one in batch)))
        await self.is_open.wait()
        if any(one.asked.name == "x" for one in batch):
            raise PoisonedError
        for one in batch:
            if not one.answer.done():
                one.answer.set_result(one.asked.name.upper())


async def told(asking: Sequence[Awaitable[str]]) -> list[object]:
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    return [one if isinstance(one, str) else type(one) for one in outcomes]


async def test_who_comes_while_others_are_served_is_the_next_batch_in_order_of_arrival() -> None:
    office = Office(max_batch=3)
    asking = [office.ask(name) for name in "ab"] + [office.ask("o", event_id=2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert office.batches == [(1, "ab"), (2, "o")]
    asking += [office.ask(name) for name in "cdefg"]
    await asyncio.sleep(0)
    office.is_open.set()
    assert await told(asking) == list("ABOCDEFG")
    assert office.batches == [(1, "ab"), (2, "o"), (1, "cde"), (1, "fg")]
    assert office.queues.waiting == 0
    assert not office.queues._queues, "nothing is kept of events whose queue is empty"


async def test_a_batch_takes_what_weighs_as_much_as_it_may() -> None:
    office = Office(max_batch=4)
    office.is_open.set()
    asking = [office.ask(name, weight=weight) for name, weight in (("a", 3), ("b", 3), ("c", 1), ("d", 9))]
    await told(asking)
    assert [names for _, names in office.batches] == ["ab", "cd"]


async def test_who_is_to_blame_is_alone_in_the_end_and_the_others_are_served() -> None:
    office = Office()
    office.is_open.set()
    assert await told([office.ask(name) for name in "abcxefg"]) == [*"ABC", PoisonedError, *"EFG"]


async def test_control_an_error_that_is_nobodys_own_is_told_to_all() -> None:
    office = Office(to_blame=())
    office.is_open.set()
    assert await told([office.ask(name) for name in "abx"]) == [PoisonedError] * 3
    assert len(office.batches) == 1
    assert await told([office.ask(name) for name in "ab"]) == ["A", "B"], "the next batch is another one"


async def test_beyond_the_bound_whoever_comes_is_refused_at_once() -> None:
    office = Office(max_waiting=3)
    asking = [office.ask(name) for name in "abc"]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as refused:
        await office.ask("d")
    assert refused.value.kind is problems.TEMPORARILY_UNAVAILABLE
    office.is_open.set()
    assert await told(asking) == list("ABC")
    assert await told([office.ask("d")]) == ["D"]


async def test_who_has_given_up_is_left_out() -> None:
    office = Office(max_batch=1)
    first, gone, last = [office.ask(name) for name in "abc"]
    await asyncio.sleep(0)
    gone.cancel()
    office.is_open.set()
    assert await told([first, gone, last]) == ["A", asyncio.CancelledError, "C"]
    assert [names for _, names in office.batches] == ["a", "c"]


async def test_closing_waits_until_all_are_served() -> None:
    office = Office(max_batch=1)
    asking = [office.ask(name) for name in "abc"]
    await asyncio.sleep(0)
    closing = asyncio.create_task(office.queues.close())
    await asyncio.sleep(0)
    assert not closing.done()
    office.is_open.set()
    await closing
    assert [names for _, names in office.batches] == ["a", "b", "c"]
    assert await told(asking) == list("ABC")


async def seconds_between_batches(spacing_seconds: float) -> float:
    """Of an event, whose second batch could be served at once."""
    office = Office(spacing_seconds=spacing_seconds, max_batch=1)
    office.is_open.set()
    await told([office.ask("a"), office.ask("b")])
    first, second = office.began_at
    return second - first


async def test_batches_of_an_event_begin_so_far_apart() -> None:
    assert await seconds_between_batches(0.2) >= 0.19
    assert await seconds_between_batches(0.0) < 0.2


async def test_events_do_not_wait_for_each_other() -> None:
    office = Office(spacing_seconds=DEADLINE_SECONDS)
    office.is_open.set()
    async with asyncio.timeout(DEADLINE_SECONDS / 2):
        assert await told([office.ask("a", event_id=1), office.ask("b", event_id=2)]) == ["A", "B"]

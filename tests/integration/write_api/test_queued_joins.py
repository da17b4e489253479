"""Joins in their event's queue: one transaction, in order of arrival; nobody pays for another's trouble."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import problems
from service_kit.database import Pool, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import (
    Application,
    Customer,
    Database,
    eventually,
    running_application,
)
from tests.people import PASSWORD, unique
from tests.soak import sized
from write_api.bookings.batches import SESSION_SETTINGS
from write_api.bookings.offers import WaitlistSale
from write_api.bookings.store import BookingStore
from write_api.notifications.store import NotificationStore
from write_api.waitlist.joins import Join, Joined
from write_api.waitlist.offers import WaitlistOffers
from write_api.waitlist.queued_joins import JoinQueues
from write_api.waitlist.store import WaitlistStore

Queries = Mapping[str, LiteralString]
QUERIES = load_queries("write_api.waitlist")
WITHOUT_LOCK: Queries = {**QUERIES, "lock_lines": "SELECT %(event_id)s"}
EXAMPLES = sized(25, 500)
PEOPLE = 4
NOBODY = 2**40


class Process:
    """What a process has for those who join."""

    def __init__(self, pool: Pool, queries: Queries = QUERIES, **options: Any) -> None:
        store = WaitlistStore(queries)
        sale = WaitlistSale(BookingStore(), offer_seconds=600)
        self.offers = WaitlistOffers(pool, store, sale=sale, notify=NotificationStore().enqueue_for_people)
        self.queues = JoinQueues(pool, store, sale=sale, offers=self.offers, **options)

    async def joined(
        self, event_id: int, person_ids: Iterable[int], quantity: int = 1
    ) -> list[Joined | BaseException]:
        """All at once, in this order."""
        joins = (self.queues.join(event_id, Join(one, quantity)) for one in person_ids)
        return await asyncio.gather(*joins, return_exceptions=True)


class Scene:
    """Sold-out events, and people who want to wait for them."""

    def __init__(self, application: Application, pool: Pool, host: Customer) -> None:
        self.database = application.database
        self.pool = pool
        self.host = host

    async def sold_out(self) -> int:
        event = await self.host.created(available_seats=1)
        await self.host.booked(event["id"])
        return int(event["id"])

    def people(self, count: int) -> list[int]:
        name = unique("person")
        rows = self.database.rows(
            "INSERT INTO people (email, email_folded, password_hash, display_name, roles)"
            " SELECT name, name, '', '', '{customer}' FROM generate_series(1, %s) n, concat(%s::text, n) name"
            " RETURNING id",
            count,
            name,
        )
        return [row["id"] for row in rows]

    def line(self, event_id: int) -> list[int]:
        """Who waits, in their order."""
        rows = self.database.rows(
            "SELECT person_id FROM waitlist_entries WHERE event_id = %s AND status = 'waiting' ORDER BY id",
            event_id,
        )
        return [row["person_id"] for row in rows]

    def transactions(self, event_id: int) -> int:
        """By how many the entries were written."""
        counted = "SELECT count(DISTINCT xmin::text) AS n FROM waitlist_entries WHERE event_id = %s"
        return int(self.database.rows(counted, event_id)[0]["n"])

    async def wait_for_locks(self, count: int) -> None:
        """Until so many wait for one."""

        async def wait() -> bool:
            rows = await asyncio.to_thread(
                self.database.rows,
                "SELECT count(*) AS n FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            return bool(rows[0]["n"] == count)

        await eventually(f"{count} wait for a lock", wait)


@pytest.fixture(scope="module")
async def scene(application: Application) -> AsyncIterator[Scene]:
    url = application.database.url("frontrow_write")
    options: dict[str, Any] = {"max_size": 8, "max_waiting": 64, "session_settings": SESSION_SETTINGS}
    async with create_pool(url, application_name="test", **options) as pool:
        yield Scene(application, pool, await application.sign_up("host"))


def names(outcomes: Sequence[object]) -> Counter[str]:
    """What became of whom."""
    return Counter(
        ("new" if one[1] else "known")
        if isinstance(one, tuple)
        else one.kind.name
        if isinstance(one, Problem)
        else type(one).__name__
        for one in outcomes
    )


def places(outcomes: Sequence[object]) -> list[int | None]:
    return [one[0].place for one in outcomes if isinstance(one, tuple)]


@pytest.mark.parametrize(("max_batch", "transactions"), [(200, 1), (7, 5), (1, 30)])
async def test_who_comes_at_once_shares_a_transaction_and_stands_in_order_of_arrival(
    scene: Scene, max_batch: int, transactions: int
) -> None:
    """Control: one a transaction, they are thirty."""
    process = Process(scene.pool, max_batch=max_batch)
    event_id, people = await scene.sold_out(), scene.people(30)
    people.sort(key=lambda one: one % 7)  # not as their ids
    outcomes = await process.joined(event_id, people)
    assert names(outcomes) == {"new": 30}
    assert places(outcomes) == list(range(1, 31))
    assert scene.line(event_id) == people
    assert scene.transactions(event_id) == transactions
    assert process.offers._kicked == {event_id}


async def test_who_asks_again_stands_where_they_stood_and_nobody_is_kicked_for_it(scene: Scene) -> None:
    process, event_id, people = Process(scene.pool), await scene.sold_out(), scene.people(5)
    first = await process.joined(event_id, people)
    process.offers._kicked.clear()
    again = await process.joined(event_id, reversed(people))
    assert names(again) == {"known": 5}
    assert places(again) == [5, 4, 3, 2, 1]
    assert [one[0] for one in reversed(again) if isinstance(one, tuple)] == [
        one[0] for one in first if isinstance(one, tuple)
    ]
    assert process.offers._kicked == set()


async def test_twice_in_one_batch_it_is_one_entry(scene: Scene) -> None:
    process, [one, other] = Process(scene.pool), scene.people(2)
    event = await scene.host.created(available_seats=2)
    await scene.host.booked(event["id"], 2)
    wishes = [Join(one, 2), Join(other, 1), Join(one, 2), Join(one, 1)]
    first, second, repeated, conflicting = await asyncio.gather(
        *(process.queues.join(event["id"], wish) for wish in wishes), return_exceptions=True
    )
    assert isinstance(first, tuple)
    assert repeated == (first[0], False)
    assert isinstance(conflicting, Problem)
    assert (conflicting.kind, conflicting.members) == (problems.CONFLICT, {"entry_id": first[0].id})
    assert names([first, second]) == {"new": 2}
    assert scene.line(event["id"]) == [one, other]
    assert scene.transactions(event["id"]) == 1


async def test_who_has_no_account_costs_the_others_nothing(application: Application, scene: Scene) -> None:
    process, event_id, people = Process(scene.pool), await scene.sold_out(), scene.people(20)
    leaver = await application.sign_up()
    erased = await leaver.client.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
    assert erased.status_code == 204, erased.text
    outcomes = await process.joined(event_id, [*people[:5], NOBODY, *people[5:17], leaver.id, *people[17:]])
    assert [type(outcomes[number]) for number in (5, 18)] == [psycopg.errors.ForeignKeyViolation] * 2
    assert names(outcomes) == {"new": 20, "ForeignKeyViolation": 2}
    assert scene.line(event_id) == people
    assert places(outcomes) == list(range(1, 21))


async def test_the_bound_of_a_line_counts_those_of_the_batch(scene: Scene) -> None:
    process, event_id, people = Process(scene.pool, max_in_line=3), await scene.sold_out(), scene.people(5)
    outcomes = await process.joined(event_id, people)
    assert names(outcomes) == {"new": 3, "waitlist-full": 2}
    assert isinstance(outcomes[4], Problem)
    assert outcomes[4].members == {"waiting": 3}
    assert outcomes[4].detail == "3 others wait for these seats, and no more are taken."
    assert names(await process.joined(event_id, people)) == {"known": 3, "waitlist-full": 2}
    assert scene.line(event_id) == people[:3]


async def test_an_event_that_is_not_there_is_not_found(scene: Scene) -> None:
    outcomes = await Process(scene.pool).joined(NOBODY, scene.people(2))
    assert [str(one) for one in outcomes] == [f"There is no event {NOBODY}."] * 2
    assert names(outcomes) == {"not-found": 2}


async def while_the_lines_are_held(
    scene: Scene, process: Process, event_id: int, person_id: int, others: Sequence[int]
) -> tuple[Awaitable[Joined], list[asyncio.Task[Joined]], psycopg.Connection[Any]]:
    """One is being served and waits for the lock that is held; the others wait in the queue."""
    holder = psycopg.connect(scene.database.url("postgres"))
    with psycopg.ClientCursor(holder) as cursor:
        cursor.execute(QUERIES["lock_lines"], {"event_id": event_id})
    first = asyncio.create_task(process.queues.join(event_id, Join(person_id, 1)))
    await scene.wait_for_locks(1)
    waiting = [asyncio.create_task(process.queues.join(event_id, Join(one, 1))) for one in others]
    await asyncio.sleep(0)
    return first, waiting, holder


async def test_beyond_its_bound_the_queue_refuses_at_once(scene: Scene) -> None:
    process, event_id, people = Process(scene.pool, max_waiting=3), await scene.sold_out(), scene.people(4)
    first, waiting, holder = await while_the_lines_are_held(scene, process, event_id, people[0], people[1:3])
    with holder, pytest.raises(Problem) as refused:
        await process.queues.join(event_id, Join(people[3], 1))
    assert refused.value.kind is problems.TEMPORARILY_UNAVAILABLE
    assert names(await asyncio.gather(first, *waiting)) == {"new": 3}
    assert process.queues.waiting == 0
    assert names(await process.joined(event_id, people)) == {"known": 3, "temporarily-unavailable": 1}
    assert scene.line(event_id) == people[:3]


async def test_who_gives_up_in_the_queue_gets_no_place(scene: Scene) -> None:
    process, event_id, people = Process(scene.pool), await scene.sold_out(), scene.people(4)
    first, waiting, holder = await while_the_lines_are_held(scene, process, event_id, people[0], people[1:])
    with holder:
        waiting[1].cancel()
    outcomes = await asyncio.gather(first, *waiting, return_exceptions=True)
    assert names(outcomes) == {"new": 3, "CancelledError": 1}
    assert scene.line(event_id) == [people[0], people[1], people[3]]


async def test_at_the_end_the_queue_is_emptied(scene: Scene) -> None:
    process, event_id, people = Process(scene.pool), await scene.sold_out(), scene.people(4)
    first, waiting, holder = await while_the_lines_are_held(scene, process, event_id, people[0], people[1:])
    with holder:
        closing = asyncio.create_task(process.queues.close())
        await asyncio.sleep(0)
        assert not closing.done()
    await closing
    assert scene.line(event_id) == people
    assert names(await asyncio.gather(first, *waiting)) == {"new": 4}


async def joined_at_two(scene: Scene, queries: Queries) -> tuple[list[object], list[int], list[int]]:
    """One process has written its entries and waits for somebody's account before it can commit; then another
    one joins, if it may. What each of the three hears, who they are, and the line in the end.
    """
    processes = [Process(scene.pool, queries, max_in_line=2) for _ in range(2)]
    event_id, people = await scene.sold_out(), scene.people(3)
    with psycopg.connect(scene.database.url("postgres")) as holder:
        holder.execute("SELECT FROM people WHERE id = %s FOR UPDATE", (people[1],))
        first = asyncio.create_task(processes[0].joined(event_id, people[:2]))
        await scene.wait_for_locks(1)
        second = asyncio.create_task(processes[1].joined(event_id, people[2:]))
        if queries is QUERIES:
            await scene.wait_for_locks(2)
        else:
            await second
        holder.rollback()
    outcomes: list[object] = [*await first, *await second]
    return outcomes, people, scene.line(event_id)


async def test_two_processes_give_places_in_the_order_in_which_they_can_be_seen(scene: Scene) -> None:
    outcomes, people, line = await joined_at_two(scene, QUERIES)
    assert line == people[:2]
    assert places(outcomes) == [1, 2]
    assert names(outcomes) == {"new": 2, "waitlist-full": 1}, "nor are they more than may wait"


async def test_control_without_the_lock_somebody_is_told_a_place_that_is_not_theirs(scene: Scene) -> None:
    outcomes, people, line = await joined_at_two(scene, WITHOUT_LOCK)
    assert line == people, "three where two may wait"
    assert isinstance(outcomes[2], tuple)
    assert outcomes[2][0].place == 1


async def test_many_processes_at_once_give_each_a_place_of_their_own(scene: Scene) -> None:
    processes = [Process(scene.pool, max_in_line=40, max_batch=5) for _ in range(3)]
    event_id, people = await scene.sold_out(), scene.people(60)
    heard = await asyncio.gather(
        *(process.joined(event_id, people[first::3]) for first, process in enumerate(processes))
    )
    outcomes = [one for some in heard for one in some]
    assert names(outcomes) == {"new": 40, "waitlist-full": 20}
    assert sorted(place or 0 for place in places(outcomes)) == list(range(1, 41))
    for first, some in enumerate(heard):
        mine = [one for one in scene.line(event_id) if one in people[first::3]]
        assert mine == people[first::3][: names(some)["new"]], "in the order in which they came here"


async def test_over_http_joins_that_wait_are_gathered(database: Database, state: Path) -> None:
    async with running_application(database, state) as application:
        host = await application.sign_up("host")
        customers = [await application.sign_up() for _ in range(10)]
        scene = Scene(application, application.app.state.waitlist_joins._pool, host)
        event_id = await scene.sold_out()
        joins = application.app.state.waitlist_joins
        with psycopg.connect(database.url("postgres")) as holder:
            holder.execute("SELECT FROM events WHERE id = %s FOR UPDATE", (event_id,))
            body = {"event_id": event_id, "quantity": 1}
            joining = [
                asyncio.create_task(one.client.post("/api/v1/waitlist", json=body)) for one in customers
            ]

            async def all_wait() -> bool:
                return bool(joins.waiting == 10)

            await eventually("all wait", all_wait)
            holder.rollback()
        answers = await asyncio.gather(*joining)
        assert Counter(answer.status_code for answer in answers) == {201: 10}
        assert sorted(answer.json()["place"] for answer in answers) == list(range(1, 11))
        assert {answer.headers["X-Durability"] for answer in answers} == {"local"}
        assert scene.transactions(event_id) <= 2, "who came first, and all others"


class Asked(NamedTuple):
    """Somebody wants to wait for seats of the ticket type at a place, or of none."""

    who: int
    quantity: int
    place: int | None


class Kind(NamedTuple):
    """A ticket type, how many of the people have booked a seat of it, and its limit per person."""

    seats: int
    booked: int
    limit: int | None


asked_at_once = st.lists(
    st.builds(Asked, st.integers(0, PEOPLE - 1), st.integers(1, 4), st.none() | st.integers(0, 2)),
    min_size=1,
    max_size=12,
)
kinds_of_event = st.lists(
    st.builds(Kind, st.integers(1, 3), st.integers(0, 3), st.none() | st.integers(1, 2)),
    min_size=1,
    max_size=2,
)


rounds_of_all = st.lists(asked_at_once, min_size=1, max_size=2)


class Side:
    """An event, and what was heard of its waitlist: once one by one, once at once."""

    def __init__(self, scene: Scene, event: dict[str, Any], people: Sequence[int]) -> None:
        self._scene = scene
        self.event_id = int(event["id"])
        self._ticket_type_ids = [kind["id"] for kind in event["ticket_types"]]
        self._people = people

    def join(self, one: Asked) -> Join:
        known = self._ticket_type_ids
        wanted = None if one.place is None else known[one.place] if one.place < len(known) else NOBODY
        return Join(self._people[one.who], one.quantity, wanted)

    def entries(self) -> dict[int, tuple[object, ...]]:
        """By id, in their order: of whom, for what."""
        rows = self._scene.database.rows(
            "SELECT id, person_id, ticket_type_id, quantity, status FROM waitlist_entries"
            " WHERE event_id = %s ORDER BY id",
            self.event_id,
        )
        return {
            row["id"]: (
                row["person_id"],
                self._ticket_type_ids.index(row["ticket_type_id"]),
                row["quantity"],
                row["status"],
            )
            for row in rows
        }

    def told(self, outcome: object) -> tuple[object, ...]:
        """What somebody hears, with the places of entries and ticket types instead of their ids."""
        entry_ids = list(self.entries())
        if isinstance(outcome, Problem):
            members = {name: of for name, of in outcome.members.items() if name != "ticket_types"}
            if "entry_id" in members:
                members["entry_id"] = entry_ids.index(members["entry_id"])
            return (outcome.kind.name, outcome.detail, members)
        assert isinstance(outcome, tuple), repr(outcome)
        entry, is_new = outcome
        kept = entry.model_dump(exclude={"id", "event_id", "ticket_type_id", "joined_at"})
        return (entry_ids.index(entry.id), kept, self._ticket_type_ids.index(entry.ticket_type_id), is_new)


async def test_at_once_is_as_one_after_the_other(application: Application, scene: Scene) -> None:
    customers = [await application.sign_up() for _ in range(PEOPLE)]
    people = [one.id for one in customers]

    async def side_of(kinds: list[Kind]) -> Side:
        bodies = [
            {"name": f"kind {place}", "price": 1, "capacity": kind.seats, "per_person_limit": kind.limit}
            for place, kind in enumerate(kinds)
        ]
        event = await scene.host.created(ticket_types=bodies, available_seats=..., price=...)
        for ticket_type, kind in zip(event["ticket_types"], kinds, strict=True):
            for number in range(min(kind.booked, kind.seats)):
                await customers[number].booked(event["id"], ticket_type_id=ticket_type["id"])
        return Side(scene, event, people)

    async def compare(kinds: list[Kind], rounds: list[list[Asked]], max_in_line: int, max_batch: int) -> None:
        expected_side, side = [await side_of(kinds) for _ in range(2)]
        single = Process(scene.pool, max_in_line=max_in_line, max_batch=1).queues
        gathered = Process(scene.pool, max_in_line=max_in_line, max_batch=max_batch).queues
        for asked in rounds:
            expected: list[object] = []
            for one in asked:
                joining = single.join(expected_side.event_id, expected_side.join(one))
                expected += await asyncio.gather(joining, return_exceptions=True)
            outcomes = await asyncio.gather(
                *(gathered.join(side.event_id, side.join(one)) for one in asked), return_exceptions=True
            )
            assert [side.told(one) for one in outcomes] == [expected_side.told(one) for one in expected]
            assert list(side.entries().values()) == list(expected_side.entries().values())

    loop = asyncio.get_running_loop()

    @settings(max_examples=EXAMPLES)
    @given(kinds_of_event, rounds_of_all, st.integers(1, 4), st.integers(1, 20))
    def whatever_is_asked(
        kinds: list[Kind], rounds: list[list[Asked]], max_in_line: int, max_batch: int
    ) -> None:
        comparing = compare(kinds, rounds, max_in_line, max_batch)
        asyncio.run_coroutine_threadsafe(comparing, loop).result(60)

    await asyncio.to_thread(whatever_is_asked)

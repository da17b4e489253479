"""The waitlist against a sequential model, and what workers do who are many or die."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts import problems
from service_kit.database import Connection, Pool, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Database, event_body, eventually, running_application
from tests.scratch_postgresql import ScratchPostgresql
from tests.soak import sized
from write_api.bookings.batches import SESSION_SETTINGS, BookingQueues
from write_api.bookings.expiry import HoldExpiry
from write_api.bookings.freed_seats import FreedSeats
from write_api.bookings.offers import WaitlistSale
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.service import BookingService
from write_api.bookings.store import BookingStore
from write_api.notices import Parameters, Template, ToPerson
from write_api.notifications.store import NotificationStore
from write_api.waitlist.offers import WaitlistOffers
from write_api.waitlist.queued_joins import JoinQueues
from write_api.waitlist.schemas import WaitlistJoin
from write_api.waitlist.service import WaitlistService
from write_api.waitlist.store import WaitlistStore

Queries = Mapping[str, LiteralString]
QUERIES = load_queries("write_api.waitlist")
EXAMPLES = sized(25, 1000)
SEATS = 4
PEOPLE = 6
Step = tuple[str, int, int]
"""What is done, by whom or to which, and how many seats it is about."""

steps_of_all = st.lists(
    st.tuples(
        st.sampled_from(
            ["book", "join", "join", "leave", "cancel", "confirm", "lapse", "serve", "serve", "raise"]
        ),
        st.integers(0, PEOPLE - 1),
        st.integers(1, 3),
    ),
    max_size=25,
)


@dataclass
class World:
    """The services of one process on one database, where nothing happens by itself."""

    database: Database
    pool: Pool
    people: list[int]
    events: Iterator[int]

    def __post_init__(self) -> None:
        store = BookingStore()
        freed_seats = FreedSeats()
        self.bookings = BookingService(self.pool, store, hold_seconds=300, freed_seats=freed_seats)
        self.queues = BookingQueues(self.pool, store, hold_seconds=300)
        freed_seats.listen(self.queues.sold_out.forget)
        self.expiry = HoldExpiry(self.pool, store, freed_seats=freed_seats)
        self.sale = WaitlistSale(store, offer_seconds=600)
        self.offers = self.make_offers()
        self.waitlist = self.make_waitlist()

    def make_offers(self, **options: Any) -> WaitlistOffers:
        options.setdefault("notify", NotificationStore().enqueue_for_people)
        return WaitlistOffers(self.pool, WaitlistStore(), sale=self.sale, **options)

    def make_waitlist(self, **options: Any) -> WaitlistService:
        joins = JoinQueues(self.pool, WaitlistStore(), sale=self.sale, offers=self.offers, **options)
        return WaitlistService(self.pool, WaitlistStore(), joins=joins, decline=self.bookings.cancel)

    async def join(self, person: int, event_id: int, quantity: int = 1) -> int:
        """The id of the entry."""
        body = WaitlistJoin(event_id=event_id, quantity=quantity)
        return (await self.waitlist.join(self.people[person], body))[0].id

    async def book(self, person: int, event_id: int, quantity: int = 1) -> int:
        """The id of the booking."""
        body = BookingCreate(event_id=event_id, quantity=quantity)
        return (await self.queues.create(self.people[person], body)).id

    async def sold_out(self) -> tuple[int, list[int]]:
        """An event and a booking for each of its seats."""
        event_id = next(self.events)
        return event_id, [await self.book(0, event_id) for _ in range(SEATS)]

    def statuses(self, event_id: int) -> dict[int, str]:
        rows = self.database.rows(
            "SELECT id, status FROM read_side.waitlist_entries WHERE event_id = %s ORDER BY id", event_id
        )
        return {row["id"]: row["status"] for row in rows}


@pytest.fixture(scope="module")
async def world(
    postgresql: ScratchPostgresql, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    database = Database(postgresql)
    async with running_application(database, tmp_path_factory.mktemp("write_api")) as application:
        host = await application.sign_up("host")
        people = [(await application.sign_up()).id for _ in range(PEOPLE)]
        events: list[int] = []
        while len(events) < 2 * EXAMPLES + 100:
            body = {"events": [event_body(available_seats=SEATS) for _ in range(200)]}
            answer = (await host.client.post("/api/v1/events/bulk", json=body)).json()
            events += [one["id"] for one in answer["results"]]
    url = database.url("frontrow_write")
    options = {"max_size": 8, "max_waiting": 64, "session_settings": SESSION_SETTINGS}
    async with create_pool(url, application_name="test", **options) as pool:
        yield World(database, pool, people, iter(events))


@dataclass
class Entry:
    person: int
    quantity: int
    status: str = "waiting"
    booking: int | None = None


@dataclass
class Model:
    """One after the other, as the rules say it; bookings and entries by the order in which they were made."""

    remaining: int = SEATS
    bookings: list[list[Any]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def is_awaited(self) -> bool:
        return any(one.status == "waiting" and one.quantity <= self.remaining for one in self.entries)

    def book(self, person: int, quantity: int) -> bool:
        if quantity > self.remaining or self.is_awaited():
            return False
        self._take(person, quantity)
        return True

    def join(self, person: int, quantity: int) -> int | str:
        for place, entry in enumerate(self.entries):
            if entry.person == person and entry.status in {"waiting", "offered"}:
                return place if entry.quantity == quantity else problems.CONFLICT.name
        if quantity <= self.remaining and not self.is_awaited():
            return problems.SEATS_ARE_FREE.name
        self.entries.append(Entry(person, quantity))
        return len(self.entries) - 1

    def serve(self) -> None:
        for entry in self.entries:
            if entry.status == "waiting" and entry.quantity <= self.remaining:
                self._take(entry.person, entry.quantity)
                entry.status, entry.booking = "offered", len(self.bookings) - 1

    def end(self, booking: int, status: str) -> None:
        person, quantity, _ = self.bookings[booking]
        self.bookings[booking] = [person, quantity, status]
        self.remaining += quantity
        self._tell_entry(booking, "left" if status == "cancelled" else "passed")

    def confirm(self, booking: int) -> None:
        self.bookings[booking][2] = "confirmed"
        self._tell_entry(booking, "accepted")

    def live(self, *statuses: str) -> list[int]:
        return [place for place, one in enumerate(self.bookings) if one[2] in statuses]

    def _take(self, person: int, quantity: int) -> None:
        self.remaining -= quantity
        self.bookings.append([person, quantity, "held"])

    def _tell_entry(self, booking: int, status: str) -> None:
        for entry in self.entries:
            if entry.booking == booking and entry.status == "offered":
                entry.status = status


async def tried(work: Awaitable[int]) -> int | str:
    """What it answers, or the name of the problem."""
    try:
        return await work
    except Problem as problem:
        return problem.kind.name


class Run:
    """The same steps in the world and in the model, compared after each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.event_id = next(world.events)
        self.model = Model()
        self.booking_ids: list[int] = []
        self.entry_ids: list[int] = []

    async def take(self, step: Step) -> None:
        what, number, quantity = step
        match what:
            case "book":
                made = await tried(self.world.book(number, self.event_id, quantity))
                assert isinstance(made, int) == self.model.book(number, quantity), made
                self.booking_ids += [made] if isinstance(made, int) else []
            case "join":
                expected = self.model.join(number, quantity)
                joined = await tried(self.world.join(number, self.event_id, quantity))
                if isinstance(expected, int) and expected == len(self.entry_ids):
                    assert isinstance(joined, int), joined
                    self.entry_ids.append(joined)
                assert joined == (self.entry_ids[expected] if isinstance(expected, int) else expected)
            case "leave" if self.entry_ids:
                await self._leave(number % len(self.entry_ids))
            case "cancel" if live := self.model.live("held", "confirmed"):
                await self._end(live[number % len(live)], "cancelled")
            case "lapse" if live := self.model.live("held"):
                await self._end(live[number % len(live)], "expired")
            case "confirm" if live := self.model.live("held"):
                booking = live[number % len(live)]
                await self.world.bookings.confirm(self._owner(booking), self.booking_ids[booking])
                self.model.confirm(booking)
            case "serve":
                self.model.serve()
                await self.world.offers.serve([self.event_id])
                self._learn_bookings()
            case "raise":
                self._raise_capacity(quantity)
        self._compare()

    def _owner(self, booking: int) -> int:
        return self.world.people[self.model.bookings[booking][0]]

    async def _leave(self, place: int) -> None:
        entry = self.model.entries[place]
        await self.world.waitlist.leave(self.world.people[entry.person], self.entry_ids[place])
        if entry.status == "waiting":
            entry.status = "left"
        elif entry.status == "offered" and entry.booking is not None:
            self.model.end(entry.booking, "cancelled")

    async def _end(self, booking: int, status: str) -> None:
        booking_id = self.booking_ids[booking]
        if status == "cancelled":
            await self.world.bookings.cancel(self._owner(booking), booking_id)
        else:
            self.world.database.rows(
                "UPDATE bookings SET hold_expires_at = clock_timestamp() WHERE id = %s", booking_id
            )
            assert await self.world.expiry.sweep() == 1
        self.model.end(booking, status)

    def _raise_capacity(self, seats: int) -> None:
        self.world.database.rows(
            "WITH raised AS (UPDATE ticket_types SET capacity = capacity + %s WHERE event_id = %s"
            " RETURNING event_id, id, capacity), stocked AS (UPDATE ticket_stock t"
            " SET remaining = remaining + %s FROM raised r WHERE t.event_id = r.event_id)"
            " INSERT INTO seats (event_id, position, ticket_type_id, label)"
            " SELECT event_id, capacity - n, id, 'more' FROM raised, generate_series(0, %s - 1) n",
            seats,
            self.event_id,
            seats,
            seats,
        )
        self.world.queues.sold_out.forget(self.event_id)
        self.model.remaining += seats

    def _learn_bookings(self) -> None:
        """Offers are made in the order of the line, and so are their ids."""
        rows = self.world.database.rows(
            "SELECT id FROM bookings WHERE event_id = %s AND id <> ALL(%s) ORDER BY id",
            self.event_id,
            self.booking_ids,
        )
        self.booking_ids += [row["id"] for row in rows]

    def _compare(self) -> None:
        assert list(self.world.statuses(self.event_id).items()) == [
            (entry_id, entry.status)
            for entry_id, entry in zip(self.entry_ids, self.model.entries, strict=True)
        ]
        rows = self.world.database.rows(
            "SELECT id, person_id, quantity, status FROM bookings WHERE event_id = %s ORDER BY id",
            self.event_id,
        )
        assert [tuple(row.values()) for row in rows] == [
            (booking_id, self.world.people[person], quantity, status)
            for booking_id, (person, quantity, status) in zip(
                self.booking_ids, self.model.bookings, strict=True
            )
        ]


async def test_any_mix_comes_to_what_the_rules_say_one_after_the_other(world: World) -> None:
    async def run(steps: list[Step]) -> None:
        compared = Run(world)
        try:
            for step in [("book", 0, SEATS), *steps]:
                await compared.take(step)
        except AssertionError as error:
            error.add_note(f"after these steps: {steps}")
            raise

    loop = asyncio.get_running_loop()

    # Each example needs an event of its own, so a failure is told as it was found.
    @settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate])
    @given(steps_of_all)
    def in_any_order(steps: list[Step]) -> None:
        asyncio.run_coroutine_threadsafe(run(steps), loop).result(60)

    await asyncio.to_thread(in_any_order)
    assert world.database.faults() == {}


async def test_many_workers_at_once_offer_each_seat_once_and_in_order(world: World) -> None:
    event_id, bookings = await world.sold_out()
    entries = [await world.join(person, event_id) for person in range(PEOPLE)]
    for booking in bookings[:3]:
        await world.bookings.cancel(world.people[0], booking)
    shares = await asyncio.gather(*(world.make_offers(max_offers=1).serve([event_id]) for _ in range(6)))
    assert sum(shares) == 3
    assert world.statuses(event_id) == dict(
        zip(entries, ["offered"] * 3 + ["waiting"] * (PEOPLE - 3), strict=True)
    )
    assert world.database.faults() == {}


async def test_a_worker_that_is_killed_in_between_loses_nothing(world: World) -> None:
    event_id, [booking, *_] = await world.sold_out()
    entry = await world.join(1, event_id)
    await world.bookings.cancel(world.people[0], booking)
    killed = []

    async def killed_while_telling(
        connection: Connection,
        template: Template,
        told: Sequence[tuple[ToPerson, Parameters]],
    ) -> None:
        killed.append((template, told))
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(psycopg.OperationalError):
        await world.make_offers(notify=killed_while_telling).serve([event_id])
    assert len(killed) == 1
    assert world.statuses(event_id) == {entry: "waiting"}
    assert await tried(world.book(2, event_id)) == problems.NOT_ENOUGH_SEATS.name
    assert await world.offers.sweep() >= 1  # and what other tests have left
    assert world.statuses(event_id) == {entry: "offered"}
    [offered] = world.database.rows(
        "SELECT id FROM bookings WHERE event_id = %s AND person_id = %s", event_id, world.people[1]
    )
    mails = world.database.rows(
        "SELECT parameters->'booking_id' AS booking FROM notifications WHERE template = 'waitlist_offer'"
        " AND person_id = %s ORDER BY id DESC LIMIT 2",
        world.people[1],
    )
    assert [mail["booking"] for mail in mails].count(offered["id"]) == 1
    assert world.database.faults() == {}


async def test_who_joined_while_a_sale_waited_for_its_locks_is_not_passed(world: World) -> None:
    """A booking waits for the stock; then somebody joins, and only then its holder frees a seat."""
    event_id, [booking, *_] = await world.sold_out()
    world.queues.sold_out.forget(event_id)  # nobody is refused from memory: the sale goes to the database
    waits = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND application_name = 'test'"
    )

    async def is_waiting() -> bool:
        return world.database.has(waits)

    async with await psycopg.AsyncConnection.connect(world.database.url("postgres")) as holder:
        await holder.execute("SELECT FROM ticket_stock WHERE event_id = %s FOR UPDATE", (event_id,))
        sale = asyncio.create_task(tried(world.book(2, event_id)))
        await eventually("the booking waits for the stock", is_waiting)
        entry = await world.join(1, event_id)
        freed = (event_id, booking)
        await holder.execute(
            "UPDATE bookings SET status = 'cancelled', ended_at = now() WHERE event_id = %s AND id = %s",
            freed,
        )
        await holder.execute(
            "UPDATE seats SET booking_id = NULL WHERE event_id = %s AND booking_id = %s", freed
        )
        await holder.execute("UPDATE ticket_stock SET remaining = 1 WHERE event_id = %s", (event_id,))
    assert await sale == problems.NOT_ENOUGH_SEATS.name
    await world.offers.serve([event_id])
    assert world.statuses(event_id) == {entry: "offered"}
    assert world.database.faults() == {}


async def test_an_event_that_cannot_be_served_holds_up_no_other(world: World) -> None:
    broken, [lost, *_] = await world.sold_out()
    sound, [booking, *_] = await world.sold_out()
    entries = [await world.join(1, event_id) for event_id in (broken, sound)]
    for one in (lost, booking):
        await world.bookings.cancel(world.people[0], one)
    # The counter promises a seat that is not free.
    [seat] = world.database.rows(
        "UPDATE seats SET booking_id = %s WHERE event_id = %s AND booking_id IS NULL RETURNING position",
        lost,
        broken,
    )
    try:
        assert await world.offers.serve([broken, sound]) == 1
        assert world.statuses(broken) == {entries[0]: "waiting"}
        assert world.statuses(sound) == {entries[1]: "offered"}
    finally:
        world.database.rows(
            "UPDATE seats SET booking_id = NULL WHERE event_id = %s AND position = %s",
            broken,
            seat["position"],
        )
    assert await world.offers.serve([broken]) == 1


async def test_a_line_has_a_bound_and_says_so(world: World) -> None:
    event_id, _ = await world.sold_out()
    waitlist = world.make_waitlist(max_in_line=2)
    body = WaitlistJoin(event_id=event_id, quantity=1)
    entries = [(await waitlist.join(person, body))[0] for person in world.people[:2]]
    with pytest.raises(Problem) as full:
        await waitlist.join(world.people[2], body)
    assert (full.value.kind, full.value.members) == (problems.WAITLIST_FULL, {"waiting": 2})
    assert (await waitlist.join(world.people[1], body))[0] == entries[1]
    await waitlist.leave(world.people[0], entries[0].id)
    assert (await waitlist.join(world.people[2], body))[0].place == 2


async def test_lines_of_events_that_are_over_are_closed_for_good(world: World) -> None:
    event_id, _ = await world.sold_out()
    entry = await world.join(1, event_id)
    world.database.rows("UPDATE events SET starts_at = now() - interval '1 s' WHERE id = %s", event_id)
    assert world.statuses(event_id) == {entry: "closed"}
    async with world.pool.connection() as connection:
        assert await WaitlistStore().close_lines(connection, limit=100) == 1
    [row] = world.database.rows("SELECT status, ended_at FROM waitlist_entries WHERE id = %s", entry)
    assert row["status"] == "closed"
    assert row["ended_at"] is not None


async def offered(world: World, people: Sequence[int]) -> tuple[int, list[int], list[int]]:
    """A sold-out event, the entries of people who are offered a seat of it, and these bookings."""
    event_id, bookings = await world.sold_out()
    entries = [await world.join(person, event_id) for person in people]
    for booking in bookings[: len(people)]:
        await world.bookings.cancel(world.people[0], booking)
    assert await world.offers.serve([event_id]) == len(people)
    made = world.database.rows(
        "SELECT booking_id FROM waitlist_entries WHERE id = ANY(%s) ORDER BY id", entries
    )
    return event_id, entries, [row["booking_id"] for row in made]


async def test_whose_offer_is_over_joins_anew_once_and_the_row_of_before_says_what_became_of_it(
    world: World,
) -> None:
    """One has taken the offer, one has declined it, and the hold of one has lapsed; all before any sweep."""
    event_id, entries, bookings = await offered(world, [1, 2, 3])
    await world.bookings.confirm(world.people[1], bookings[0])
    await world.bookings.cancel(world.people[2], bookings[1])
    await world.book(4, event_id)
    lapse = "UPDATE bookings SET hold_expires_at = clock_timestamp() WHERE id = %s"
    world.database.rows(lapse, bookings[2])
    outcomes = await asyncio.gather(*(tried(world.join(person, event_id)) for person in (3, 1, 2, 1, 3)))
    taken, declined = outcomes[1], outcomes[2]
    assert outcomes == [problems.CONFLICT.name, taken, declined, taken, problems.CONFLICT.name]
    assert isinstance(taken, int)
    assert isinstance(declined, int)
    assert entries[-1] < taken < declined
    kept = world.database.rows(
        "SELECT id, status FROM waitlist_entries WHERE event_id = %s ORDER BY id", event_id
    )
    assert {row["id"]: row["status"] for row in kept} == dict(
        zip([*entries, taken, declined], ["accepted", "left", "offered", "waiting", "waiting"], strict=True)
    )


async def settled(world: World, queries: Queries) -> bool:
    """Whether offers are settled while somebody works on another one that is over."""
    _, entries, bookings = await offered(world, [1, 2])
    for person, booking in enumerate(bookings, start=1):
        await world.bookings.confirm(world.people[person], booking)
    kept = "SELECT status FROM waitlist_entries WHERE id = ANY(%s) ORDER BY id"
    with psycopg.connect(world.database.url("postgres")) as holder:
        holder.execute("SELECT FROM waitlist_entries WHERE id = %s FOR UPDATE", (entries[0],))
        async with world.pool.connection() as connection:
            await connection.execute("SET lock_timeout = '50ms'")
            try:
                await WaitlistStore(queries).settle_offers(connection)
            except psycopg.errors.LockNotAvailable:
                return False
            finally:
                await connection.execute("RESET lock_timeout")
        assert [row["status"] for row in world.database.rows(kept, entries)] == ["offered", "accepted"]
        holder.rollback()
    await world.offers.sweep()
    return [row["status"] for row in world.database.rows(kept, entries)] == ["accepted"] * 2


async def test_an_offer_that_somebody_works_on_is_settled_later(world: World) -> None:
    assert await settled(world, QUERIES)


async def test_control_who_waited_for_it_could_be_waited_for(world: World) -> None:
    waiting = {**QUERIES, "settle_offers": QUERIES["settle_offers"].replace("SKIP LOCKED", "")}
    assert waiting != QUERIES
    assert not await settled(world, waiting)


async def offered_to_who_has_left(world: World, queries: Queries) -> tuple[int, set[str]]:
    """Somebody who does not wait any more is taken for the first in line: offers, and what they came to."""
    blind: Queries = {
        **queries,
        "select_first_in_line": queries["select_first_in_line"].replace("= 'waiting'", "= 'left'"),
    }
    assert blind != queries
    event_id, [booking, *_] = await world.sold_out()
    left = await world.join(1, event_id)
    await world.waitlist.leave(world.people[1], left)
    waiting = await world.join(2, event_id)
    await world.bookings.cancel(world.people[0], booking)
    notify = NotificationStore().enqueue_for_people
    offers = WaitlistOffers(world.pool, WaitlistStore(blind), sale=world.sale, notify=notify)
    made = await offers.serve([event_id])
    assert world.statuses(event_id) == {left: "left", waiting: "waiting"}
    held = "SELECT status FROM bookings WHERE event_id = %s AND person_id = %s"
    return made, {row["status"] for row in world.database.rows(held, event_id, world.people[1])}


async def test_who_does_not_wait_is_offered_nothing(world: World) -> None:
    assert await offered_to_who_has_left(world, QUERIES) == (0, set())


async def test_control_without_the_comparison_they_have_a_booking(world: World) -> None:
    guarded = QUERIES["mark_offered"]
    unguarded = guarded.replace("1 / (count(*) = cardinality(%(entry_ids)s::bigint[]))::integer", "1")
    assert unguarded != guarded
    made, statuses = await offered_to_who_has_left(world, {**QUERIES, "mark_offered": unguarded})
    assert made > 0
    assert statuses == {"held"}

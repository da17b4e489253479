"""Batches in which some book and others cancel, against the plain path, on which these come first."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.booking import Booking
from service_kit.database import Pool, create_pool
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Customer
from tests.soak import sized
from write_api.bookings.batches import BookingQueues
from write_api.bookings.cancels import Cancel
from write_api.bookings.expiry import HoldExpiry
from write_api.bookings.grants import Wish
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.service import BookingService
from write_api.bookings.store import BookingStore
from write_api.ordered_bookings import AttendeeBody

EXAMPLES = sized(25, 500)
PEOPLE = 3
POLICIES = (
    None,
    {"cancel_allowed": False, "refund_policy": "none"},
    {"refund_policy": [{"seconds_before_start": 0, "percent": 33}]},
)


class Book(NamedTuple):
    """Somebody wants seats of the ticket type at a place, or of none, and names who comes or doesn't."""

    who: int
    quantity: int
    place: int | None
    is_named: bool


class GiveBack(NamedTuple):
    """Somebody, now and then a stranger, cancels one of the bookings that were made in the rounds before."""

    number: int
    is_stranger: bool


class Round(NamedTuple):
    """What happens between; then what is asked at once."""

    confirmed: Sequence[int]
    expired: Sequence[int]
    status: str
    asked: Sequence[Book | GiveBack]


numbers = st.integers(0, 30)
books = st.builds(
    Book, st.integers(0, PEOPLE - 1), st.integers(1, 4), st.none() | st.integers(0, 2), st.booleans()
)
given_back = st.builds(GiveBack, numbers, st.sampled_from([False, False, False, True]))
rounds = st.lists(
    st.builds(
        Round,
        st.lists(numbers, max_size=3),
        st.lists(numbers, max_size=1),
        st.sampled_from(["active"] * 4 + ["inactive", "cancelled"]),
        st.lists(books | given_back, min_size=1, max_size=14),
    ),
    min_size=1,
    max_size=4,
)
seats_by_type = st.lists(st.integers(1, 10), min_size=1, max_size=2)
limits_by_type = st.lists(st.none() | st.integers(1, 5), min_size=2, max_size=2)


class Side:
    """An event and what was booked of it: once on the plain path, once in batches."""

    def __init__(self, people: Sequence[Customer], event: dict[str, Any]) -> None:
        self._people = people
        self.event_id = int(event["id"])
        self._ticket_type_ids = [kind["id"] for kind in event["ticket_types"]]
        self.made: list[tuple[int, int]] = []
        """Who has booked, and the id of the booking."""

    def wish(self, book: Book) -> Wish:
        known = self._ticket_type_ids
        wanted = None if book.place is None else known[book.place] if book.place < len(known) else 2**40
        attendees = (AttendeeBody(name="Ann"),) if book.is_named else ()
        return Wish(self._people[book.who].id, book.quantity, wanted, attendees=attendees)

    def cancel(self, one: GiveBack) -> Cancel:
        who, booking_id = self.made[one.number % len(self.made)]
        return Cancel(self._people[(who + one.is_stranger) % PEOPLE].id, booking_id)

    def ids(self, numbers: Iterable[int]) -> list[int]:
        """Some of the bookings, if there are any."""
        return [self.made[number % len(self.made)][1] for number in numbers if self.made]

    def note(self, asked: Sequence[Book | GiveBack], outcomes: Sequence[object]) -> None:
        """Keeps what was booked, in the order of the ids."""
        made = [
            (booking.id, one.who)
            for one, booking in zip(asked, outcomes, strict=True)
            if isinstance(one, Book) and isinstance(booking, Booking)
        ]
        self.made += [(who, booking_id) for booking_id, who in sorted(made)]


def told(outcome: object) -> tuple[object, ...]:
    """What somebody hears, without ids and times, which no two events share."""
    if isinstance(outcome, Booking):
        kept = outcome.model_dump(
            exclude={"id", "event_id", "ticket_type_id", "created_at", "hold_expires_at", "confirmed_at"}
        )
        return (*kept.items(), outcome.confirmed_at is None)
    assert isinstance(outcome, Problem), repr(outcome)
    members = {name: outcome.members.get(name) for name in ("reason", "seats_remaining", "seats_you_have")}
    return (outcome.kind.name, members)


def batches(asked: Sequence[Book | GiveBack], max_batch: int) -> list[list[int]]:
    """The places of what each transaction serves, in the order in which the plain path does the same."""
    found: list[list[int]] = []
    weight = max_batch
    for place, one in enumerate(asked):
        if weight >= max_batch:
            found.append([])
            weight = 0
        found[-1].append(place)
        weight += 1 + (isinstance(one, Book) and one.is_named)
    return [sorted(batch, key=lambda place: isinstance(asked[place], Book)) for batch in found]


@pytest.fixture(scope="module")
async def pool(application: Application) -> AsyncIterator[Pool]:
    url = application.database.url("frontrow_write")
    async with create_pool(url, application_name="test", max_size=8, max_waiting=512) as pool:
        yield pool


async def one_by_one(
    service: BookingService, side: Side, asked: Sequence[Book | GiveBack], max_batch: int
) -> list[object]:
    outcomes: list[object] = [None] * len(asked)
    for batch in batches(asked, max_batch):
        for place in batch:
            one = asked[place]
            if isinstance(one, Book):
                wish = side.wish(one)
                body = BookingCreate(
                    event_id=side.event_id,
                    quantity=wish.quantity,
                    ticket_type_id=wish.ticket_type_id,
                    attendees=list(wish.attendees),
                )
                asking = service.create(wish.person_id, body)
            else:
                cancel = side.cancel(one)
                asking = service.cancel(cancel.person_id, cancel.booking_id)
            [outcomes[place]] = await asyncio.gather(asking, return_exceptions=True)
    return outcomes


async def at_once(queues: BookingQueues, side: Side, asked: Sequence[Book | GiveBack]) -> list[object]:
    queues.sold_out.forget(side.event_id)  # as if nobody had asked since

    async def ask(one: Book | GiveBack) -> object:
        if isinstance(one, GiveBack):
            return await queues.cancel(side.event_id, side.cancel(one))
        return (await queues.ask(side.event_id, side.wish(one))).booking()

    return await asyncio.gather(*(ask(one) for one in asked), return_exceptions=True)


async def test_a_mixed_batch_does_what_the_plain_path_does(application: Application, pool: Pool) -> None:
    host = await application.sign_up("host")
    people = [await application.sign_up() for _ in range(PEOPLE)]
    database = application.database
    plain = BookingService(pool, BookingStore(), hold_seconds=300)

    def kept(side: Side) -> list[dict[str, Any]]:
        return database.rows(
            "SELECT b.status, b.quantity, b.refund_minor, b.seat_positions, s.remaining FROM bookings b "
            "JOIN ticket_stock s USING (event_id, ticket_type_id) WHERE event_id = %s ORDER BY b.id",
            side.event_id,
        )

    async def between(side: Side, one: Round) -> None:
        for who, booking_id in side.made:
            if booking_id in side.ids(one.confirmed):
                await asyncio.gather(plain.confirm(people[who].id, booking_id), return_exceptions=True)
        past = "UPDATE bookings SET hold_expires_at = created_at WHERE event_id = %s AND id = ANY(%s)"
        due = "SELECT FROM bookings WHERE event_id = %s AND status = 'held' AND hold_expires_at <= now()"
        await asyncio.to_thread(database.rows, past, side.event_id, side.ids(one.expired))
        while await asyncio.to_thread(database.has, due, side.event_id):  # whoever sweeps first
            await HoldExpiry(pool, BookingStore()).sweep()
        on_sale = "UPDATE events SET status = %s WHERE id = %s AND status <> %s"
        await asyncio.to_thread(database.rows, on_sale, one.status, side.event_id, one.status)

    async def compare(
        story: list[Round],
        seats: list[int],
        limits: list[int | None],
        policy: dict[str, Any] | None,
        max_batch: int,
    ) -> None:
        kinds = [
            {"name": f"kind {place}", "price": 10.01, "capacity": count, "per_person_limit": limits[place]}
            for place, count in enumerate(seats)
        ]
        fields = {"ticket_types": kinds, "available_seats": ..., "price": ..., "policy": policy}
        expected_side, side = [Side(people, await host.created(**fields)) for _ in range(2)]
        queues = BookingQueues(pool, BookingStore(), hold_seconds=300, max_batch=max_batch)
        for one in story:
            await between(expected_side, one)
            await between(side, one)
            asked = [each for each in one.asked if isinstance(each, Book) or side.made]
            expected = await one_by_one(plain, expected_side, asked, max_batch)
            outcomes = await at_once(queues, side, asked)
            assert [told(outcome) for outcome in outcomes] == [told(outcome) for outcome in expected]
            expected_side.note(asked, expected)
            side.note(asked, outcomes)
        await queues.close()
        assert kept(side) == kept(expected_side)
        assert await asyncio.to_thread(database.faults, side.event_id) == {}

    loop = asyncio.get_running_loop()

    @settings(max_examples=EXAMPLES)
    @given(rounds, seats_by_type, limits_by_type, st.sampled_from(POLICIES), st.integers(1, 20))
    def whatever_is_asked(
        story: list[Round],
        seats: list[int],
        limits: list[int | None],
        policy: dict[str, Any] | None,
        max_batch: int,
    ) -> None:
        asyncio.run_coroutine_threadsafe(compare(story, seats, limits, policy, max_batch), loop).result(60)

    await asyncio.to_thread(whatever_is_asked)

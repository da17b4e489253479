"""The batches against the plain path: the same requests in the same order come to the same end."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.booking import Booking
from service_kit.database import Pool, create_pool
from service_kit.named_sql import load_queries
from service_kit.problem_responses import Problem
from tests.integration.write_api.application import Application, Database, eventually, running_application
from tests.people import PASSWORD
from tests.soak import sized
from write_api.bookings.batches import BookingQueues
from write_api.bookings.schemas import BookingCreate
from write_api.bookings.service import BookingService
from write_api.bookings.store import BookingStore
from write_api.idempotency import KeyExpiry
from write_api.ordered_bookings import AttendeeBody

QUERIES = load_queries("write_api.bookings")
WITHOUT_LOCKS = {
    **QUERIES,
    "lock_sale": "SELECT %(event_id)s",
}
EXAMPLES = sized(25, 500)
TYPES = 3
Request = tuple[int, int | None, Sequence[AttendeeBody]]
"""A quantity, the place of a ticket type among the event's, or none, and who comes, if that is told."""

ANN, BO = AttendeeBody(name="Ann", email="ann@example.com"), AttendeeBody(name="Bo")
named = st.sampled_from([(), (), (ANN,), (BO,)])
KeyedRequest = tuple[int, int, str | None, Sequence[AttendeeBody]]
"""Who asks, a quantity, a key or none, and who comes."""
requests_of_a_batch = st.lists(
    st.tuples(st.integers(1, 7), st.none() | st.integers(0, TYPES), named), min_size=1, max_size=40
)


@pytest.fixture(scope="module")
async def pool(application: Application) -> AsyncIterator[Pool]:
    url = application.database.url("frontrow_write")
    async with create_pool(url, application_name="test", max_size=8, max_waiting=512) as pool:
        yield pool


async def event_of(application: Application, seats: Sequence[int]) -> dict[str, Any]:
    host = await application.sign_up("host")
    kinds = [
        {"name": f"kind {number}", "price": number + 1, "capacity": count}
        for number, count in enumerate(seats)
    ]
    return await host.created(ticket_types=kinds, available_seats=..., price=...)


def names_kept(application: Application, event: dict[str, Any]) -> list[tuple[object, ...]]:
    """Who comes to an event, by the booking's place among the event's and by seat."""
    rows = application.database.rows(
        "SELECT b.place, a.seat_number, a.name, a.email FROM attendees a JOIN ("
        "SELECT event_id, id, row_number() OVER (ORDER BY id) AS place FROM bookings WHERE event_id = %s"
        ") b ON b.event_id = a.event_id AND b.id = a.booking_id ORDER BY 1, 2",
        event["id"],
    )
    return [tuple(row.values()) for row in rows]


def body(event: dict[str, Any], request: Request) -> BookingCreate:
    quantity, place, attendees = request
    known = [kind["id"] for kind in event["ticket_types"]]
    wanted = None if place is None else known[place] if place < len(known) else 2**40
    return BookingCreate(
        event_id=event["id"], quantity=quantity, ticket_type_id=wanted, attendees=list(attendees)
    )


def told(outcome: Booking | BaseException) -> tuple[object, ...]:
    """What somebody hears, without ids and times, which no two events share."""
    if isinstance(outcome, Booking):
        seats = [(seat.position, seat.label) for seat in outcome.seats]
        return ("held", outcome.quantity, outcome.price_minor, outcome.currency, seats, outcome.attendees)
    assert isinstance(outcome, Problem)
    return ("refused", outcome.kind.name, outcome.members.get("seats_remaining"))


async def test_a_batch_does_what_the_plain_path_does(application: Application, pool: Pool) -> None:
    person = await application.sign_up()
    plain = BookingService(pool, BookingStore(), hold_seconds=300)

    async def compare(requests: list[Request], seats: list[int], max_batch: int) -> None:
        one_by_one, at_once = await event_of(application, seats), await event_of(application, seats)
        queues = BookingQueues(pool, BookingStore(), hold_seconds=300, max_batch=max_batch)
        expected = []
        for request in requests:
            [outcome] = await asyncio.gather(
                plain.create(person.id, body(one_by_one, request)), return_exceptions=True
            )
            expected.append(told(outcome))
        outcomes = await asyncio.gather(
            *(queues.create(person.id, body(at_once, request)) for request in requests),
            return_exceptions=True,
        )
        assert [told(outcome) for outcome in outcomes] == expected
        assert names_kept(application, at_once) == names_kept(application, one_by_one)

    loop = asyncio.get_running_loop()

    @settings(max_examples=EXAMPLES)
    @given(requests_of_a_batch, st.lists(st.integers(1, 20), min_size=1, max_size=TYPES), st.integers(1, 50))
    def in_any_order(requests: list[Request], seats: list[int], max_batch: int) -> None:
        asyncio.run_coroutine_threadsafe(compare(requests, seats, max_batch), loop).result(60)

    await asyncio.to_thread(in_any_order)
    assert application.database.faults() == {}


@pytest.mark.parametrize("writers", [1, 2])
async def test_who_repeats_with_a_key_gets_the_same_booking(
    application: Application, pool: Pool, writers: int
) -> None:
    """All at once at any writer is as one after the other, and each key books once."""
    people = [await application.sign_up() for _ in range(2)]

    async def compare(wishes: list[KeyedRequest], max_batch: int) -> None:
        event = await event_of(application, [12])
        queues = [
            BookingQueues(pool, BookingStore(), hold_seconds=300, max_batch=max_batch) for _ in range(writers)
        ]
        outcomes = await asyncio.gather(
            *(
                queues[number % writers].create(
                    people[person].id, body(event, (quantity, None, attendees)), idempotency_key=key
                )
                for number, (person, quantity, key, attendees) in enumerate(wishes)
            ),
            return_exceptions=True,
        )
        by_key: dict[tuple[int, str], set[str]] = {}
        for (person, quantity, key, attendees), outcome in zip(wishes, outcomes, strict=True):
            if isinstance(outcome, Booking):
                assert outcome.quantity == quantity, "who reuses a key is told so"
                assert [one.name for one in outcome.attendees] == [one.name for one in attendees]
                if key is not None:
                    by_key.setdefault((person, key), set()).add(outcome.model_dump_json())
            else:
                assert isinstance(outcome, Problem), outcome
        assert all(len(answers) == 1 for answers in by_key.values())
        [sold] = application.database.rows(
            "SELECT count(*) AS bookings, coalesce(sum(quantity), 0) AS seats FROM bookings "
            "WHERE event_id = %s",
            event["id"],
        )
        without_key = sum(
            isinstance(outcome, Booking) and key is None
            for (_, _, key, _), outcome in zip(wishes, outcomes, strict=True)
        )
        assert sold["bookings"] == len(by_key) + without_key
        assert sold["seats"] <= 12

    loop = asyncio.get_running_loop()

    @settings(max_examples=EXAMPLES)
    @given(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(1, 4), st.sampled_from([None, "a", "b", "c"]), named),
            max_size=30,
        ),
        st.integers(1, 30),
    )
    def in_any_order(wishes: list[KeyedRequest], max_batch: int) -> None:
        asyncio.run_coroutine_threadsafe(compare(wishes, max_batch), loop).result(60)

    await asyncio.to_thread(in_any_order)
    assert application.database.faults() == {}


async def test_a_key_is_one_booking_over_http_and_other_people_have_their_own(
    application: Application,
) -> None:
    event = await event_of(application, [100])
    person, other = await application.sign_up(), await application.sign_up()
    key = {"Idempotency-Key": "double-click"}
    wish = {"event_id": event["id"], "quantity": 2}
    answers = await asyncio.gather(
        *(person.client.post("/api/v1/bookings", json=wish, headers=key) for _ in range(50))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    booking = answers[0].json()
    assert (await person.confirm(booking["id"])).status_code == 200
    again = await person.client.post("/api/v1/bookings", json=wish, headers=key)
    assert again.json() == booking, "the first answer again, whatever has become of the booking"
    reused = await person.client.post("/api/v1/bookings", json={**wish, "quantity": 3}, headers=key)
    assert (reused.status_code, reused.json()["type"].rpartition("/")[2]) == (422, "idempotency-key-reused")
    assert (await other.client.post("/api/v1/bookings", json=wish, headers=key)).json()["id"] != booking["id"]
    bad = await person.client.post("/api/v1/bookings", json=wish, headers={"Idempotency-Key": "a b"})
    assert bad.status_code == 422


async def test_a_key_is_forgotten_after_a_day(application: Application, pool: Pool) -> None:
    event, person = await event_of(application, [100]), await application.sign_up()
    queues = BookingQueues(pool, BookingStore(), hold_seconds=300)
    for key in ("old", "new"):
        await queues.create(person.id, body(event, (1, None, ())), idempotency_key=key)
    application.database.rows(
        "UPDATE idempotent_bookings SET created_at = now() - interval '25 hours' "
        "WHERE event_id = %s AND key = 'old'",
        event["id"],
    )
    await KeyExpiry(pool, [BookingStore().forget_keys]).sweep()
    kept = application.database.rows("SELECT key FROM idempotent_bookings WHERE event_id = %s", event["id"])
    assert kept == [{"key": "new"}]


async def test_one_that_fails_costs_the_others_nothing(application: Application, pool: Pool) -> None:
    """Somebody whose account is gone is in the middle of a batch."""
    event, person = await event_of(application, [100]), await application.sign_up()
    queues = BookingQueues(pool, BookingStore(), hold_seconds=300)
    people = [person.id] * 20 + [2**40] + [person.id] * 20
    outcomes = await asyncio.gather(
        *(queues.create(one, body(event, (1, None, ()))) for one in people), return_exceptions=True
    )
    assert isinstance(outcomes[20], psycopg.errors.ForeignKeyViolation)
    booked = [outcome for outcome in outcomes if isinstance(outcome, Booking)]
    assert [one.seats[0].position for one in booked] == list(range(1, 41))
    assert application.database.faults() == {}


async def test_names_that_may_not_be_kept_cost_the_others_nothing(
    application: Application, pool: Pool
) -> None:
    """Somebody who was just erased names who comes, among others who do so and who don't."""
    event, person = await event_of(application, [100]), await application.sign_up()
    erased = await application.sign_up()
    erasure = await erased.client.request("DELETE", "/api/v1/me", json={"password": PASSWORD})
    assert erasure.status_code == 204
    queues = BookingQueues(pool, BookingStore(), hold_seconds=300)
    people = [person.id] * 20 + [erased.id] + [person.id] * 20
    asked = [
        queues.create(one, body(event, (1, None, [ANN] if number % 2 == 0 else [])))
        for number, one in enumerate(people)
    ]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(outcomes[20], psycopg.errors.ForeignKeyViolation)
    booked = [outcome for outcome in outcomes if isinstance(outcome, Booking)]
    assert [one.seats[0].position for one in booked] == list(range(1, 41))
    assert [bool(one.attendees) for one in booked] == [
        number % 2 == 0 for number in range(41) if number != 20
    ]
    assert len(names_kept(application, event)) == 20
    assert application.database.faults() == {}


async def test_a_crowd_that_names_who_comes_is_served_beside_one_that_does_not(
    application: Application,
) -> None:
    event, person = await event_of(application, [400]), await application.sign_up()
    wish = {"event_id": event["id"], "quantity": 1}
    named = {**wish, "attendees": [{"name": "Ann"}]}
    answers = await asyncio.gather(
        *(person.client.post("/api/v1/bookings", json=one) for _ in range(150) for one in (wish, named))
    )
    assert Counter(answer.status_code for answer in answers) == {201: 300}
    assert sorted(len(answer.json()["attendees"]) for answer in answers) == [0] * 150 + [1] * 150
    assert application.database.faults() == {}


async def test_names_count_in_what_waits_and_in_what_one_transaction_serves(
    application: Application, pool: Pool
) -> None:
    event, person = await event_of(application, [100]), await application.sign_up()
    queues = BookingQueues(pool, BookingStore(), hold_seconds=300, max_batch=4, max_waiting=12)
    outcomes = await asyncio.gather(
        *(queues.create(person.id, body(event, (3, None, [ANN, BO, ANN]))) for _ in range(5)),
        return_exceptions=True,
    )
    assert [isinstance(outcome, Booking) for outcome in outcomes] == [True] * 3 + [False] * 2
    transactions = application.database.rows(
        "SELECT count(DISTINCT xmin::text) AS n FROM bookings WHERE event_id = %s", event["id"]
    )
    assert transactions == [{"n": 3}]


async def test_beyond_the_bound_people_are_told_at_once(application: Application, pool: Pool) -> None:
    event, person = await event_of(application, [100]), await application.sign_up()
    queues = BookingQueues(pool, BookingStore(), hold_seconds=300, max_waiting=10)
    outcomes = await asyncio.gather(
        *(queues.create(person.id, body(event, (1, None, ()))) for _ in range(15)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    assert [problem.kind.name for problem in refused] == ["temporarily-unavailable"] * 5
    assert [isinstance(outcome, Booking) for outcome in outcomes] == [True] * 10 + [False] * 5


async def rush_on_two_processes(
    application: Application, make_store: Callable[[], BookingStore], pool: Pool
) -> Counter[str]:
    """128 people want one of 100 seats, at either of two writers that know nothing of each other."""
    event, person = await event_of(application, [100]), await application.sign_up()
    writers = [BookingQueues(pool, make_store(), hold_seconds=300, max_batch=4) for _ in range(2)]
    outcomes = await asyncio.gather(
        *(writers[number % 2].create(person.id, body(event, (1, None, ()))) for number in range(128)),
        return_exceptions=True,
    )
    return Counter(type(outcome).__name__ for outcome in outcomes)


async def test_two_processes_sell_no_seat_twice(application: Application, pool: Pool) -> None:
    outcome = await rush_on_two_processes(application, BookingStore, pool)
    assert outcome == {"Booking": 100, "Problem": 28}
    assert application.database.faults() == {}


async def test_without_the_lock_of_the_stock_two_processes_get_in_each_others_way(
    database: Database, state: Path
) -> None:
    async with (
        running_application(database, state) as application,
        create_pool(
            database.url("frontrow_write"), application_name="test", max_size=8, max_waiting=512
        ) as pool,
    ):

        async def are_in_each_others_way() -> bool:  # which takes two transactions that meet
            outcome = await rush_on_two_processes(application, lambda: BookingStore(WITHOUT_LOCKS), pool)
            return outcome != {"Booking": 100, "Problem": 28}

        await eventually("two processes get in each other's way", are_in_each_others_way)
    # Seats are taken only where they are free: each mistake is a failed request, and nothing is sold twice.
    assert database.faults() == {}

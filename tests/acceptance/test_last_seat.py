"""Over HTTP, through the gateway: the last seats go to as many people as there are seats."""

import asyncio
from collections import Counter

import httpx
import psycopg

from contracts.names import OWNER_ROLE
from tests.conftest import Platform
from tests.people import People, Person


async def book_at_once(people: list[Person], event_id: int, quantity: int) -> Counter[int]:
    """Everybody asks at the same moment; how often each status was answered."""
    async with httpx.AsyncClient(base_url=people[0].gateway_url, timeout=30) as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    "/api/v1/bookings",
                    json={"event_id": event_id, "quantity": quantity},
                    headers={"Authorization": person.client.headers["Authorization"]},
                )
                for person in people
            )
        )
    return Counter(answer.status_code for answer in answers)


def assert_books_are_right(platform: Platform, event_id: int, capacity: int) -> None:
    """Seats taken, seats booked and the counter tell the same story, and no seat has two live bookings."""
    with psycopg.connect(platform.database_url(OWNER_ROLE, "main")) as connection:
        taken, free = connection.execute(
            "SELECT count(booking_id), count(*) - count(booking_id) FROM seats WHERE event_id = %s",
            [event_id],
        ).fetchone() or (0, 0)
        remaining = connection.execute(
            "SELECT sum(remaining)::int FROM ticket_stock WHERE event_id = %s", [event_id]
        ).fetchone()
        positions = connection.execute(
            "SELECT unnest(seat_positions) FROM bookings"
            " WHERE event_id = %s AND status IN ('held', 'confirmed')",
            [event_id],
        ).fetchall()
    assert taken + free == capacity
    assert remaining == (free,)
    assert len(positions) == len(set(positions)) == taken


async def test_two_people_race_for_the_last_seat(platform: Platform, people: People, host: Person) -> None:
    racers = [host, people.sign_up("customer")]
    for _ in range(10):
        event = host.create_event(available_seats=1)
        assert await book_at_once(racers, event["id"], 1) == {201: 1, 409: 1}
        assert_books_are_right(platform, event["id"], 1)


async def test_64_clients_race_for_50_seats(platform: Platform, people: People, host: Person) -> None:
    people = [people.sign_up("customer") for _ in range(8)] * 8
    event = host.create_event(available_seats=50)
    assert await book_at_once(people, event["id"], 1) == {201: 50, 409: 14}
    assert_books_are_right(platform, event["id"], 50)


async def test_pairs_that_do_not_fit_are_refused(platform: Platform, people: People, host: Person) -> None:
    people = [people.sign_up("customer") for _ in range(8)] * 4
    event = host.create_event(available_seats=50)
    assert await book_at_once(people, event["id"], 3) == {201: 16, 409: 16}
    assert_books_are_right(platform, event["id"], 50)


async def test_a_host_takes_an_event_off_sale_while_everybody_books(host: Person, people: People) -> None:
    rush = [people.sign_up("customer") for _ in range(4)] * 6
    event = host.create_event(available_seats=20_000)
    closed = asyncio.Event()

    async def keep_booking(client: httpx.AsyncClient, person: Person) -> int:
        statuses: list[int] = []
        while not closed.is_set() or statuses[-1:] == [201]:
            answer = await client.post(
                "/api/v1/bookings",
                json={"event_id": event["id"], "quantity": 1},
                headers={"Authorization": person.client.headers["Authorization"]},
            )
            statuses.append(answer.status_code)
        return statuses[-1]

    limits = httpx.Limits(max_connections=len(rush) + 1)
    async with httpx.AsyncClient(base_url=host.gateway_url, timeout=30, limits=limits) as client:
        bookers = [asyncio.create_task(keep_booking(client, person)) for person in rush]
        for status in ("inactive", "active", "inactive"):
            answer = await client.put(
                f"/api/v1/events/{event['id']}",
                json={"status": status},
                headers={"Authorization": host.client.headers["Authorization"]},
            )
            assert answer.status_code == 200, answer.text
        closed.set()
        assert set(await asyncio.gather(*bookers)) == {409}

"""Over HTTP, through the gateway: who waits gets the seat that somebody gave back."""

from typing import Any

import httpx

from tests.people import People, Person, wait_for


def test_who_waits_is_offered_the_seat_and_sees_it(host: Person, people: People) -> None:
    event = host.create_event(available_seats=1)
    booked = host.book(event["id"]).json()
    waiting, late = people.sign_up("customer"), people.sign_up("customer")
    wish = {"event_id": event["id"], "quantity": 1}
    entry = waiting.client.post("/api/v1/waitlist", json=wish).raise_for_status().json()
    path = f"/api/v1/waitlist/{entry['id']}"
    assert waiting.client.get(path).json()["place"] == 1
    assert late.client.get(path).status_code == 404
    assert httpx.get(f"{host.gateway_url}{path}").status_code == 401
    host.client.put(f"/api/v1/bookings/{booked['id']}/cancel").raise_for_status()

    def offer() -> dict[str, Any] | None:
        [listed] = waiting.client.get("/api/v1/waitlist").json()["entries"]
        return listed if listed["status"] == "offered" else None

    offered = wait_for("the seat is offered", offer)
    assert late.book(event["id"]).status_code == 409
    confirmed = waiting.client.put(f"/api/v1/bookings/{offered['booking_id']}/confirm")
    assert confirmed.status_code == 200, confirmed.text
    left = waiting.client.delete(path)
    assert (left.status_code, left.json()["status"]) == (200, "accepted")

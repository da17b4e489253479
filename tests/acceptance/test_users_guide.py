"""Each request of the user's guide works as it is written there, through the front door."""

from datetime import UTC, datetime, timedelta

import httpx

from tests.conftest import Platform
from tests.people import PASSWORD, People, Person, unique, wait_for

START = "2027-11-01T10:00:00Z"


def test_the_guide_from_login_to_booking(people: People) -> None:
    guide = people.sign_up("customer", "host")
    client = guide.client
    login = client.post("/api/v1/login", json={"email": guide.email, "password": PASSWORD})
    assert login.status_code == 200
    assert login.json()["access_token"]

    word = unique("event")
    body = {
        "name": f"{word}13",
        "available_seats": 10,
        "start_at": START,
        "location": "HCM",
        "category": "MUSIC",
        "price": 10.5,
    }
    created = client.post("/api/v1/events", json=body)
    assert created.status_code == 201
    event = created.json()
    assert type(event["id"]) is int
    assert {name: event[name] for name in ("name", "available_seats", "location", "category", "price")} == {
        name: body[name] for name in ("name", "available_seats", "location", "category", "price")
    }
    assert (event["status"], event["price_minor"], event["time_zone"]) == ("inactive", 1050, "UTC")
    assert datetime.fromisoformat(event["start_at"]) == datetime(2027, 11, 1, 10, tzinfo=UTC)
    path = f"/api/v1/events/{event['id']}"
    assert wait_for("the event page", lambda: (r := client.get(path)).is_success and r.json()) == event

    for criteria in (
        {"name": f"{word}1"},
        {"location": "HCM", "name": f"{word}1", "category": "MUSIC", "start_from": START, "start_to": START},
    ):
        found = wait_for("the event in search", lambda c=criteria: guide.search(**c))  # type: ignore[misc]
        assert [hit["id"] for hit in found] == [event["id"]]

    assert guide.book(event["id"], 1).status_code == 409
    assert client.put(path, json={"status": "active"}).json()["status"] == "active"
    assert guide.book(event["id"], 11).status_code == 409
    booked = guide.book(event["id"], 2)
    assert booked.status_code == 201
    booking = booked.json()
    assert type(booking["id"]) is int
    assert booking["status"] == "held"
    booking_path = f"/api/v1/bookings/{booking['id']}"
    assert client.get(booking_path).json() == booking
    assert client.put(f"{booking_path}/confirm").json()["status"] == "confirmed"
    assert client.get(booking_path).json()["status"] == "confirmed"
    assert client.put(f"{booking_path}/cancel").json()["status"] == "cancelled"
    assert client.put(path, json={"status": "inactive"}).json()["status"] == "inactive"


def test_a_started_event_can_neither_be_booked_nor_given_back(host: Person) -> None:
    started = host.create_event(start_at="2020-01-01T10:00:00Z")
    assert host.book(started["id"]).status_code == 409
    begins_at = datetime.now(UTC) + timedelta(seconds=6)  # time enough to book
    event = host.create_event(start_at=begins_at.isoformat())
    booking = host.book(event["id"]).json()
    wait_for("the event begins", lambda: datetime.now(UTC) > begins_at)
    assert host.client.put(f"/api/v1/bookings/{booking['id']}/cancel").status_code == 409


def test_a_misspelt_search_finds_what_was_meant(host: Person) -> None:
    word = unique("philharmonic")
    event = host.create_event(name=f"{word} in concert", description="Evening of chamber music")
    misspelt = word[:3] + word[4] + word[3] + word[5:]
    found = wait_for("the misspelt event", lambda: host.search(name=misspelt))
    assert [hit["id"] for hit in found] == [event["id"]]


def test_search_by_query_string_finds_the_same(host: Person) -> None:
    artist, city = unique("artist"), unique("city")
    event = host.create_event(artists=[artist], location=city)
    wait_for("the event in search", lambda: host.search(text=artist))
    for path, parameters in (
        ("/api/v1/events", {"search": artist}),
        ("/api/v1/search", {"artist": artist, "location": city}),
    ):
        answer = httpx.get(platform_url(host, path), params=parameters, timeout=10)
        assert [hit["id"] for hit in answer.json()["events"]] == [event["id"]]


def platform_url(person: Person, path: str) -> str:
    return person.gateway_url + path


def test_an_inactive_event_is_seen_by_its_host_alone(host: Person, customer: Person) -> None:
    event = host.create_event(status="inactive")
    wait_for("the event in its host's search", lambda: host.search(name=event["name"]))
    assert customer.search(name=event["name"]) == []
    assert customer.client.get(f"/api/v1/events/{event['id']}").status_code == 404
    assert httpx.get(f"{host.gateway_url}/api/v1/events/{event['id']}", timeout=10).status_code == 404


def test_each_answer_of_a_region_says_how_old_it_is(host: Person) -> None:
    event = host.create_event()
    path = f"/api/v1/events/{event['id']}"
    wait_for("the event page", lambda: host.client.get(path).is_success)
    for answer in (host.client.get(path), host.client.post("/api/v1/search/events", json={})):
        assert 0 <= int(answer.headers["x-data-age-ms"]) < 30_000


def test_the_front_door_shows_a_page_that_needs_nothing_from_elsewhere(platform: Platform) -> None:
    with httpx.Client(base_url=platform.gateway_url, timeout=10) as browser:
        for path in ("/", "/docs"):
            page = browser.get(path)
            assert page.status_code == 200
            assert page.headers["content-type"].startswith("text/html")
            assert 'src="http' not in page.text
            assert 'href="http' not in page.text.replace(platform.gateway_url, "")
        for path in ("/openapi/read.json", "/openapi/write.json"):
            assert browser.get(path).json()["openapi"].startswith("3.")

"""How searches behave on the real engine; every test has words of its own."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import Platform
from tests.people import Person, unique, wait_for


@pytest.fixture(scope="session")
def visitor(platform: Platform) -> Iterator[httpx.Client]:
    """Somebody without an account."""
    with httpx.Client(base_url=f"http://{platform.address('read_api')}", timeout=10) as client:
        yield client


def search(visitor: httpx.Client, headers: dict[str, str] | None = None, **criteria: Any) -> list[int]:
    """The ids that a search finds, in order."""
    answer = visitor.post("/api/v1/search/events", json=criteria, headers=headers)
    assert answer.status_code == 200, answer.text
    return [event["id"] for event in answer.json()["events"]]


def indexed(host: Person, **fields: Any) -> dict[str, Any]:
    """An event that can be found by now."""
    event = host.create_event(**fields)
    path = "/api/v1/search/events"
    found = {"category": event["category"], "text": event["name"]}
    wait_for("the event is found", lambda: event["id"] in [
        one["id"] for one in host.client.post(path, json=found).json()["events"]])  # fmt: skip
    return event


def test_a_word_is_found_in_every_field(host: Person, visitor: httpx.Client) -> None:
    words = {place: unique(place) for place in ("name", "artist", "description", "venue", "city", "topic")}
    venue = {"name": words["venue"], "city": words["city"], "country": "Vietnam", "time_zone": "UTC"}
    event = host.create_event(
        name=f"An evening with {words['name']}",
        artists=[words["artist"]],
        description=f"They play {words['description']} and more.",
        topics=[words["topic"]],
        venue=venue,
        location=None,
    )
    wait_for("the event is found", lambda: search(visitor, text=words["name"]))
    for place, word in words.items():
        assert search(visitor, text=word) == [event["id"]], place
    assert search(visitor, name=words["name"]) == [event["id"]]
    assert search(visitor, name=words["artist"]) == []
    for place in ("venue", "city"):
        assert search(visitor, location=words[place], name=words["name"]) == [event["id"]], place
        assert search(visitor, location=words[place][:-3]) == [event["id"]], place
    assert search(visitor, location="vietnam", name=words["name"]) == [event["id"]]


def test_the_beginning_of_a_word_finds_it(host: Person, visitor: httpx.Client) -> None:
    word = unique("event1")
    event = indexed(host, name=f"{word}3")
    assert search(visitor, name=word) == [event["id"]]
    assert search(visitor, text=word[:-2]) == [event["id"]]


@pytest.mark.parametrize(
    "mistype",
    [
        lambda word: word[:4] + word[5:],
        lambda word: word[:4] + "q" + word[4:],
        lambda word: word[:4] + "q" + word[5:],
        lambda word: word[:4] + word[5] + word[4] + word[6:],
    ],
    ids=["left out", "added", "wrong", "swapped"],
)
def test_a_typo_is_seen_through(host: Person, visitor: httpx.Client, mistype: Any) -> None:
    word = unique("radiohead")
    event = indexed(host, name=f"{word} live")
    assert search(visitor, text=mistype(word)) == [event["id"]]


def test_what_matches_exactly_comes_before_what_is_similar(host: Person, visitor: httpx.Client) -> None:
    word = unique("harmonia")
    similar = indexed(host, name=f"{word[:-1]}zz")
    exact = indexed(host, name=word)
    assert search(visitor, name=word) == [exact["id"], similar["id"]]


def test_typos_are_not_sought_where_words_as_typed_find_enough(host: Person, visitor: httpx.Client) -> None:
    word = unique("plentiful")
    similar = indexed(host, name=f"{word[:-1]}zz")["id"]
    exact = [indexed(host, name=f"{word} {number}")["id"] for number in range(3)]
    found = search(visitor, name=word)
    assert sorted(found) == sorted(exact)
    assert similar not in found


def test_spaces_in_a_name_do_not_matter(host: Person, visitor: httpx.Client) -> None:
    word = unique("radio")
    event = indexed(host, name=f"{word}head")
    assert search(visitor, text=f"{word} head") == [event["id"]]


def test_accents_case_and_alphabet_do_not_matter(host: Person, visitor: httpx.Client) -> None:
    word = unique("emilie")
    event = indexed(host, name=f"{word.capitalize().replace('e', 'é')} in Łódź")
    assert search(visitor, text=f"{word.upper()} LODZ") == [event["id"]]


def test_chinese_is_found_by_any_part_of_it(host: Person, visitor: httpx.Client) -> None:
    word = unique("cjk")
    event = indexed(host, name=f"上海国际爵士音乐节 {word}")
    assert search(visitor, text=f"爵士 {word}") == [event["id"]]


def test_endings_are_seen_through_in_the_languages_of_the_person(host: Person, visitor: httpx.Client) -> None:
    word = unique("zz")
    event = indexed(host, name=f"{word} Konzerte", languages=["de"])
    german, english = {"Accept-Language": "de"}, {"Accept-Language": "en"}
    assert search(visitor, german, text=f"konzerten {word}") == [event["id"]]
    exact = visitor.post("/api/v1/search/events", json={"text": f"konzerten {word}"}, headers=english).json()
    assert exact["total"] in {0, 1}


def test_a_category_is_taken_in_any_case(host: Person, visitor: httpx.Client) -> None:
    word = unique("category")
    event = indexed(host, name=word, category="Rock & Pop")
    for category in ("ROCK & POP", "rock and pop"):
        assert search(visitor, category=category, name=word) == [event["id"]]
    assert search(visitor, category="rock", name=word) == []


def test_bounds_of_the_start_are_inclusive(host: Person, visitor: httpx.Client) -> None:
    word, at = unique("when"), "2031-05-01T10:00:00Z"
    event = indexed(host, name=word, start_at=at)
    assert search(visitor, name=word, start_from=at, start_to=at) == [event["id"]]
    assert search(visitor, name=word, start_from="2031-05-01T10:00:01Z") == []
    assert search(visitor, name=word, start_to="2031-05-01T11:59:59+02:00") == []


def test_a_day_is_the_day_where_the_event_is(host: Person, visitor: httpx.Client) -> None:
    artist = unique("artist")
    event = host.create_event(artists=[artist], start_at="2031-05-01T20:00:00Z", time_zone="Asia/Tokyo")

    def found(**parameters: str) -> list[int]:
        answer = visitor.get("/api/v1/search", params={"artist": artist, **parameters})
        return [one["id"] for one in answer.json()["events"]]

    wait_for("the event is found", found)
    assert found(dateTime="2031-05-02") == [event["id"]]
    assert found(dateTime="2031-05-01") == []
    assert found(dateTime="2031-05-01T12:00:00Z", location="HCM") == [event["id"]]
    assert found(location="Elsewhere") == []


def test_filters_keep_what_they_say(host: Person, visitor: httpx.Client) -> None:
    word = unique("filters")
    event = indexed(host, name=word, price=25.0, languages=["fr"], available_seats=1)
    for criteria in (
        {"price_minor_min": 2500, "price_minor_max": 2500},
        {"languages": ["FR"]},
        {"languages": ["fr-CA", "de"]},
        {"is_online": False},
        {"available_only": True},
    ):
        assert search(visitor, name=word, **criteria) == [event["id"]], criteria
    for criteria in (
        {"price_minor_min": 2501},
        {"price_minor_max": 2499},
        {"languages": ["de"]},
        {"is_online": True},
    ):
        assert search(visitor, name=word, **criteria) == [], criteria
    assert host.book(event["id"]).status_code == 201
    wait_for("no seat is left", lambda: search(visitor, name=word, available_only=True) == [])


def test_near_a_point_and_by_distance(host: Person, visitor: httpx.Client) -> None:
    word = unique("near")
    places = {"Hanoi": (21.03, 105.85), "Hue": (16.46, 107.59), "Saigon": (10.78, 106.70)}
    ids = {
        city: indexed(
            host,
            name=f"{word} {city}",
            location=None,
            venue={"name": city, "city": city, "country": "Vietnam", "latitude": latitude,
                   "longitude": longitude, "time_zone": "UTC"},
        )["id"]
        for city, (latitude, longitude) in places.items()
    }  # fmt: skip
    point = {"latitude": 10.8, "longitude": 106.7}
    near_by = search(visitor, name=word, near={**point, "radius_km": 50})
    assert near_by == [ids["Saigon"]]
    by_distance = search(visitor, name=word, near={**point, "radius_km": 2000}, sort="distance")
    assert by_distance == [ids["Saigon"], ids["Hue"], ids["Hanoi"]]


def test_orders_and_pages(host: Person, visitor: httpx.Client) -> None:
    word = unique("orders")
    late = indexed(host, name=word, price=5, start_at="2032-01-01T00:00:00Z")["id"]
    soon = indexed(host, name=word, price=9, start_at="2031-01-01T00:00:00Z")["id"]
    dear = indexed(host, name=word, price=99, start_at="2033-01-01T00:00:00Z")["id"]
    assert search(visitor, name=word, sort="date") == [soon, late, dear]
    assert search(visitor, name=word, sort="price") == [late, soon, dear]
    assert search(visitor, name=word) == [soon, late, dear]
    pages = [search(visitor, name=word, sort="date", page=page, page_size=1) for page in (1, 2, 3, 4)]
    assert pages == [[soon], [late], [dear], []]
    answer = visitor.post("/api/v1/search/events", json={"name": word, "page_size": 2, "page": 2}).json()
    assert (answer["total"], answer["page"], answer["page_size"], len(answer["events"])) == (3, 2, 2, 1)


def test_an_inactive_event_is_found_by_its_host_alone(host: Person, visitor: httpx.Client) -> None:
    word = unique("draft")
    event = host.create_event(name=word, status="inactive")
    wait_for("its host finds it", lambda: [one["id"] for one in host.search(name=word)] == [event["id"]])
    assert search(visitor, name=word) == []
    host.client.put(f"/api/v1/events/{event['id']}", json={"status": "active"}).raise_for_status()
    wait_for("everybody finds it", lambda: search(visitor, name=word) == [event["id"]])
    host.client.put(f"/api/v1/events/{event['id']}", json={"status": "cancelled"}).raise_for_status()
    wait_for("nobody finds it", lambda: search(visitor, name=word) == [])
    assert visitor.get(f"/api/v1/events/{event['id']}").json()["status"] == "cancelled"


def test_a_hit_is_the_event_as_its_page_shows_it(host: Person, visitor: httpx.Client) -> None:
    word = unique("same")
    event = indexed(host, name=word)
    hit = visitor.post("/api/v1/search/events", json={"name": word}).json()["events"][0]
    assert hit == visitor.get(f"/api/v1/events/{event['id']}").json()


def test_nonsense_finds_nothing(visitor: httpx.Client) -> None:
    assert search(visitor, text="qzxvwpkrjjqx blorptasticqq") == []
    assert search(visitor, text="!!! …") == []


def test_a_text_of_the_greatest_length_is_answered(visitor: httpx.Client) -> None:
    words = " ".join(f"w{number}rdwrd" for number in range(40))[:200]
    assert search(visitor, text=words) == []
    assert search(visitor, text="龘" * 200) == []

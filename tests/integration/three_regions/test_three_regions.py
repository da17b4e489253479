"""Three regions: each answers alone, writes wait for a quorum, and any one of them may be lost."""

import json
import time
from contextlib import ExitStack

import httpx

from contracts.consistency_token import CONSISTENCY_HEADER, NOT_CAUGHT_UP
from indexer.app import create_elasticsearch
from tests.conftest import Platform
from tests.integration.three_regions.load import reads, repeated
from tests.integration.three_regions.steps import (
    REGIONS,
    SEEN_SECONDS,
    ahead_of_all,
    create,
    finds,
    gateway,
    links_changed,
    page,
    read_seconds,
    until_writes_work,
    write_api,
)
from tests.people import People, wait_for
from tests.search_index import wait_until_exact


def test_one_writer_and_two_that_stand_by(three: Platform) -> None:
    assert write_api(three, "eu") == {
        "code": 200, "writer": True, "state": "writer", "main": "primary", "durability": "quorum",
        "generation": 1, "highest_generation_seen": 1, "fenced": False,
    }  # fmt: skip
    for region in ("us", "ap"):
        assert write_api(three, region) == {
            "code": 503, "writer": False, "state": "standby", "main": "standby", "durability": "quorum",
            "generation": None, "highest_generation_seen": None, "fenced": False,
        }  # fmt: skip
        refused = httpx.post(f"http://{three.address('write_api', region)}/api/v1/accounts", json={})
        assert refused.status_code == 503
        assert refused.headers["Retry-After"]
        log = three.home / "logs" / f"{region}.write_api.log"
        told = [json.loads(line) for line in log.read_text().splitlines()]
        # What other tests do to the region is told by others, such as that its reader can't be asked.
        assert not [one for one in told if one["logger"].startswith("write_api") and one["level"] != "info"]
    status = three.status()
    assert status["all_running"]
    by_region = {one["region"]: one for one in status["regions"]}
    assert by_region["eu"]["streaming_members"] == ["ap", "us"]
    assert sorted(by_region["eu"]["quorum_members"]) == ["ap", "us"]
    assert [by_region[region]["main"] for region in REGIONS] == ["primary", "standby", "standby"]


def test_an_event_and_a_booking_through_each_gateway_hold_in_all_three(
    three: Platform, everywhere: dict[str, People]
) -> None:
    for region, people in everywhere.items():
        person = people.sign_up("customer", "host")
        event = person.create_event()
        booked = person.book(event["id"])
        assert booked.status_code == 201, booked.text
        assert booked.headers["X-Durability"] == "quorum"
        assert booked.headers["X-Region"] == region
        for other in REGIONS:
            url = gateway(three, other)
            wait_for(f"{other} finds {event['name']}", lambda: finds(people, event["name"], url))  # noqa: B023
            seen = person.client.get(f"{url}/api/v1/bookings/{booked.json()['id']}")
            assert seen.json()["status"] == "held", seen.text


def test_the_front_door_sends_people_to_the_region_that_is_near(three: Platform) -> None:
    for place, expected in (("eu", "eu"), ("us", "us"), ("ap", "ap"), ("moon", "eu"), (None, "eu")):
        answer = httpx.get(
            f"{three.gateway_url}/api/v1/events", headers={"X-Client-Place": place} if place else {}
        )
        assert (answer.status_code, answer.headers["X-Region"]) == (200, expected)


def test_with_distance_reads_stay_quick_and_writes_stay_correct(
    three: Platform, everywhere: dict[str, People]
) -> None:
    distances = [(name, "--delay-ms", "80") for name in ("eu-us", "eu-ap", "us-ap")]
    with links_changed(three, *distances):
        person = everywhere["us"].sign_up("customer", "host")
        began = time.monotonic()
        event = person.create_event(available_seats=1)
        assert time.monotonic() - began >= 0.16, "a write crosses the link and back"
        assert person.book(event["id"]).status_code == 201
        assert person.book(event["id"]).status_code == 409
    with links_changed(three, *((name, "--delay-ms", "500") for name, *_ in distances)):
        fastest_seconds = min(read_seconds(three, event["id"]) for _ in range(20))
        assert fastest_seconds < 0.5, "a read crosses no link"
    until_writes_work(three)


def test_a_region_that_is_killed_costs_few_reads_and_no_writes_and_comes_back_exact(
    three: Platform, everywhere: dict[str, People], stack: ExitStack
) -> None:
    person = everywhere["eu"].sign_up("customer", "host")
    event_id = person.create_event()["id"]
    for region in REGIONS:
        wait_for(f"{region} has the event", lambda: page(three, region, event_id) == 200)  # noqa: B023
    near_us, near_ap = (reads(stack, three.gateway_url, place, event_id, person) for place in ("us", "ap"))
    with repeated(*near_us, *near_ap, ("writes", lambda: create(three, person))) as tallies:
        time.sleep(1)
        three.kill_region("us")
        killed_at = time.monotonic()
        time.sleep(SEEN_SECONDS + 4)
    *read_tallies, writes = tallies
    for tally in read_tallies:
        assert tally.succeeded(killed_at + SEEN_SECONDS) > 10, tally
        assert not tally.failed(killed_at + SEEN_SECONDS), tally
    assert writes.succeeded(killed_at) > 10
    assert not writes.failed(), writes
    began = time.monotonic()
    print(f"\n{three.command('up', '--region', 'us').stdout.splitlines()[-1]}", end="")
    with create_elasticsearch(f"http://{three.address('elasticsearch', 'us')}") as elasticsearch:
        wait_until_exact(three, elasticsearch)
    print(f"\n  us is back and exact after {time.monotonic() - began:.1f} s", end="")
    assert three.status()["all_running"]


def test_with_the_primary_region_gone_reading_goes_on_and_writes_are_refused_politely(
    three: Platform, everywhere: dict[str, People], stack: ExitStack
) -> None:
    person = everywhere["us"].sign_up("customer", "host")
    event = person.create_event()
    booking = person.book(event["id"]).json()
    for region in ("us", "ap"):
        wait_for(f"{region} has it", lambda: finds(everywhere["us"], event["name"], gateway(three, region)))  # noqa: B023
    near_us, near_eu = (reads(stack, three.gateway_url, place, event["id"], person) for place in ("us", "eu"))
    try:
        with repeated(*near_us, *near_eu) as tallies:
            time.sleep(1)
            three.kill_region("eu")
            killed_at = time.monotonic()
            time.sleep(SEEN_SECONDS + 4)
            for region in ("us", "ap"):
                refused = person.client.post(
                    f"{gateway(three, region)}/api/v1/bookings", json={"event_id": event["id"], "quantity": 1}
                )
                assert refused.status_code == 503, refused.text
                assert refused.headers["Retry-After"]
                assert refused.headers["Content-Type"] == "application/problem+json"
                forged = httpx.get(
                    f"{gateway(three, region)}/api/v1/events/{event['id']}",
                    headers={"Authorization": "Bearer x"},
                )
                assert forged.status_code == 401
                own = f"{gateway(three, region)}/api/v1/bookings/{booking['id']}"
                assert person.client.get(own).json()["status"] == "held", (
                    "bookings are answered, with the token"
                )
                ahead = person.client.get(own, headers={CONSISTENCY_HEADER: ahead_of_all(three)})
                assert (ahead.status_code, ahead.json()["detail"]) == (503, NOT_CAUGHT_UP)
                assert ahead.headers["Retry-After"]
            print(f"\n  refused: {refused.json()['detail']}", end="")
        for tally in tallies:
            assert tally.succeeded(killed_at + SEEN_SECONDS) > 10, tally
            assert not tally.failed(killed_at + SEEN_SECONDS), tally
        # Also what is started without the primary answers.
        three.command("down", "--region", "us", "--kill")
        assert {one["region"] for one in three.status()["components"] if one["pid"]} == {"ap", "global"}
        three.command("up", "--region", "us")
        assert page(three, "us", event["id"]) == 200
        assert finds(everywhere["us"], event["name"], gateway(three, "us"))
    finally:
        three.command("up", "--region", "eu")
    until_writes_work(three)
    assert person.client.get(f"/api/v1/bookings/{booking['id']}").json()["status"] == "held"
    assert person.book(event["id"]).status_code == 201

"""`frontrow demo` against a whole region."""

import json
import uuid
from typing import Any

import httpx

from tests.conftest import Platform
from tests.people import wait_for

COUNT = 40


def run(platform: Platform, seed: int) -> dict[str, Any]:
    done = platform.command(
        "demo", "--url", platform.gateway_url, "--seed", str(seed), "--count", str(COUNT), "--json"
    )
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_the_demo_can_be_loaded_again_and_makes_nothing_twice(platform: Platform) -> None:
    seed = uuid.uuid4().int % 10**9
    first = run(platform, seed)
    assert (first["created"], first["existing"], first["refused"]) == (COUNT, 0, 0)
    again = run(platform, seed)
    assert (again["created"], again["existing"], again["refused"]) == (0, COUNT, 0)
    assert not again["account_created"]


def test_the_demo_account_of_the_users_guide_can_log_in_and_events_are_found(platform: Platform) -> None:
    run(platform, seed=1)
    with httpx.Client(base_url=platform.gateway_url, timeout=10) as client:
        credentials = {"email": "test@example.com", "password": "correctpassword"}
        assert client.post("/api/v1/login", json=credentials).raise_for_status().json()["access_token"]

        def found() -> int:
            search = client.post("/api/v1/search/events", json={"text": "festivl", "category": "MUSIC"})
            return int(search.raise_for_status().json()["total"])

        assert wait_for("a search with a typo finds a festival", found)

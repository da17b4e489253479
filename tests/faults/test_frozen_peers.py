"""The indexer, or what it stands on, is frozen: no question waits for ever, and nothing stays stuck after."""

import time
from contextlib import closing
from typing import Any

import httpx
import pytest

from indexer.changes import SESSION_TIMEOUT_MS
from tests.conftest import Platform
from tests.frozen import family_of, frozen
from tests.people import People, unique, wait_for
from tests.search_index import elasticsearch_of, wait_until_exact
from tests.soak import soak_only

PARTS = ("caretaker: ", "live indexing: ", "kafka: ")
"""Whose failures the indexer tells; that nothing comes through is told without any of them."""


def health(platform: Platform) -> dict[str, Any]:
    answer = httpx.get(f"http://{platform.address('indexer')}/health/ready", timeout=5)
    return dict(answer.json()["details"])


def error_of_a_part(platform: Platform) -> str | None:
    error = health(platform)["last_error"]
    return error if error and error.startswith(PARTS) else None


@pytest.mark.parametrize(
    "component",
    ["reader", "kafka", *(pytest.param(one, marks=soak_only) for one in ("connect", "elasticsearch"))],
)
def test_a_frozen_peer_is_given_up_and_all_is_well_when_it_goes_on(
    platform: Platform, component: str
) -> None:
    people = People(platform.gateway_url, platform.link_key)
    with closing(people), elasticsearch_of(platform) as elasticsearch:
        host = people.sign_up("host")
        event_id = host.create_event()["id"]
        wait_until_exact(platform, elasticsearch)
        with frozen(family_of(platform, component)):
            wait_for("the indexer gives it up", lambda: error_of_a_part(platform))
            print(f"\n  {component}: {error_of_a_part(platform)}", end="")
            host.client.put(f"/api/v1/events/{event_id}", json={"name": unique("edited")}).raise_for_status()
        wait_until_exact(platform, elasticsearch)
        wait_for("it is live", lambda: health(platform)["phase"] == "live")


def test_an_indexer_that_was_frozen_for_longer_than_its_session_takes_its_place_again(
    platform: Platform,
) -> None:
    people = People(platform.gateway_url, platform.link_key)
    with closing(people), elasticsearch_of(platform) as elasticsearch:
        host = people.sign_up("host")
        with frozen(family_of(platform, "indexer")):
            host.create_event()
            time.sleep(SESSION_TIMEOUT_MS / 1000 + 2)
            host.create_event()
        wait_until_exact(platform, elasticsearch)
        wait_for("it is live", lambda: health(platform)["phase"] == "live")

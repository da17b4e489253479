"""The region's reader can't be read: browsing goes on, and what revocations must be fresh for is refused."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from mini_auth.api_keys import ApiKeys, reader_of_api_keys
from mini_auth.callers import MAX_KNOWLEDGE_AGE_SECONDS, Callers
from mini_auth.guest_links import GuestLinkVerifier
from mini_auth.knowledge_feed import KnowledgeFeed
from mini_auth.verifier import TokenVerifier
from service_kit.database import create_pool
from service_kit.problem_responses import Problem
from tests.administrators import administrator
from tests.conftest import Platform
from tests.frozen import family_of, frozen
from tests.people import People, Person, wait_for
from tests.soak import sized, soak_only
from write_api.heartbeat import IDLE_BEAT_SECONDS

BEARABLE_SECONDS = sized(test=4.0, soak=MAX_KNOWLEDGE_AGE_SECONDS)
"""In `make test` a process of the test's own bears less than those of the platform do."""


@contextmanager
def callers_of_a_process(platform: Platform, state: Path) -> Iterator[Callers]:
    """What a process of the region makes of who asks, on what it knows from the region's reader."""
    with start_blocking_portal() as portal:

        async def following() -> AsyncIterator[Callers]:
            url = platform.database_url("frontrow_read", "reader")
            pool = create_pool(url, application_name="test-callers", max_size=2, max_waiting=4)
            async with pool, KnowledgeFeed(pool, state) as feed:
                yield Callers(
                    TokenVerifier(feed, issuer="https://frontrow.local", audience="frontrow-api"),
                    ApiKeys(reader_of_api_keys(pool)),
                    GuestLinkVerifier(feed, b"no link is sent in these tests.."),
                    feed,
                    max_knowledge_age_seconds=BEARABLE_SECONDS,
                )

        with portal.wrap_async_context_manager(asynccontextmanager(following)()) as callers:
            yield callers


def is_fresh(callers: Callers) -> bool:
    """Whether payments and administration would be let through."""
    try:
        callers.require_fresh_knowledge()
    except Problem:
        return False
    return True


def token_of(person: Person) -> str:
    return str(person.client.headers["Authorization"]).removeprefix("Bearer ")


def search(platform: Platform, person: Person, text: str) -> httpx.Response:
    """A search of somebody who is logged in: the token is judged, the answer comes from the index."""
    headers = {"Authorization": f"Bearer {token_of(person)}"}
    url = f"{platform.gateway_url}/api/v1/search/events"
    return httpx.post(url, json={"text": text}, headers=headers, timeout=10)


def test_with_an_unreadable_reader_browsing_goes_on_and_what_is_sensitive_is_refused(
    platform: Platform, tmp_path: Path
) -> None:
    with (
        closing(People(platform.gateway_url, platform.link_key)) as people,
        callers_of_a_process(platform, tmp_path) as callers,
    ):
        person = people.sign_up("customer", "host")
        name = person.create_event()["name"]
        wait_for("it is found", lambda: search(platform, person, name).json()["events"])
        wait_for("what is known is fresh", lambda: is_fresh(callers))
        with frozen(family_of(platform, "reader")):
            frozen_at = time.monotonic()
            while is_fresh(callers):
                assert time.monotonic() - frozen_at < BEARABLE_SECONDS + 5, "too old, and taken for fresh"
                time.sleep(0.1)
            # What was just fresh may have been confirmed two beats ago and some (0170).
            assert time.monotonic() - frozen_at > BEARABLE_SECONDS - 3 * IDLE_BEAT_SECONDS, "refused too soon"
            found = search(platform, person, name)
            assert (found.status_code, len(found.json()["events"])) == (200, 1)
            assert callers.tokens.verify(token_of(person)).roles == {"customer", "host"}
        wait_for("what is known is fresh again", lambda: is_fresh(callers))


@soak_only
@pytest.mark.timeout(300)
def test_the_platforms_own_processes_refuse_administration_after_thirty_seconds(platform: Platform) -> None:
    with closing(People(platform.gateway_url, platform.link_key)) as people:
        person, admin = people.sign_up("customer", "host"), administrator(platform, people)
        name = person.create_event()["name"]
        wait_for("it is found", lambda: search(platform, person, name).json()["events"])

        def administration() -> int:
            return admin.client.get("/api/v1/admin/audit-log").status_code

        assert administration() == 200
        with frozen(family_of(platform, "reader")):
            time.sleep(MAX_KNOWLEDGE_AGE_SECONDS / 2)
            assert administration() == 200, "what is known is not too old yet"
            wait_for("administration is refused", lambda: administration() == 503)
            assert search(platform, person, name).status_code == 200
            assert person.book(person.create_event()["id"]).status_code == 201
        wait_for("administration goes on", lambda: administration() == 200)

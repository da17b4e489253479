"""One platform of three regions for every test of a run that asks for `three`."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import Platform, discard, new_platform
from tests.integration.three_regions.steps import REGIONS, gateway
from tests.people import People


@pytest.fixture(scope="session")
def three(shared_platforms: ExitStack) -> Platform:
    """Three regions; each test leaves all of them running. The platform of one region is stopped first."""
    shared_platforms.close()
    running = new_platform("three", REGIONS)
    shared_platforms.callback(discard, running)
    began = time.monotonic()
    running.up()
    status = running.status()
    memory = sum(one["memory_bytes"] or 0 for one in status["components"])
    print(f"\nThree regions: up after {time.monotonic() - began:.1f} s, {memory / 2**20:.0f} MiB")
    return running


@pytest.fixture
def everywhere(three: Platform) -> Iterator[dict[str, People]]:
    """Who signs people up at each region's gateway."""
    with ExitStack() as stack:
        found = {region: People(gateway(three, region), three.link_key) for region in REGIONS}
        for people in found.values():
            stack.callback(people.close)
        yield found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as found:
        yield found

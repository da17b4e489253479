from collections.abc import Iterator

import pytest

from tests.conftest import Platform, discard, new_platform

ENGINES = ("main", "reader", "kafka", "connect", "elasticsearch", "redis")


@pytest.fixture(scope="module")
def engines() -> Iterator[Platform]:
    """A platform of engines only; every test of the module leaves it running, or starts it again itself."""
    found = new_platform("engines")
    try:
        found.up(*ENGINES)
        yield found
    finally:
        discard(found)


@pytest.fixture
def untouched() -> Iterator[Platform]:
    """A platform that was never started."""
    found = new_platform("untouched")
    try:
        yield found
    finally:
        discard(found)

from collections.abc import Iterator

import pytest

from tests.conftest import Platform
from tests.people import People, Person


@pytest.fixture(scope="session")
def people(platform: Platform) -> Iterator[People]:
    people = People(platform.gateway_url, platform.link_key)
    yield people
    people.close()


@pytest.fixture(scope="session")
def host(people: People) -> Person:
    return people.sign_up("customer", "host")


@pytest.fixture
def customer(people: People) -> Person:
    return people.sign_up("customer")

from collections.abc import Iterator

import pytest

from tests.conftest import Platform
from tests.people import People, Person


@pytest.fixture(scope="session")
def host(platform: Platform) -> Iterator[Person]:
    people = People(platform.gateway_url, platform.link_key)
    yield people.sign_up("customer", "host")
    people.close()

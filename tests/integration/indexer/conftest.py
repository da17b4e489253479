from collections.abc import Iterator

import psycopg
import pytest
from elasticsearch import Elasticsearch

from indexer.reader import Reader
from tests.conftest import Platform
from tests.people import People, Person, wait_for
from tests.search_index import elasticsearch_of


@pytest.fixture(scope="session")
def elasticsearch(platform: Platform) -> Iterator[Elasticsearch]:
    with elasticsearch_of(platform) as client:
        yield client


@pytest.fixture
def reader(platform: Platform) -> Iterator[Reader]:
    reader = Reader(platform.database_url("frontrow_read", "reader"), name="frontrow-tests")
    yield reader
    reader.close()


@pytest.fixture(scope="session")
def host(platform: Platform) -> Iterator[Person]:
    people = People(platform.gateway_url, platform.link_key)
    yield people.sign_up("customer", "host")
    people.close()


@pytest.fixture(autouse=True)
def no_hold_expires_meanwhile(platform: Platform) -> None:
    """Holds of other tests end now: seats that come back in the middle are changes that nobody here made."""
    with psycopg.connect(platform.database_url("postgres", "main"), autocommit=True) as connection:
        connection.execute("UPDATE bookings SET hold_expires_at = clock_timestamp() WHERE status = 'held'")

        def none_is_held() -> bool:
            held = connection.execute("SELECT count(*) FROM bookings WHERE status = 'held'").fetchone()
            return held == (0,)

        wait_for("all holds are over", none_is_held)

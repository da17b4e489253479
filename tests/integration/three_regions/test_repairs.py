"""What a standby region stands on is taken away: it is made again by itself, or by `up`, and status tells."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import psycopg
import pytest

from contracts.names import CAPTURE_SLOT, CONNECTOR, EVENTS_ALIAS
from indexer.app import create_elasticsearch
from tests.conftest import Platform
from tests.integration.three_regions.load import repeated
from tests.integration.three_regions.steps import create
from tests.people import People, wait_for
from tests.search_index import wait_until_exact
from tests.slots import drop_slot
from tests.soak import soak_only

REGION = "us"


@pytest.fixture
def under_writes(three: Platform, everywhere: dict[str, People]) -> Iterator[None]:
    """Events are made while the test runs; at its end the region has all of them."""
    person = everywhere["eu"].sign_up("customer", "host")
    with repeated(("writes", lambda: create(three, person))) as (writes,):
        wait_for("some writes", lambda: writes.succeeded() > 5)
        yield
        before = writes.succeeded()
        wait_for("some more writes", lambda: writes.succeeded() > before + 5)
    assert not writes.failed(), writes
    with create_elasticsearch(f"http://{three.address('elasticsearch', REGION)}") as elasticsearch:
        wait_until_exact(three, elasticsearch)
    wait_for("all is well", lambda: three.status()["all_running"])


def last_repair(three: Platform) -> dict[str, Any]:
    url = f"http://{three.address('indexer', REGION)}/health/ready"
    return httpx.get(url, timeout=5).json()["details"]["last_repair"] or {}


def drop_the_capture_slot(three: Platform) -> None:
    drop_slot(three.database_url("postgres", "reader", REGION), CAPTURE_SLOT)


def delete_the_connector(three: Platform) -> None:
    connect = f"http://{three.address('connect', REGION)}"
    httpx.delete(f"{connect}/connectors/{CONNECTOR}", timeout=10).raise_for_status()


def fail_the_connector(three: Platform) -> None:
    """A converter that can't convert: its task fails with the next message, for good."""
    url = f"http://{three.address('connect', REGION)}/connectors/{CONNECTOR}"
    converter = "org.apache.kafka.connect.converters.LongConverter"
    config = httpx.get(f"{url}/config", timeout=5).json() | {"value.converter": converter}
    httpx.put(f"{url}/config", json=config, timeout=10).raise_for_status()


def delete_the_index(three: Platform) -> None:
    with create_elasticsearch(f"http://{three.address('elasticsearch', REGION)}") as elasticsearch:
        (index,) = elasticsearch.indices.get_alias(name=EVENTS_ALIAS)
        elasticsearch.indices.delete(index=index)


@pytest.mark.usefixtures("under_writes")
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (drop_the_capture_slot, "capture slot"),
        pytest.param(delete_the_connector, "connector is missing", marks=soak_only),
        pytest.param(fail_the_connector, "connector", marks=soak_only),
        (delete_the_index, "index is missing"),
    ],
)
def test_the_indexer_mends_its_region(three: Platform, damage: Callable[[Platform], None], told: str) -> None:
    before = last_repair(three)
    damage(three)
    repair = wait_for("the repair is told", lambda: last_repair(three) != before and last_repair(three))
    assert told in repair["what"]


@pytest.mark.usefixtures("under_writes")
@pytest.mark.parametrize(
    ("node", "slot", "upstream"),
    [pytest.param("main", "main_us", "eu", marks=soak_only), ("reader", "reader", REGION)],
)
def test_up_makes_a_physical_slot_again(three: Platform, node: str, slot: str, upstream: str) -> None:
    """Without it the standby keeps trying, and stands still."""
    drop_slot(three.database_url("postgres", "main", upstream), slot)
    seen = three.component(node, REGION)
    assert seen["state"] == "unhealthy"
    assert f"slot {slot}" in seen["reason"]
    three.command("up", "--region", REGION)
    assert three.component(node, REGION)["state"] == "running"


@soak_only
@pytest.mark.usefixtures("under_writes")
def test_a_region_whose_wal_was_dropped_while_it_was_dead_comes_back_by_up(
    three: Platform, stack: ExitStack
) -> None:
    """Main and reader are copied anew, so the slot of change capture is gone as well."""
    three.kill_region(REGION)
    primary = stack.enter_context(
        psycopg.connect(three.database_url("postgres", "main", "eu"), autocommit=True)
    )
    drop_slot(three.database_url("postgres", "main", "eu"), "main_us")
    primary.execute("SELECT pg_switch_wal()")
    primary.execute("CHECKPOINT")
    print(f"\n{three.command('up', '--region', REGION).stdout.splitlines()[-1]}", end="")
    repair = wait_for("the repair is told", lambda: last_repair(three))
    assert repair["what"] == "capture slot is missing"

"""Components of every region are killed and frozen under a storm of changes: all three indexes end exact."""

import os
import random
import time
from contextlib import ExitStack
from typing import Literal

import pytest

from tests.conftest import Platform
from tests.integration.three_regions.steps import REGIONS, until_writes_work
from tests.integration.three_regions.storm import Blow, storm
from tests.search_index import elasticsearch_of, wait_until_exact
from tests.soak import IS_SOAK

STRUCK_IN_A_REGION = (
    "main", "reader", "kafka", "connect", "elasticsearch", "redis", "gateway", "write_api", "read_api",
    "indexer", "mini_auth",
)  # fmt: skip
STRUCK_ONCE = ("links", "balancer")
KINDS: tuple[Literal["kill", "freeze"], ...] = ("kill", "freeze")
ALL = {
    **{region: [Blow(one, region, kind) for one in STRUCK_IN_A_REGION for kind in KINDS]
       for region in REGIONS},
    "global": [Blow(one, "global", kind) for one in STRUCK_ONCE for kind in KINDS],
}  # fmt: skip
SAMPLE_SIZE = 4
SEED = int(os.environ.get("STORM_SEED", random.randrange(10**6)))
"""`make soak` strikes each component of each region both ways; otherwise a sample is struck."""


def sample(seed: int) -> list[Blow]:
    """A few blows in random order: some that are always among them, and others."""
    dice = random.Random(seed)
    chosen = [
        Blow("indexer", dice.choice(REGIONS), "freeze"),
        Blow("kafka", dice.choice(REGIONS[1:]), "kill"),
        Blow("reader", dice.choice(REGIONS), "freeze"),
    ]
    rest = [blow for blows in ALL.values() for blow in blows if blow not in chosen]
    chosen += dice.sample(rest, SAMPLE_SIZE - len(chosen))
    dice.shuffle(chosen)
    return chosen


@pytest.mark.parametrize("part", list(ALL) if IS_SOAK else ["sample"])
def test_a_storm_leaves_every_index_exact_and_no_document_goes_back(
    three: Platform, stack: ExitStack, part: str
) -> None:
    print(f"\n  STORM_SEED={SEED}", end="")
    blows = ALL[part] if IS_SOAK else sample(SEED)
    indices = {region: stack.enter_context(elasticsearch_of(three, region)) for region in REGIONS}
    for region in REGIONS:
        wait_until_exact(three, indices[region])
    try:
        with storm(three, indices, SEED) as going_on:
            going_on.go_on()
            for blow in blows:
                began = time.monotonic()
                blow.strike(three)
                print(f"\n  {blow}: {time.monotonic() - began:.1f} s", end="", flush=True)
            going_on.go_on()
            began = time.monotonic()
    finally:
        three.up()
    for region in REGIONS:
        wait_until_exact(three, indices[region])
    print(f"\n  all exact {time.monotonic() - began:.1f} s after the last write; {going_on}", end="")
    for watch in going_on.watches:
        assert watch.went_back == []
        assert watch.steps > 10 * len(blows), f"{watch.region} was hardly watched: {watch.looks} looks"
    until_writes_work(three)
    assert three.status()["all_running"]

"""A whole platform on this machine: boot time, memory, idle CPU, and how soon a new event is found.

It runs in a folder and on ports of its own, beside whatever else runs; what else runs costs it time.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.create_to_search import Addresses, measure, median, percentile
from benchmarks.machine import describe_machine
from benchmarks.process_costs import CpuMeter, families, memory_of
from tests.conftest import Platform, discard, new_platform
from tests.people import People

RESULTS = Path(__file__).with_name("results")
BOOTS = 3
# A start goes on costing after it is ready, by what is compiled and merged then.
SETTLE_SECONDS = 60
IDLE_SECONDS = 60
WARM_UP_EVENTS = 100
EVENTS = 300
EVENTS_PER_SECOND = 20

THE_BENCH = "this bench itself"

Goals = Mapping[str, tuple[str, float]]
"""Unit, and what a figure should stay under, by its name."""
COMPARED = (
    "boot_seconds",
    "restart_seconds",
    "memory_gib",
    "idle_percent_of_a_core",
    "answered_p50_seconds",
    "searchable_p50_seconds",
    "searchable_p99_seconds",
)
"""Figures of which a ratio of two platforms says something."""


@dataclass(frozen=True)
class PlatformBench:
    """What is measured of a platform of these regions; its name is that of its results."""

    name: str
    regions: tuple[str, ...]
    goals: Goals

    def run(self, *, save: bool = False) -> dict[str, Any]:
        """Measures, prints, and answers the figures; `save` keeps them in `results/<name>.json`."""
        figures: dict[str, Any] = {
            "regions": list(self.regions),
            "machine": describe_machine(),
            "measured_at": datetime.now(UTC).isoformat(),
        }
        say(f"Regions {', '.join(self.regions)}, on {figures['machine']}")
        prepare()
        figures["boots_seconds"], figures["restarts_seconds"], platform = boots(self.regions)
        try:
            figures["boot_seconds"] = statistics.median(figures["boots_seconds"])
            figures["restart_seconds"] = statistics.median(figures["restarts_seconds"])
            time.sleep(SETTLE_SECONDS)
            figures |= costs(platform)
            figures |= latency(platform)
            figures["load_after"] = round(os.getloadavg()[0], 2)
        finally:
            discard(platform)
        report(figures, self.goals)
        if save:
            RESULTS.mkdir(exist_ok=True)
            target = RESULTS / f"{self.name}.json"
            target.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
            say(f"Kept in {target}")
        return figures


ONE_REGION = PlatformBench(
    "one_region",
    ("eu",),
    {
        "boot_seconds": ("s", 15.0),
        "memory_gib": ("GiB", 1.5),
        "searchable_p50_seconds": ("s", 0.3),
        "searchable_p99_seconds": ("s", 1.0),
    },
)
THREE_REGIONS = PlatformBench(
    "three_regions",
    ("eu", "us", "ap"),
    {
        "boot_seconds": ("s", 40.0),
        "memory_gib": ("GiB", 4.5),
        "idle_percent_of_a_core": ("%", 40.0),
        "searchable_p50_seconds": ("s", 0.3),
        "searchable_p99_seconds": ("s", 1.0),
    },
)


def prepare() -> None:
    """Downloads, unpacks and trains what a first start needs; that is not part of the boot time."""
    first = new_platform("bench")
    try:
        first.up("redis")
    finally:
        discard(first)


def boots(regions: Sequence[str]) -> tuple[list[float], list[float], Platform]:
    """Seconds of `frontrow up` on an empty folder, then again with its state; the last platform stays up."""
    fresh: list[float] = []
    again: list[float] = []
    while True:
        platform = new_platform("bench", regions)
        try:
            fresh.append(timed_up(platform))
            platform.down()
            again.append(timed_up(platform))
        except BaseException:
            discard(platform)
            raise
        say(f"  boot {len(fresh)} of {BOOTS}: {fresh[-1]:.1f} s, with state {again[-1]:.1f} s")
        if len(fresh) == BOOTS:
            return fresh, again, platform
        discard(platform)


def timed_up(platform: Platform) -> float:
    """Seconds until `frontrow up` says that everything is ready."""
    start = time.monotonic()
    platform.up()
    return time.monotonic() - start


def costs(platform: Platform) -> dict[str, Any]:
    """Memory, then CPU over a minute in which nothing is asked of the platform."""
    status = platform.status()
    meter = CpuMeter(status)
    time.sleep(IDLE_SECONDS)
    idle = meter.percent_of_a_core()
    memory = {name: memory_of(processes) for name, processes in families(status).items()}
    return {
        "components": {
            name: {
                "rss_mib": round(memory[name].rss / 2**20, 1),
                "pss_mib": round(memory[name].pss / 2**20, 1),
                "idle_percent_of_a_core": round(idle.get(name, 0.0), 2),
            }
            for name in memory
        },
        "memory_gib": round(sum(one.pss for one in memory.values()) / 2**30, 3),
        "memory_rss_gib": round(sum(one.rss for one in memory.values()) / 2**30, 3),
        "idle_percent_of_a_core": round(sum(idle.values()), 1),
    }


def latency(platform: Platform) -> dict[str, Any]:
    """Create to searchable in every region at 20 events a second, and what the components use meanwhile.

    A hundred events before them warm the just-in-time compilers. What is used counts the searches that
    `read_api` is asked at the end.
    """
    with closing(People(platform.gateway_url, platform.link_key)) as people:
        token = str(people.sign_up("host").client.headers["Authorization"]).removeprefix("Bearer ")
    where = Addresses(
        platform.gateway_url,
        [f"http://{platform.address('elasticsearch', one)}" for one in platform.regions],
        [f"http://{platform.address('read_api', one)}" for one in platform.regions],
    )
    asyncio.run(measure(where, token=token, count=WARM_UP_EVENTS, per_second=EVENTS_PER_SECOND))
    meter, own_start, start = CpuMeter(platform.status()), time.process_time(), time.monotonic()
    result = asyncio.run(measure(where, token=token, count=EVENTS, per_second=EVENTS_PER_SECOND))
    loaded = meter.percent_of_a_core()
    loaded[THE_BENCH] = 100 * (time.process_time() - own_start) / (time.monotonic() - start)
    answered, searchable = list(result.answered.values()), list(result.searchable.values())
    return {
        "events": EVENTS,
        "events_per_second": EVENTS_PER_SECOND,
        "looked_for": "by small queries of each region's Elasticsearch, through the alias that read_api has",
        "polls_per_event": round(result.polls / EVENTS, 1),
        "never_found": EVENTS - len(searchable),
        "not_found_by_read_api": len(result.not_found_by_read_api),
        "answered_p50_seconds": round(median(answered), 4),
        "answered_p99_seconds": round(percentile(answered, 0.99), 4),
        "searchable_p50_seconds": round(median(searchable), 4),
        "searchable_p99_seconds": round(percentile(searchable, 0.99), 4),
        "searchable_max_seconds": round(max(searchable), 4),
        "read_api_search_p50_seconds": round(median(result.searches), 4),
        "read_api_search_max_seconds": round(max(result.searches), 4),
        "load_percent_of_a_core": round(sum(loaded.values()), 1),
        "load_percent_of_a_core_by_component": {name: round(one, 2) for name, one in loaded.items()},
    }


def report(figures: Mapping[str, Any], goals: Goals) -> None:
    """Prints the figures with their goals beside them."""
    under_load = figures["load_percent_of_a_core_by_component"]
    say(f"\n{'':22}{'RSS MiB':>10}{'PSS MiB':>10}{'idle, % of a core':>20}{'creating events, %':>20}")
    for name, one in figures["components"].items():
        percents = f"{one['idle_percent_of_a_core']:>20}{under_load.get(name, 0.0):>20}"
        say(f"  {name:20}{one['rss_mib']:>10}{one['pss_mib']:>10}{percents}")
    say(f"  {THE_BENCH:20}{'':40}{under_load[THE_BENCH]:>20}")
    say(f"\n  {figures['events']} events, {figures['events_per_second']} a second, looked for")
    say(f"  {figures['looked_for']};")
    say("  one search of read_api takes what is told beside it, and is not part of searchable_*\n")
    for name in (
        "boot_seconds",
        "restart_seconds",
        "memory_gib",
        "memory_rss_gib",
        "idle_percent_of_a_core",
        "answered_p50_seconds",
        "answered_p99_seconds",
        "searchable_p50_seconds",
        "searchable_p99_seconds",
        "searchable_max_seconds",
        "read_api_search_p50_seconds",
        "read_api_search_max_seconds",
        "load_percent_of_a_core",
        "never_found",
        "not_found_by_read_api",
    ):
        unit, goal = goals.get(name, ("", None))
        beside = (
            ""
            if goal is None
            else f"goal: under {goal} {unit}, {'met' if figures[name] < goal else 'NOT met'}"
        )
        say(f"  {name:28}{round(figures[name], 3):>10}   {beside}".rstrip())


def report_ratios(few: Mapping[str, Any], many: Mapping[str, Any]) -> None:
    """Prints what more regions cost: figures of two platforms of one run side by side, and their ratio."""
    say(f"\n{'':28}{len(few['regions']):>9}{len(many['regions']):>9} regions   ratio")
    for name in COMPARED:
        ratio = f"{many[name] / few[name]:.2f}" if few[name] else "-"
        say(f"  {name:26}{few[name]:>9.3f}{many[name]:>9.3f}{ratio:>16}")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

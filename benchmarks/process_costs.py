"""Memory and CPU of a running platform, by component, each with all of its processes, in all regions."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

Family = Sequence[psutil.Process]
"""A component of one region: its process, and then all that this has started."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a component. RSS counts shared memory once a process; PSS by shares, so it can be added up."""

    rss: int
    pss: int


def families(status: dict[str, Any]) -> dict[str, list[Family]]:
    """The processes of each running component by its name, a family for each region that has it.

    `status` is what `frontrow status --json` says.
    """
    found: dict[str, list[Family]] = {}
    for component in status["components"]:
        if component["pid"]:
            process = psutil.Process(component["pid"])
            found.setdefault(component["name"], []).append([process, *process.children(recursive=True)])
    return found


def memory_of(component: Sequence[Family]) -> Memory:
    rss = pss = 0
    for process in (one for family in component for one in family):
        try:
            whole = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue  # a database session that has just ended
        rss, pss = rss + whole.rss, pss + whole.pss
    return Memory(rss, pss)


class CpuMeter:
    """What each component uses in all regions together, from when it is made on."""

    def __init__(self, status: dict[str, Any]) -> None:
        self._status = status
        self._before = _cpu_seconds_by_name(families(status))
        self._start = time.monotonic()

    def percent_of_a_core(self) -> dict[str, float]:
        """By component, on average since the start."""
        after, elapsed = _cpu_seconds_by_name(families(self._status)), time.monotonic() - self._start
        return {
            name: max(0.0, 100 * (after[name] - before) / elapsed)
            for name, before in self._before.items()
            if name in after
        }


def _cpu_seconds_by_name(components: Mapping[str, Sequence[Family]]) -> dict[str, float]:
    return {name: sum(map(cpu_seconds, component)) for name, component in components.items()}


def cpu_seconds(family: Family) -> float:
    """User and system time; of sessions that have ended, what their parent was told."""
    total = 0.0
    for position, process in enumerate(family):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if position == 0:
            total += times.children_user + times.children_system
    return total

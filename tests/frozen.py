"""Processes that are stopped for a while: they are there, and do nothing."""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from regions.local.tracking import RunFile
from tests.conftest import REGION, Platform


def family_of(platform: Platform, component: str, region: str = REGION) -> list[psutil.Process]:
    """A component's processes, by its run file: `frontrow status` asks everybody, which may take seconds."""
    family = RunFile(platform.home / "run" / f"{region}.{component}.json").family()
    assert family, f"{region} {component} does not run"
    return family


@contextmanager
def frozen(processes: list[psutil.Process]) -> Iterator[None]:
    """SIGSTOP while the block runs: connections stand, the kernel takes new ones, and nothing answers."""
    try:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

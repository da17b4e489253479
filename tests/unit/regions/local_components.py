"""Components for tests: real processes that need nothing of a platform but its folders."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

from rich.console import Console

from regions.catalogue import Address
from regions.local.account import Account
from regions.local.component import Component, Site
from regions.local.layout import Layout
from regions.local.reporting import Progress


class SiteOfFolders:
    """As much of a site as starting and stopping asks for."""

    region = "eu"
    regions = ("eu",)
    account = Account("me", os.geteuid(), os.getegid(), is_other=False)

    def __init__(self, home: Path) -> None:
        self.layout = Layout(home, home / "cache")
        self.layout.make_folders()


class Sleeper(Component):
    """A process that sleeps, and is ready whenever the test says so."""

    runs_as_engine = False
    stop_seconds = 1.0
    start_seconds = 2.0
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, name: str, fault: Callable[[], str | None] = lambda: None) -> None:
        super().__init__(cast("Site", SiteOfFolders(home)))
        self.name = name  # type: ignore[misc]  # a class variable elsewhere; tests want many of one class
        self.fault = fault
        self.finished_count = 0

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", 1)

    def version(self) -> str:
        return ""

    def prepare(self, run_step: object) -> None:
        self.make_state_folder()

    def command(self) -> Sequence[str]:
        return ["sleep", "60"]

    def environment(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"]}

    def not_ready_because(self) -> str | None:
        return self.fault()

    def finish(self) -> None:
        self.finished_count += 1


def progress(console: Console | None = None) -> Progress:
    return Progress(console or Console(quiet=True), show_region=False)

"""Tells a person what starts and stops: a line for each component that is ready, failed or stopped.

On a terminal, the last lines also say what each region is waiting for.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from regions.local.component import Component, Key

_SYMBOLS = {
    "ready": ("✓", "green"),
    "failed": ("✗", "red"),
    "stopped": ("✓", "green"),
    "killed": ("!", "yellow"),
    "hung": ("!", "yellow"),
}


_NAME_WIDTH = 16  # of "eu elasticsearch"


@dataclass
class _Pending:
    """A component that is on its way: what is being done to it, and since when (monotonic)."""

    state: str
    began: float = field(default_factory=time.monotonic)


class Progress:
    """Shows what becomes of each component. Safe to call from several threads."""

    def __init__(self, console: Console, show_region: bool) -> None:
        self._console = console
        self._show_region = show_region
        self._pending: dict[Key, _Pending] = {}
        self._lock = threading.Lock()
        self._began = time.monotonic()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show progress while the block runs."""
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True):
            yield

    def preparing(self, component: Component) -> None:
        """Its state and configuration are being made."""
        self._wait_for(component, "preparing")

    def starting(self, component: Component) -> None:
        """Its process has been started."""
        self._wait_for(component, "starting")

    def ready(self, component: Component, seconds: float) -> None:
        """It serves; it took so long since its dependencies were ready."""
        self._settle(component, "ready", f"{component.address}, {seconds:.1f} s")

    def already_running(self, component: Component) -> None:
        """It served before we came."""
        self._settle(component, "ready", f"{component.address}, was running")

    def restarting(self, component: Component, reason: str) -> None:
        """It ran before and does not serve: it is stopped and started anew."""
        self._settle(component, "hung", f"{reason}; it ran before, and is stopped and started anew")

    def failed(self, component: Component, reason: str) -> None:
        """It will not serve."""
        self._settle(component, "failed", reason)

    def cancelled(self, component: Component) -> None:
        """It was not started, or not waited for, because of something else."""
        with self._lock:
            self._pending.pop(component.key, None)

    def stopping(self, component: Component) -> None:
        """It was asked to end."""
        self._wait_for(component, "stopping")

    def stopped(self, component: Component, polite: bool) -> None:
        """It has ended, by itself or killed."""
        self._settle(component, "stopped" if polite else "killed", "" if polite else "had to be killed")

    def _wait_for(self, component: Component, state: str) -> None:
        with self._lock:
            self._pending[component.key] = _Pending(state)

    def _settle(self, component: Component, state: str, detail: str) -> None:
        symbol, style = _SYMBOLS[state]
        name = f"{component.site.region} {component.name}" if self._show_region else component.name
        with self._lock:
            self._pending.pop(component.key, None)
            elapsed = time.monotonic() - self._began
            line = Text.assemble(
                (symbol, style), f" {elapsed:5.1f} s  {name:<{_NAME_WIDTH}} ", (f"{state:<8}", style), detail
            )
            line.rstrip()
            self._console.print(line, highlight=False)

    def _render(self) -> RenderableType:
        """One line for each state and region: what is on its way there, and since when the first is."""
        now = time.monotonic()
        with self._lock:
            pending = [(key, one.state, now - one.began) for key, one in self._pending.items()]
        groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
        for (region, name), state, seconds in pending:
            groups.setdefault((region if self._show_region else "", state), []).append((name, seconds))
        table = Table.grid(padding=(0, 1))
        for (region, state), found in groups.items():
            names = " ".join(name for name, _ in found)
            longest = max(seconds for _, seconds in found)
            words = f"{region} {state} {names}".lstrip()
            table.add_row(Spinner("dots"), Text(words, style="cyan"), f"{longest:.0f} s")
        return table

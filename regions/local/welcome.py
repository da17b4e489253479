"""What a person gets after the platform has started: events to find, and lines to paste."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from regions.catalogue import Address
from regions.local.assembly import Platform
from regions.local.layout import CHECKOUT

_DEMO_SECONDS = 300
PROGRAM = CHECKOUT / ".venv" / "bin" / "frontrow"

_TEXT = Path(__file__).with_name("welcome.txt")
_SEVERAL = Path(__file__).with_name("welcome_several.txt")
"""What only several regions can do."""


def demo_events(platform: Platform, console: Console) -> None:
    """Load the demo events, unless this platform has them. A failure is told, and is not fatal."""
    marker = platform.layout.demo_marker
    if marker.exists():
        return
    console.print("Loading demo events.")
    command = [sys.executable, "-m", "cli", "demo", "--url", f"http://{platform.catalogue.front_door}"]
    try:
        done = subprocess.run(command, cwd=CHECKOUT, timeout=_DEMO_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        console.print(f"The demo events were not loaded within {_DEMO_SECONDS} s; `make demo` tries again.")
        return
    if done.returncode == 0:
        marker.touch()
    else:
        console.print("The demo events could not be loaded; `make demo` tries again.")


def welcome(front_door: Address, inbox: Address, regions: Sequence[str]) -> str:
    """Return the addresses and lines to paste."""
    text = _TEXT.read_text(encoding="utf-8")
    if len(regions) > 1:
        text = text.rstrip() + "\n" + _SEVERAL.read_text(encoding="utf-8").replace("{region}", regions[1])
    text = text.rstrip().replace("{url}", f"http://{front_door}").replace("{inbox}", f"http://{inbox}")
    return text.replace("{program}", str(PROGRAM))

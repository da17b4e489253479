"""How figures are printed and kept, alike for all benchmarks."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import describe_machine

RESULTS = Path(__file__).with_name("results")


def describe_run() -> dict[str, Any]:
    """Where and when; printed, and the beginning of the figures."""
    figures = {"machine": describe_machine(), "measured_at": datetime.now(UTC).isoformat()}
    say(f"  on {figures['machine']}")
    return figures


def goal_line(name: str, figure: float, at_least: float) -> str:
    """A line that says whether a ratio is what is asked of it."""
    met = "met" if figure >= at_least else "NOT met"
    return f"  {name:36}{figure:>10}   goal: at least {at_least}, {met}"


def limit_line(name: str, figure: float, at_most: float) -> str:
    """A line that says whether a figure stays within what is asked of it."""
    met = "met" if figure <= at_most else "NOT met"
    return f"  {name:36}{figure:>10}   goal: at most {at_most:g}, {met}"


def keep(name: str, figures: Mapping[str, Any]) -> None:
    """Writes them to `results/<name>.json`."""
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{name}.json"
    target.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    say(f"Kept in {target}")


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()

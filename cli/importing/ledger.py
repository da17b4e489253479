"""The ledger of an import: counts, refused lines as they come, and progress for whoever watches."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

MAX_LISTED_REFUSALS = 1000
PLAIN_LINE_SECONDS = 5.0


class ImportLedger:
    """Counts what became of the lines; each refused one is given to `write_refusal` at once."""

    def __init__(
        self, write_refusal: Callable[[str], object], on_change: Callable[[], None] = lambda: None
    ) -> None:
        self.checked_count = 0
        self.created_count = 0
        self.existing_count = 0
        self.refused_count = 0
        self.on_change = on_change
        self._write_refusal = write_refusal
        self._listed: list[dict[str, Any]] = []

    @property
    def lines(self) -> int:
        """How many lines have an outcome."""
        return self.checked_count + self.created_count + self.existing_count + self.refused_count

    def checked(self) -> None:
        """A line of a dry run is an event that could be sent."""
        self.checked_count += 1
        self.on_change()

    def created(self, line: int) -> None:  # noqa: ARG002 - the others need it
        """A new event was made."""
        self.created_count += 1
        self.on_change()

    def existing(self, line: int) -> None:  # noqa: ARG002
        """The event was there already."""
        self.existing_count += 1
        self.on_change()

    def refused(self, line: int, reason: str) -> None:
        """The line is no event, or the API refused it; written at once: an interruption loses none."""
        self.refused_count += 1
        if len(self._listed) < MAX_LISTED_REFUSALS:
            self._listed.append({"line": line, "reason": reason})
        self._write_refusal(f"line {line}: {reason}\n")
        self.on_change()

    def as_json(self, *, seconds: float, complete: bool) -> str:
        """The summary for machines; at most the first 1,000 refusals are listed, all are counted."""
        return json.dumps(
            {
                "complete": complete,
                "lines": self.lines,
                "checked": self.checked_count,
                "created": self.created_count,
                "existing": self.existing_count,
                "refused": self.refused_count,
                "seconds": round(seconds, 3),
                "refusals": sorted(self._listed, key=lambda refusal: int(refusal["line"])),
            },
            ensure_ascii=False,
        )

    def in_words(self, *, seconds: float) -> str:
        """The summary for people."""
        made = f"{self.created_count} created, {self.existing_count} already there"
        if self.checked_count:
            made = f"{self.checked_count} can be sent (a dry run: nothing was)"
        return f"{self.lines} lines in {seconds:.1f} s: {made}, {self.refused_count} refused"


@contextmanager
def progress(
    ledger: ImportLedger, console: Console, *, total_bytes: int | None, position: Callable[[], int]
) -> Iterator[None]:
    """Shows how far the file is read: a bar on a terminal, a plain line every 5 s elsewhere."""
    if not console.is_terminal:
        last = time.monotonic()

        def say() -> None:
            nonlocal last
            if time.monotonic() - last >= PLAIN_LINE_SECONDS:
                last = time.monotonic()
                console.print(f"{ledger.lines} lines done", highlight=False)

        ledger.on_change = say
        yield
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[lines]} lines"),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Importing", total=total_bytes, lines=0)
        ledger.on_change = lambda: bar.update(task, completed=position(), lines=ledger.lines)
        yield

"""`python -m benchmarks bookings [--only NAME] [--save]`: all ratios, in one run, on one stand."""

import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.bookings import measurements, mixture
from benchmarks.bookings.stand import Stand, running_stand
from benchmarks.figures import describe_run, keep, say

NAME = "bookings"
LAST_FRAMES = 4
ENDED_BY_SIGTERM = 128 + signal.SIGTERM
MEASUREMENTS: Mapping[str, tuple[str, Callable[[Stand], dict[str, Any]]]] = {
    "textbook": ("Against SELECT ... FOR UPDATE", measurements.against_textbook),
    "one_statement": ("Against the best single statement", measurements.against_one_statement),
    "bound": ("Against the machine's bound", measurements.against_the_bound),
    "sold_out": ("Sold out", measurements.sold_out),
    "event_size": ("Large and small events", measurements.by_event_size),
    "distance": ("Over a distance", measurements.over_distance),
    "open_loop": ("In open loop, far away", measurements.in_open_loop),
    # The last: what it leaves behind expires, is offered again and mailed about for a while.
    "mixture": ("With all else that happens, far away", mixture.with_all_else),
}


def run(*, save: bool = False, only: str | None = None) -> dict[str, Any]:
    """Measures, prints, and answers the figures; `save` keeps them where all were measured."""
    say("Bookings of one hot event over HTTP: fsync, and a quorum of ANY 1 of two standbys, for all")
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED_BY_SIGTERM))  # everything that runs is ended
    figures = describe_run()
    with running_stand() as stand:
        say(f"  the stand is up after {time.monotonic() - began:.0f} s")
        for name, (title, measure) in MEASUREMENTS.items():
            if only not in {None, name}:
                continue
            say(f"{title} ({name}), after {time.monotonic() - began:.0f} s")
            try:
                figures[name] = measure(stand)
            except Exception as error:  # noqa: BLE001 - one that fails leaves the others their turn
                say(f"  not measured: {type(error).__name__}: {error}")
                say("".join(traceback.format_exception(error)[-LAST_FRAMES:]))
                figures[name] = {"failed": f"{type(error).__name__}: {error}"}
    say(f"  all of it took {time.monotonic() - began:.0f} s")
    if save and only is None:
        keep(NAME, figures)
    return figures

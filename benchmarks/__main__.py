"""`python -m benchmarks [NAME ...] [--save]`: runs the named benchmarks, or all of them."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks import gateway_bench, storage, token_checks
from benchmarks.bookings import bench as bookings_bench
from benchmarks.platform_bench import ONE_REGION, THREE_REGIONS, report_ratios

BENCHMARKS = {
    token_checks.NAME: token_checks.run,
    gateway_bench.NAME: gateway_bench.run,
    bookings_bench.NAME: bookings_bench.run,
    storage.NAME: storage.run,
    **{one.name: one.run for one in (ONE_REGION, THREE_REGIONS)},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--save", action="store_true", help="keep the figures in benchmarks/results/")
    parser.add_argument(
        "--only", choices=bookings_bench.MEASUREMENTS, help="of the bookings, this measurement alone"
    )
    options = parser.parse_args()
    benchmarks: dict[str, Callable[..., dict[str, Any]]] = {
        **BENCHMARKS,
        bookings_bench.NAME: partial(bookings_bench.run, only=options.only),
    }
    found = {name: benchmarks[name](save=options.save) for name in options.names or benchmarks}
    if {ONE_REGION.name, THREE_REGIONS.name} <= set(found):
        report_ratios(found[ONE_REGION.name], found[THREE_REGIONS.name])


if __name__ == "__main__":
    main()

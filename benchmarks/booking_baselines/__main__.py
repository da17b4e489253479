"""Runs a baseline as a process: `python -m benchmarks.booking_baselines NAME`, settings as write_api's."""

import sys
from collections.abc import Callable
from functools import partial

from fastapi import FastAPI

from benchmarks.booking_baselines.null import create_null
from benchmarks.booking_baselines.one_transaction import DESIGNS, create_app
from service_kit.server import run_process
from write_api.settings import WriteApiSettings

BASELINES: dict[str, Callable[[WriteApiSettings], FastAPI]] = {
    **{name: partial(create_app, design) for name, design in DESIGNS.items()},
    "null": create_null,
}

if __name__ == "__main__":
    run_process(sys.argv[1], WriteApiSettings, BASELINES[sys.argv[1]])

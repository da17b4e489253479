"""Runs a baseline as a process: `python -m benchmarks.booking_baselines NAME`, settings as write_api's."""

import sys

from benchmarks.booking_baselines import null, one_transaction
from service_kit.server import run_process
from write_api.settings import WriteApiSettings

BASELINES = {
    "textbook": one_transaction.create_textbook,
    "single_statement": one_transaction.create_single_statement,
    "skip_locked": one_transaction.create_skip_locked,
    "null": null.create_null,
}

if __name__ == "__main__":
    run_process(sys.argv[1], WriteApiSettings, BASELINES[sys.argv[1]])

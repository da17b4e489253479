"""Runs write_api as a process: `python -m write_api`, with settings from the environment."""

from service_kit.server import run_process
from write_api.app import PROCESS, create_app
from write_api.settings import WriteApiSettings

if __name__ == "__main__":
    run_process(PROCESS, WriteApiSettings, create_app)

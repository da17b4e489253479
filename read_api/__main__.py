"""Runs read_api as a process: `python -m read_api`, with settings from the environment."""

from read_api.app import PROCESS, create_app
from read_api.settings import ReadApiSettings
from service_kit.server import run_process

if __name__ == "__main__":
    run_process(PROCESS, ReadApiSettings, create_app)

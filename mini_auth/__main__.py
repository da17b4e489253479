"""Runs mini_auth as a process: `python -m mini_auth`, with settings from the environment."""

from mini_auth.app import PROCESS, create_app
from mini_auth.settings import MiniAuthSettings
from service_kit.server import run_process

if __name__ == "__main__":
    run_process(PROCESS, MiniAuthSettings, create_app)

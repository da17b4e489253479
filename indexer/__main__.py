"""Runs the indexer as a process: `python -m indexer`, with settings from the environment."""

from indexer.app import PROCESS, create_app
from indexer.settings import IndexerSettings
from service_kit.server import run_process

if __name__ == "__main__":
    run_process(PROCESS, IndexerSettings, create_app)

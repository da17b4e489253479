import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from tests.conftest import CHECKOUT, Platform
from tests.people import PASSWORD, People, Person

IMPORT_SECONDS = 240


@dataclass(frozen=True)
class Importer:
    """`frontrow import` as a host of the test's own, so that counts are this test's alone."""

    platform: Platform
    host: Person

    def command(self, *arguments: str) -> list[str]:
        address = ["--url", self.platform.gateway_url, "--email", self.host.email]
        return [sys.executable, "-m", "cli", "import", *arguments, *address, "--json"]

    @property
    def environment(self) -> dict[str, str]:
        return {**self.platform.environment, "FRONTROW_PASSWORD": PASSWORD}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Exit code, summary, and what was written to stderr."""
        running = self.start(*arguments)
        stdout, stderr = running.communicate(timeout=IMPORT_SECONDS)
        return running.returncode, json.loads(stdout or "{}"), stderr

    def counts(self) -> tuple[int, int]:
        """How many events this host has, and how many different names of imported lines they carry."""
        with psycopg.connect(self.platform.database_url("postgres", "main")) as connection:
            row = connection.execute(
                "SELECT count(*), count(DISTINCT import_reference) FROM events"
                " WHERE host_id = (SELECT id FROM people WHERE email = %s)",
                (self.host.email,),
            ).fetchone()
        assert row is not None
        return row[0], row[1]


def outcomes(summary: dict[str, Any], *names: str) -> Sequence[int]:
    """The counts of a summary by name."""
    return [summary[name] for name in names]


@contextmanager
def importer_with(platform: Platform, *roles: str) -> Iterator[Importer]:
    """An importer of a new account with these roles."""
    with closing(People(platform.gateway_url, platform.link_key)) as people:
        yield Importer(platform, people.sign_up(*roles))


@pytest.fixture
def importer(platform: Platform) -> Iterator[Importer]:
    with importer_with(platform, "customer", "host") as one:
        yield one

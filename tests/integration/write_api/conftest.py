"""write_api in process, against a PostgreSQL of the tests' own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service_kit.problem_responses import Problem
from tests.inbox import InboxProcess, running_inbox
from tests.integration.write_api.application import (
    Application,
    Database,
    eventually,
    running_application,
)
from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[ScratchPostgresql]:
    """The server that all tests of write_api share; none of them stops it."""
    with scratch_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
async def application(
    postgresql: ScratchPostgresql, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Application]:
    """write_api as it is in production, but for cheap password hashes; shared by tests that need no other."""
    async with running_application(Database(postgresql), tmp_path_factory.mktemp("write_api")) as running:
        yield running


@pytest.fixture(scope="session")
def inbox() -> Iterator[InboxProcess]:
    """A mail server that shows what it was given; none of its users stops it."""
    with running_inbox() as running:
        yield running


@pytest.fixture
async def fresh_knowledge(application: Application) -> None:
    """Sensitive requests are answered: a moment after the start, the first heartbeat was confirmed."""

    async def is_fresh() -> bool:
        try:
            application.app.state.callers.require_fresh_knowledge()
        except Problem:
            return False
        return True

    await eventually("the knowledge of revocations is fresh", is_fresh)


@pytest.fixture
def database(postgresql: ScratchPostgresql) -> Database:
    """A migrated database that nothing runs on yet."""
    return Database(postgresql)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder for the state of an application that the test starts itself."""
    return tmp_path

from collections.abc import Iterator

import pytest

from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[ScratchPostgresql]:
    """A PostgreSQL shared by these tests; a test that stops it starts it again."""
    with scratch_postgresql() as server:
        yield server

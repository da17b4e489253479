"""A gateway for the tests of a file; a file that needs another one has a `running` of its own."""

from collections.abc import Iterator

import pytest

from tests.integration.gateway.edge import Gateway, running_gateway


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway) -> Gateway:
    """As if nothing had been asked of it yet."""
    return running.afresh()

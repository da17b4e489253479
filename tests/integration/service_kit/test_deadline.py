"""A server that keeps silent is given up, whatever it was told about timeouts."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from service_kit.deadline import cut_off_after
from tests.scratch_postgresql import ScratchPostgresql, scratch_postgresql


@pytest.fixture(scope="module")
def server() -> Iterator[ScratchPostgresql]:
    with scratch_postgresql() as running:
        yield running


@pytest.fixture
def connection(server: ScratchPostgresql) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.url("postgres", "postgres"), autocommit=True) as connected:
        yield connected


def test_what_takes_longer_is_cut_off(connection: psycopg.Connection[Any]) -> None:
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError), cut_off_after(connection, 0.3):
        connection.execute("SELECT pg_sleep(20)")
    assert 0.3 <= time.monotonic() - began < 5
    assert connection.closed


def test_what_is_done_in_time_is_left_alone(connection: psycopg.Connection[Any]) -> None:
    for _ in range(3):
        with cut_off_after(connection, 0.3):
            connection.execute("SELECT 1")
        connection.execute("SELECT pg_sleep(0.4)")
    assert connection.execute("SELECT 2").fetchone() == (2,)

"""What a local user without any of the platform's secrets can and can't learn, and a role beyond its own."""

import json

import httpx
import psycopg
import pytest

from contracts.names import CAPTURE_ROLE, CONNECTOR, READ_ROLE
from tests.conftest import Platform
from tests.people import wait_for


def secrets_of(platform: Platform) -> list[str]:
    stored = json.loads((platform.home / "secrets.json").read_text("utf-8"))
    return [*stored.pop("passwords").values(), *stored.values()]


def test_the_connectors_configuration_is_open_to_all_and_holds_no_password(platform: Platform) -> None:
    url = f"http://{platform.address('connect')}/connectors/{CONNECTOR}"
    configuration = wait_for(
        "the connector", lambda: (r := httpx.get(url, timeout=10)).is_success and r.json()
    )
    assert configuration["config"]["database.password"].startswith("${file:")
    assert not any(secret in json.dumps(configuration) for secret in secrets_of(platform))


@pytest.mark.parametrize("node", ["main", "reader"])
def test_the_capturing_role_can_not_copy_the_cluster(platform: Platform, node: str) -> None:
    url = platform.database_url(CAPTURE_ROLE, node)
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry for replication connection"):
        psycopg.connect(url, replication="true", connect_timeout=5)


@pytest.mark.parametrize(
    ("role", "table"),
    [
        *((READ_ROLE, table) for table in ("people", "signing_keys", "bookings", "events")),
        *((CAPTURE_ROLE, table) for table in ("people", "signing_keys", "bookings", "seats")),
    ],
)
def test_reading_roles_read_what_is_theirs_alone(platform: Platform, role: str, table: str) -> None:
    url = platform.database_url(role, "reader")
    with (
        psycopg.connect(url, connect_timeout=5) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(f"SELECT 1 FROM {table}")


def test_no_log_holds_a_secret(platform: Platform) -> None:
    logs = [path for path in platform.home.rglob("*.log*") if path.is_file()]
    assert logs
    for log in logs:
        text = log.read_text("utf-8", errors="replace")
        assert not any(secret in text for secret in secrets_of(platform)), log.name

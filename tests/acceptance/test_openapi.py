"""schemathesis attacks both APIs as their OpenAPI describes them: no 5xx, no answer out of schema."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Platform
from tests.people import People
from tests.soak import sized

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ("read", []),
        # Whoever logs out has no token for the rest.
        ("write", ["--exclude-path-regex", "logout"]),
        ("write", ["--include-path-regex", "logout"]),
    ],
)
def test_generated_requests_find_no_failure(
    platform: Platform, people: People, document: str, paths: list[str]
) -> None:
    person = people.sign_up("customer", "host")
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{platform.gateway_url}/openapi/{document}.json",
            "--url",
            platform.gateway_url,
            "--header",
            f"Authorization: {person.client.headers['Authorization']}",
            *paths,
            "--checks",
            ",".join(CHECKS),
            "--max-examples",
            str(sized(20, 200)),
            "--request-timeout",
            "20",
            "--suppress-health-check",
            "all",
            "--seed",
            "1",
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]

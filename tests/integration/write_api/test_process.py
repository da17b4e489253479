"""`python -m write_api` as it runs in production, and its OpenAPI document put to the test."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.write_api.application import (
    CONSISTENCY_KEY,
    LINK_KEY,
    SEALING_KEY,
    Application,
    Database,
)
from tests.people import DEADLINE_SECONDS, PASSWORD, People, wait_for

CHECKOUT = Path(__file__).parents[3]
EXAMPLES = "25"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,ignored_auth"
)


class Process:
    """A process of write_api and what it logged; `more` are settings, without their prefix."""

    def __init__(self, database: Database, folder: Path, *, address: str | None = None, **more: str) -> None:
        address = address or free_address()
        self.url = f"http://{address}"
        self.log = folder / "write_api.log"
        settings = {
            "REGION": "eu",
            "LISTEN": address,
            "MAIN_DATABASE": database.url("frontrow_write"),
            "READER_DATABASE": database.url("frontrow_read"),
            "KEY_SEALING_KEY": SEALING_KEY,
            "CONSISTENCY_KEY": CONSISTENCY_KEY,
            "LINK_KEY": LINK_KEY,
            "STATE_DIRECTORY": str(folder),
            **more,
        }
        environment = {f"FRONTROW_{name}": value for name, value in settings.items()}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "write_api"],
                cwd=CHECKOUT,
                env={"PATH": os.environ["PATH"], **environment},
                stderr=log,
                stdout=log,
            )

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text("utf-8")
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2).status_code == 200
        except httpx.TransportError:
            return False

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


def free_address() -> str:
    """Where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@contextmanager
def running(database: Database, folder: Path) -> Iterator[Process]:
    one = Process(database, folder)
    try:
        wait_for("write_api is ready", one.is_ready)
        yield one
    finally:
        one.process.kill()
        one.process.wait(timeout=30)


@pytest.fixture(scope="module")
def process(application: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A second writer beside the application in process, on the same database."""
    with running(application.database, tmp_path_factory.mktemp("process")) as one:
        yield one


def test_the_process_serves_a_booking_and_logs_json(process: Process) -> None:
    with closing(People(process.url, LINK_KEY)) as people:
        person = people.sign_up("host", "customer")
        event = person.create_event()
        assert person.book(event["id"]).status_code == 201
    lines = process.lines()
    assert lines
    assert all(line["process"] == "write_api" and line["region"] == "eu" for line in lines)
    assert SEALING_KEY not in process.log.read_text("utf-8")


async def test_50_requests_with_one_key_at_two_writers_are_one_booking(
    process: Process, application: Application
) -> None:
    """One writer is in this process, the other is not."""
    event = await (await application.sign_up("host")).created(available_seats=100)
    person = await application.sign_up()
    wish = {"event_id": event["id"], "quantity": 2}
    headers = {"Authorization": person.client.headers["Authorization"], "Idempotency-Key": "double-click"}
    async with httpx.AsyncClient(base_url=process.url, timeout=DEADLINE_SECONDS) as other:
        answers = await asyncio.gather(
            *(
                (person.client, other)[number % 2].post("/api/v1/bookings", json=wish, headers=headers)
                for number in range(50)
            )
        )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    made = "SELECT id FROM bookings WHERE event_id = %s"
    assert application.database.rows(made, event["id"]) == [{"id": answers[0].json()["id"]}]
    assert application.database.faults(event["id"]) == {}


def test_it_ends_cleanly_within_five_seconds(database: Database, tmp_path: Path) -> None:
    with running(database, tmp_path) as one:
        began = time.monotonic()
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(timeout=30) in {0, -signal.SIGTERM}
        assert time.monotonic() - began < 5
        assert not [line for line in one.lines() if line["level"] in {"error", "critical"}]


def test_without_settings_it_says_which_are_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "write_api"],
        cwd=CHECKOUT,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "FRONTROW_MAIN_DATABASE: Field required" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("role", "paths"), [
    ("host", ("--exclude-path-regex", "logout|/admin/")), ("superadmin", ("--include-path-regex", "/admin/")),
])  # fmt: skip
def test_schemathesis_finds_no_answer_that_the_document_does_not_promise(
    process: Process, application: Any, tmp_path: Path, role: str, paths: tuple[str, str]
) -> None:
    with closing(People(process.url, LINK_KEY)) as people:
        person = people.sign_up("host", "customer")
        person.create_event()
    granted = "UPDATE people SET roles = roles || %s::text WHERE email = %s"
    application.database.rows(granted, role, person.email)
    account = {"email": person.email, "password": PASSWORD}
    token = httpx.post(f"{process.url}/api/v1/login", json=account).raise_for_status().json()["access_token"]
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "schemathesis", "run", f"{process.url}/openapi/write.json"),
            *("-H", f"Authorization: Bearer {token}"),
            *("--checks", CHECKS, "--max-examples", EXAMPLES, "--generation-database", "none"),
            *("--continue-on-failure", "--no-color", *paths),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    errors = [line for line in process.lines() if line["level"] in {"error", "critical"}]
    assert errors == []


def test_the_document_promises_problems_and_no_validation_errors_of_the_framework(process: Process) -> None:
    document = httpx.get(f"{process.url}/openapi/write.json").raise_for_status().json()
    assert "HTTPValidationError" not in json.dumps(document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            stati = set(operation["responses"])
            assert stati >= {"422", "503"}, (method, path)
            if "requestBody" in operation:
                assert stati >= {"400", "413", "415"}, (method, path)
            refusals = [answer for status, answer in operation["responses"].items() if int(status) >= 400]
            assert all("application/problem+json" in refusal["content"] for refusal in refusals)

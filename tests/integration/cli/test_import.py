"""`frontrow import` against a whole region: everything once, whatever happens in between."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from cli.demo_events.generator import demo_events
from tests.conftest import CHECKOUT, Platform
from tests.integration.cli.conftest import Importer, importer_with, outcomes
from tests.people import Person, unique, wait_for
from tests.search_index import elasticsearch_of, wait_until_exact

pytestmark = pytest.mark.leaves_many_events
CONFERENCES = CHECKOUT.parent / "shared/data/conferences.jsonl"
CONFERENCE_COUNT = 5425


def event_lines(count: int) -> list[bytes]:
    """Lines of events that no other test has, without references of their own."""
    word, today = unique("import"), datetime.now(UTC).date()
    events = list(demo_events(seed=7, count=count, today=today))
    for number, event in enumerate(events):
        del event["import_reference"]
        event["name"] = f"{word} {number}"
    return [json.dumps(event).encode() + b"\n" for event in events]


def write(folder: Path, *lines: bytes) -> str:
    file = folder / "events.jsonl"
    file.write_bytes(b"".join(lines))
    return str(file)


@contextmanager
def trickle(folder: Path, importer: Importer) -> Iterator[tuple[BinaryIO, Any]]:
    """An importer that reads from a pipe, so that the test decides how far it has come."""
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    running = importer.start(str(pipe))
    try:
        with pipe.open("wb") as lines:
            yield lines, running
    finally:
        running.kill()
        running.communicate()


@pytest.mark.skipif(
    not CONFERENCES.exists(), reason="../shared/data/conferences.jsonl is not on this machine"
)
def test_all_real_conferences_are_imported_and_a_second_run_makes_none(
    platform: Platform, importer: Importer
) -> None:
    code, summary, stderr = importer.run(str(CONFERENCES))
    assert code == 0, stderr
    assert outcomes(summary, "lines", "created", "existing", "refused") == [
        CONFERENCE_COUNT,
        CONFERENCE_COUNT,
        0,
        0,
    ]
    assert importer.counts() == (CONFERENCE_COUNT, CONFERENCE_COUNT)
    with elasticsearch_of(platform) as elasticsearch:
        wait_until_exact(
            platform, elasticsearch
        )  # the index has PostgreSQL's ids and fields, no more, no less
    code, summary, _ = importer.run(str(CONFERENCES))
    assert code == 0
    assert outcomes(summary, "created", "existing", "refused") == [0, CONFERENCE_COUNT, 0]
    assert importer.counts() == (CONFERENCE_COUNT, CONFERENCE_COUNT)


def test_an_importer_killed_midway_is_run_again_and_nothing_is_there_twice(
    importer: Importer, tmp_path: Path
) -> None:
    lines = event_lines(900)
    with trickle(tmp_path, importer) as (pipe, running):
        pipe.write(b"".join(lines[:500]))
        pipe.flush()
        wait_for("some events are in", lambda: importer.counts()[0] > 0)
        running.kill()
        running.wait(timeout=30)
    there = importer.counts()[0]
    assert 0 < there < 900
    code, summary, _ = importer.run(write(tmp_path, *lines))
    assert code == 0
    # A request that was under way at the kill may have been carried out after the count.
    assert summary["existing"] >= there
    assert summary["created"] + summary["existing"] == 900
    assert importer.counts() == (900, 900)


def test_an_importer_waits_for_a_server_that_was_killed(
    platform: Platform, importer: Importer, tmp_path: Path
) -> None:
    lines = event_lines(900)
    with trickle(tmp_path, importer) as (pipe, running):
        pipe.write(b"".join(lines[:450]))
        pipe.flush()
        wait_for("some events are in", lambda: importer.counts()[0] > 0)
        platform.kill("write_api")
        pipe.write(b"".join(lines[450:]))
        pipe.close()
        platform.up("write_api")
        stdout, stderr = running.communicate(timeout=120)
        assert running.returncode == 0, stderr
    summary = json.loads(stdout)
    assert (summary["complete"], summary["lines"], summary["refused"]) == (True, 900, 0)
    assert importer.counts() == (900, 900)


def test_bad_lines_are_told_by_number_and_reason_and_the_rest_goes_on(
    importer: Importer, tmp_path: Path
) -> None:
    good = event_lines(250)
    event = json.loads(good[0])
    bad = {
        3: b"{not json}\n",
        101: json.dumps({**event, "name": None}).encode() + b"\n",
        150: json.dumps({**event, "currency": "ZZZ"}).encode() + b"\n",
        200: json.dumps({**event, "description": "x" * 70_000}).encode() + b"\n",
        220: json.dumps({**event, "start_at": "2027-13-01T10:00:00Z"}).encode() + b"\n",
    }
    lines = list(good)
    for number, line in bad.items():
        lines[number - 1] = line
    code, summary, stderr = importer.run(write(tmp_path, *lines))
    assert code == 1
    assert outcomes(summary, "created", "refused") == [250 - len(bad), len(bad)]
    assert [refusal["line"] for refusal in summary["refusals"]] == sorted(bad)
    reasons = {refusal["line"]: refusal["reason"] for refusal in summary["refusals"]}
    for number, word in ((3, "JSON"), (101, "name"), (150, "currency"), (200, "64 KiB"), (220, "start_at")):
        assert word in reasons[number]
        assert f"line {number}: {reasons[number]}" in stderr.splitlines()
    assert importer.counts() == (250 - len(bad), 250 - len(bad))


def test_the_same_line_twice_in_a_file_is_one_event(importer: Importer, tmp_path: Path) -> None:
    lines = event_lines(3)
    code, summary, _ = importer.run(write(tmp_path, *lines, *lines))
    assert code == 0
    assert outcomes(summary, "lines", "created", "existing") == [6, 3, 3]
    assert importer.counts() == (3, 3)


def test_two_hosts_may_import_the_same_file(importer: Importer, tmp_path: Path) -> None:
    file = write(tmp_path, *event_lines(5))
    with importer_with(importer.platform, "host") as other:
        assert [one.run(file)[1]["created"] for one in (importer, other)] == [5, 5]


def test_an_account_that_is_no_host_is_told(platform: Platform, tmp_path: Path) -> None:
    with importer_with(platform, "customer") as customer:
        code, _, stderr = customer.run(write(tmp_path, *event_lines(2)))
    assert code == 2
    assert "host" in stderr
    assert "Traceback" not in stderr


def test_a_wrong_password_is_told(importer: Importer, tmp_path: Path) -> None:
    stranger = Importer(
        importer.platform, Person("", "nobody@example.com", importer.host.client, importer.host.session)
    )
    code, _, stderr = stranger.run(write(tmp_path, *event_lines(1)))
    assert code == 2
    assert "nobody@example.com or its password is wrong" in stderr

"""`frontrow import` without a server: what it says and how it ends."""

import json
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app

EVENT = {
    "name": "event13",
    "available_seats": 10,
    "start_at": "2027-11-01T10:00:00Z",
    "location": "HCM",
    "category": "MUSIC",
    "price": 10.5,
}


@pytest.fixture
def nobody_there() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def write(folder: Path, *lines: object) -> str:
    file = folder / "events.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return str(file)


def test_a_dry_run_of_good_lines_ends_with_0(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["import", write(tmp_path, EVENT, EVENT), "--dry-run"])
    assert done.exit_code == 0
    assert "2 can be sent" in done.stdout
    assert "0 refused" in done.stdout


def test_bad_lines_are_told_by_number_and_reason_and_end_with_1(tmp_path: Path) -> None:
    file = write(tmp_path, EVENT, "{", "", {**EVENT, "name": None}, "x" * 70_000)
    done = CliRunner().invoke(app, ["import", file, "--dry-run", "--json"])
    assert done.exit_code == 1
    summary = json.loads(done.stdout)
    assert (summary["lines"], summary["checked"], summary["refused"]) == (4, 1, 3)
    assert [refusal["line"] for refusal in summary["refusals"]] == [2, 4, 5]
    for line, reason in ((2, "not JSON"), (4, "name"), (5, "64 KiB")):
        assert any(text.startswith(f"line {line}: ") and reason in text for text in done.stderr.splitlines())


def test_refusals_go_to_a_file_when_one_is_named(tmp_path: Path) -> None:
    errors = tmp_path / "errors.txt"
    done = CliRunner().invoke(app, ["import", write(tmp_path, "{"), "--dry-run", "--errors", str(errors)])
    assert done.exit_code == 1
    assert errors.read_text().startswith("line 1: it is not JSON")
    assert "line 1" not in done.stderr


def test_the_limit_takes_the_first_lines(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["import", write(tmp_path, EVENT, EVENT, "{"), "--dry-run", "--limit", "2"]
    )
    assert done.exit_code == 0


@pytest.mark.parametrize("file", ["absent.jsonl", "."])
def test_a_file_that_can_not_be_read_ends_with_2(tmp_path: Path, file: str) -> None:
    done = CliRunner().invoke(app, ["import", str(tmp_path / file), "--dry-run"])
    assert done.exit_code == 2
    assert "can't be read" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there_ends_with_2_and_says_what_to_do(
    tmp_path: Path, nobody_there: str
) -> None:
    done = CliRunner().invoke(app, ["import", write(tmp_path, EVENT), "--url", nobody_there])
    assert done.exit_code == 2
    assert "nothing answers there" in done.stderr
    assert "frontrow status" in done.stderr


@pytest.mark.parametrize("url", ["gopher://127.0.0.1", "127.0.0.1:8080", "http://[", ""])
def test_an_address_that_is_none_ends_with_2(tmp_path: Path, url: str) -> None:
    done = CliRunner().invoke(app, ["import", write(tmp_path, EVENT), "--url", url])
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr


def test_without_a_password_it_says_how_to_give_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FRONTROW_PASSWORD", raising=False)
    done = CliRunner().invoke(app, ["import", write(tmp_path, EVENT), "--email", "somebody@example.com"])
    assert done.exit_code == 2
    assert "FRONTROW_PASSWORD" in done.stderr


@pytest.mark.parametrize(
    "option", [["--currency", "XXY"], ["--status", "cancelled"], ["--seats", "0"], ["--price", "-1"]]
)
def test_an_option_out_of_its_bounds_ends_with_2(tmp_path: Path, option: list[str]) -> None:
    assert CliRunner().invoke(app, ["import", write(tmp_path, EVENT), "--dry-run", *option]).exit_code == 2


def test_the_demo_says_when_there_is_no_server(nobody_there: str) -> None:
    done = CliRunner().invoke(app, ["demo", "--url", nobody_there])
    assert done.exit_code == 2
    assert "nothing answers there" in done.stderr

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from regions.local import tracking
from regions.local.tracking import CancelledError, Launch, RunFile, wait_until
from tests.people import wait_for


@pytest.fixture
def run_file(tmp_path: Path) -> Iterator[RunFile]:
    found = RunFile(tmp_path / "eu.thing.json")
    yield found
    found.stop(signal.SIGKILL, 5.0)


def launch(folder: Path, *command: str) -> Launch:
    return Launch(command, {"PATH": os.environ["PATH"]}, folder, None, folder / "log")


def run_python(folder: Path, code: str) -> Launch:
    return launch(folder, sys.executable, "-u", "-c", code)


def start_sleep(run_file: RunFile, folder: Path) -> psutil.Process:
    """Start a process, and wait until it is the program: during exec its environment reads as empty."""
    process = run_file.start(launch(folder, "sleep", "60"))
    wait_for(
        "the shell has become the program",
        lambda: process.cmdline() == ["sleep", "60"] and tracking.MARKER in process.environ(),
    )
    return process


def test_a_started_process_is_found_and_stopped(run_file: RunFile, tmp_path: Path) -> None:
    process = start_sleep(run_file, tmp_path)
    found = RunFile(run_file.path).process()
    assert found is not None
    assert found.pid == process.pid
    assert run_file.stop(signal.SIGTERM, 5.0)
    assert run_file.process() is None
    assert not run_file.path.exists()


def test_a_process_that_ignores_the_signal_is_killed_within_the_bound(
    run_file: RunFile, tmp_path: Path
) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    run_file.start(run_python(tmp_path, code))
    wait_for("it ignores the signal", lambda: "deaf" in (tmp_path / "log").read_text())
    assert not run_file.stop(signal.SIGTERM, 0.2)
    assert run_file.process() is None


def test_children_end_with_their_parent(run_file: RunFile, tmp_path: Path) -> None:
    run_file.start(launch(tmp_path, "sh", "-c", "sleep 61 & sleep 62 & wait"))
    wait_for("the children run", lambda: len(run_file.family()) == 3)
    family = run_file.family()
    run_file.stop(signal.SIGTERM, 1.0)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def change_record(run_file: RunFile, **changes: object) -> None:
    """Write a run file anew; what is changed to None is left out."""
    record = {**json.loads(run_file.path.read_text()), **changes}
    run_file.path.write_text(json.dumps({name: one for name, one in record.items() if one is not None}))


def test_a_step_of_the_clock_changes_nothing(
    run_file: RunFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis writes over its environment, so that the recorded start is all that there is to know it by."""
    started = start_sleep(run_file, tmp_path)
    monkeypatch.setattr(RunFile, "_carries_marker", lambda *_: False)
    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda one: create_time(one) + 3600)
    assert (found := run_file.process()) is not None
    assert found.pid == started.pid
    assert run_file.stop(signal.SIGTERM, 5.0)
    assert not run_file.path.exists()


@pytest.mark.parametrize("changes", [{"start_tick": 1}, {"boot_id": "another"}], ids=["tick", "boot"])
def test_the_start_is_compared_exactly(run_file: RunFile, changes: dict[str, object]) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        tick, boot_id = tracking._start_tick(stranger.pid), tracking._boot_id()
        record = {"pid": stranger.pid, "boot_id": boot_id, "start_tick": tick, "log_offset": 0, "command": []}
        run_file.path.write_text(json.dumps(record))
        try:
            assert run_file.process() is not None
            change_record(run_file, **changes)
            assert run_file.process() is None
            run_file.stop(signal.SIGKILL, 0.1)
            assert stranger.poll() is None, "a stranger was killed"
        finally:
            stranger.kill()


def test_the_start_is_read_whatever_the_program_is_called(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as one:
        age_ticks = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        age_ticks -= tracking._start_tick(one.pid)
        one.kill()
    assert -5 < age_ticks < 1000


@pytest.mark.parametrize("created", [None, 1.0], ids=["no start at all", "the clock was set since"])
def test_an_old_run_file_still_finds_its_process(
    run_file: RunFile, tmp_path: Path, created: float | None
) -> None:
    started = start_sleep(run_file, tmp_path)
    change_record(run_file, boot_id=None, start_tick=None, created=created)
    assert (found := run_file.process()) is not None
    assert found.pid == started.pid
    assert run_file.stop(signal.SIGTERM, 5.0)
    assert not run_file.path.exists()


def test_an_old_run_file_finds_what_wiped_its_marker(
    run_file: RunFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start_sleep(run_file, tmp_path)
    change_record(run_file, boot_id=None, start_tick=None, created=started.create_time())
    monkeypatch.setattr(RunFile, "_carries_marker", lambda *_: False)
    assert run_file.stop(signal.SIGTERM, 5.0)
    assert not started.is_running() or started.status() == psutil.STATUS_ZOMBIE


def test_a_run_file_is_never_deleted_while_a_process_that_carries_its_marker_lives(
    run_file: RunFile, tmp_path: Path
) -> None:
    started = start_sleep(run_file, tmp_path)
    change_record(run_file, start_tick=1, boot_id="another")
    run_file.forget()
    assert run_file.path.exists()
    assert run_file.stop(signal.SIGTERM, 5.0)
    assert not started.is_running() or started.status() == psutil.STATUS_ZOMBIE
    assert not run_file.path.exists()


def test_a_recycled_process_id_is_neither_reported_nor_killed(run_file: RunFile) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        created = psutil.Process(stranger.pid).create_time()
        record = {"pid": stranger.pid, "created": created - 100, "log_offset": 0, "command": ["sleep"]}
        run_file.path.write_text(json.dumps(record))
        assert run_file.process() is None
        run_file.stop(signal.SIGKILL, 0.1)
        assert stranger.poll() is None, "a stranger was killed"
        stranger.kill()


def test_a_session_of_strangers_with_a_recycled_id_is_left_alone(run_file: RunFile) -> None:
    """The process that we started is gone, and a stranger's child has its number as a session."""
    with subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, start_new_session=True
    ) as one:
        assert one.stdout is not None
        child = int(one.stdout.readline())
        record = {"pid": one.pid, "created": 1.0, "log_offset": 0, "command": ["sleep"]}
        run_file.path.write_text(json.dumps(record))
        assert run_file.process() is None
        run_file.stop(signal.SIGKILL, 0.1)
        assert psutil.pid_exists(child)
        psutil.Process(child).kill()
        one.kill()


def test_a_launcher_that_hands_over_is_followed(run_file: RunFile, tmp_path: Path) -> None:
    leader = run_file.start(launch(tmp_path, "sh", "-c", "sleep 60 & exit 0"))
    wait_for(
        "the launcher has ended",
        lambda: (process := run_file.process()) is not None and process.pid != leader.pid,
    )
    server = run_file.process()
    assert server is not None
    wait_for("the shell has become the server", lambda: server.cmdline() == ["sleep", "60"])
    assert run_file.stop(signal.SIGTERM, 5.0)
    wait_for("the server has ended", lambda: not psutil.pid_exists(server.pid) or server.status() == "zombie")


def test_nothing_runs_if_we_are_killed_before_the_run_file_is_written(tmp_path: Path) -> None:
    """The child waits for a word; a parent that dies without giving it leaves no process and no work done."""
    code = f"""
import os, signal
from pathlib import Path
from regions.local.tracking import Launch, RunFile
RunFile._write = lambda self, record: os.kill(os.getpid(), signal.SIGKILL)
folder = Path({str(tmp_path)!r})
RunFile(folder / "run.json").start(
    Launch(["touch", "it-ran"], {{"PATH": os.environ["PATH"]}}, folder, None, folder / "log")
)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    wait_for(
        "no process is left",
        lambda: not [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(tmp_path)],
    )
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "created": 1, "log_offset": 0, "command": []}']
)
def test_an_unreadable_run_file_means_that_nothing_runs(run_file: RunFile, content: str) -> None:
    run_file.path.write_text(content)
    assert run_file.process() is None
    assert run_file.stop(signal.SIGKILL, 0.1)


def test_waiting_ends_at_its_deadline_and_at_a_cancellation() -> None:
    assert not wait_until(lambda: False, 0.05, lambda: False, 0.01)
    with pytest.raises(CancelledError):
        wait_until(lambda: False, 60, lambda: True)

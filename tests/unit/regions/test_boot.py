import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from regions.local import boot, commands
from regions.local.boot import Boot, StartInterruptedError, run_file_of, stop_components
from regions.local.interrupts import interrupts_stop_us
from tests.unit.regions.local_components import Sleeper, progress

COUNT = 4


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[list[Sleeper]]:
    found = [Sleeper(tmp_path, f"sleeper{number}") for number in range(COUNT)]
    yield found
    stop_components(found, progress())


def running(sleepers: list[Sleeper]) -> list[str]:
    return [one.name for one in sleepers if run_file_of(one).process() is not None]


def pid_of(sleeper: Sleeper) -> int:
    process = run_file_of(sleeper).process()
    assert process is not None
    return process.pid


def test_what_hangs_is_stopped_and_started_anew(
    sleepers: list[Sleeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "_UNRESPONSIVE_SECONDS", 0.2)
    hung = sleepers[0]
    assert Boot([hung], progress()).run() == []
    before = pid_of(hung)
    os.kill(before, signal.SIGSTOP)  # from now on it takes no polite signal either
    hung.fault = lambda: "it does not answer" if pid_of(hung) == before else None
    shown = io.StringIO()
    assert Boot([hung], progress(Console(file=shown, width=200))).run() == []
    assert pid_of(hung) != before
    assert not Path(f"/proc/{before}").exists()
    assert hung.finished_count == 2
    assert "it does not answer; it ran before, and is stopped and started anew" in shown.getvalue()
    assert "had to be killed" in shown.getvalue()
    assert "was running" not in shown.getvalue()


def test_what_runs_and_waits_for_others_is_left_alone(
    sleepers: list[Sleeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "_UNRESPONSIVE_SECONDS", 0.2)
    waiting = sleepers[0]
    assert Boot([waiting], progress()).run() == []
    before = pid_of(waiting)
    waiting.fault = lambda: "no quorum"
    monkeypatch.setattr(waiting, "not_started_because", lambda: None)
    assert Boot([waiting], progress()).run() == []
    assert pid_of(waiting) == before


@pytest.mark.parametrize("is_queued", [False, True], ids=["before it is queued", "after it is queued"])
@pytest.mark.parametrize("nth", range(COUNT))
def test_an_interrupt_while_work_is_submitted_undoes_all_of_it(
    sleepers: list[Sleeper], monkeypatch: pytest.MonkeyPatch, nth: int, is_queued: bool
) -> None:
    starting = threading.Event()

    def slow_environment() -> dict[str, str]:
        starting.set()
        time.sleep(0.2)  # after the last look at whether to stop, before there is a process
        return {"PATH": os.environ["PATH"]}

    for one in sleepers:
        one.fault = lambda: "it never becomes ready"
        one.start_seconds = 30.0  # type: ignore[misc]
        monkeypatch.setattr(one, "environment", slow_environment)
    submit = ThreadPoolExecutor.submit
    calls = []

    def interrupted(pool: ThreadPoolExecutor, *work: Any) -> "Future[Any]":
        if work[0].__name__ != "_bring_up":
            return submit(pool, *work)
        calls.append(work)
        if len(calls) <= nth or is_queued:
            future = submit(pool, *work)
        if len(calls) > nth:
            starting.wait(1.0 if nth or is_queued else 0.0)
            raise KeyboardInterrupt
        return future

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(StartInterruptedError):
        Boot(sleepers, progress()).run()
    assert running(sleepers) == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]


def test_a_second_interrupt_does_not_break_off_the_undoing(
    sleepers: list[Sleeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    undo = Boot._undo

    def interrupted_again(one: Boot) -> None:
        os.kill(os.getpid(), signal.SIGINT)  # between `except` and the moment when interrupts are ignored
        undo(one)

    def interrupt_when_all_run() -> str | None:
        if len(running(sleepers)) == COUNT:
            os.kill(os.getpid(), signal.SIGTERM)
        return "it never becomes ready"

    sleepers[0].fault = interrupt_when_all_run
    for one in sleepers:
        one.start_seconds = 30.0  # type: ignore[misc]
    monkeypatch.setattr(Boot, "_undo", interrupted_again)
    with pytest.raises(StartInterruptedError), interrupts_stop_us():
        Boot(sleepers, progress()).run()
    assert running(sleepers) == []


def test_only_the_first_interrupt_is_raised() -> None:
    raised = 0
    with interrupts_stop_us():
        for which in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            try:
                os.kill(os.getpid(), which)
            except KeyboardInterrupt:
                raised += 1
    assert raised == 1


@pytest.mark.parametrize(("error", "is_stopped"), [(StartInterruptedError, True), (KeyboardInterrupt, False)])
def test_up_says_that_all_was_stopped_only_if_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: type[BaseException], is_stopped: bool
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    shown = io.StringIO()
    monkeypatch.setattr(commands, "console", Console(file=shown, width=200))
    monkeypatch.setattr(commands, "_bring_up", interrupted)
    monkeypatch.setenv("FRONTROW_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("regions.local.layout.Account.can_traverse", lambda *_: True)
    with pytest.raises(typer.Exit) as ended:
        commands.up(only=None, region=None, demo=False)
    assert ended.value.exit_code == 130
    assert ("has been stopped" in shown.getvalue()) is is_stopped
    assert "Interrupted" in shown.getvalue()

"""Starts processes so that none can be lost, finds them again, and ends them.

A process is known by its id, the boot of the machine, and the kernel's tick at which it started, so an id
that the kernel has given to a stranger is never touched. A time of day would not do: it moves when the clock
is set. No process runs before its run file is on disk: the child waits for a word from us, and if we are
killed before, its pipe closes and it ends without having become the engine.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from regions.local.account import Account

MARKER = "FRONTROW_COMPONENT"
"""Environment variable of every process that we start: its run file's path."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_CREATED_TOLERANCE_SECONDS = 0.02
_GATE = 'read -r word && exec "$@" </dev/null'
_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.02


class CancelledError(Exception):
    """The person (or the failure of another component) asked to stop."""


@dataclass(frozen=True)
class Launch:
    """What to run: the command, its whole environment, where it runs, as whom, and where its output goes."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    account: Account | None
    """None: as ourselves."""
    log: Path


@dataclass(frozen=True)
class RunRecord:
    """What a run file says: which process was started, when, and where its output in the log begins.

    A file of an older version says when in `created`, as a time of day, and in nothing else.
    """

    pid: int
    boot_id: str | None
    start_tick: int | None
    log_offset: int
    command: tuple[str, ...]
    created: float | None = None


class RunFile:
    """One run file, and the process that it names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, launch: Launch) -> psutil.Process:
        """Start a process in a session of its own and record it; the caller has checked that none runs."""
        account = launch.account if launch.account and launch.account.is_other else None
        gated, gate = os.pipe()
        with launch.log.open("ab") as log, os.fdopen(gated, "rb") as word:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _GATE, "sh", *launch.command],
                env={**launch.environment, MARKER: str(self.path)},
                cwd=launch.folder,
                stdin=word,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=account.user_id if account else None,
                group=account.group_id if account else None,
                extra_groups=[] if account else None,
            )
            log_offset = log.tell()
        process = psutil.Process(child.pid)
        started = _start_tick(child.pid)
        self._write(RunRecord(child.pid, _boot_id(), started, log_offset, tuple(launch.command)))
        # Not Popen.communicate: the pipe is closed, the process goes on. If it has been killed already, the
        # caller sees that it does not run.
        with contextlib.suppress(BrokenPipeError):
            os.write(gate, b"go\n")
        os.close(gate)
        _CHILDREN[child.pid] = child
        return process

    def record(self) -> RunRecord | None:
        """Return what the file says, or None when nothing was started or the file is unreadable."""
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            boot_id, start_tick = document.get("boot_id"), document.get("start_tick")
            created = document.get("created")
            return RunRecord(
                int(document["pid"]),
                None if boot_id is None else str(boot_id),
                None if start_tick is None else int(start_tick),
                int(document["log_offset"]),
                tuple(document["command"]),
                None if created is None else float(created),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def process(self) -> psutil.Process | None:
        """Return the running process, or None.

        When the process that we started has handed over to another of its session (Elasticsearch's launcher
        does), that one is returned.
        """
        record = self.record()
        if record is None:
            return None
        leader = self._leader(record)
        if leader is not None:
            return leader
        return next(iter(self._survivors(record)), None)

    def leader_runs(self) -> bool:
        """Tell whether the very process that was started still runs (a launcher hands over and ends)."""
        record = self.record()
        return record is not None and self._leader(record) is not None

    def family(self) -> list[psutil.Process]:
        """Return the running process with everything that it has started."""
        process = self.process()
        if process is None:
            return []
        try:
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def stop(self, stop_signal: signal.Signals, wait_seconds: float) -> bool:
        """End the process and all that it started; returns False if it had to be killed.

        Waits `wait_seconds` after the polite signal, then kills, and waits a bounded time for the kernel.
        """
        process = self.process()
        polite = True
        if process is not None:
            family = self.family()
            _send(process, stop_signal)
            stubborn = _await_end(family, wait_seconds)
            polite = not stubborn
            for one in stubborn:
                _send(one, signal.SIGKILL)
            _await_end(stubborn, _KILL_SECONDS)
        self.forget()
        return polite

    def forget(self) -> None:
        """Delete the file, unless what it names still runs: nobody would ever find that again."""
        if self.process() is None:
            self.path.unlink(missing_ok=True)

    def _leader(self, record: RunRecord) -> psutil.Process | None:
        """Return the process that was started, while it runs.

        The marker counts beside the recorded start: what carries it is ours, whatever a file says of it. It
        can't stand alone, for Redis and PostgreSQL write over their environment.
        """
        try:
            process = psutil.Process(record.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process if _is_recorded(record) or self._carries_marker(process) else None
        except psutil.Error:
            return None

    def _carries_marker(self, process: psutil.Process) -> bool:
        try:
            return bool(process.environ().get(MARKER) == str(self.path))
        except (psutil.Error, OSError):
            return False

    def _survivors(self, record: RunRecord) -> list[psutil.Process]:
        found: list[tuple[int, psutil.Process]] = []
        for pid in psutil.pids():
            try:
                if os.getsid(pid) != record.pid or pid == record.pid:
                    continue
                process = psutil.Process(pid)
                if process.status() != psutil.STATUS_ZOMBIE and self._carries_marker(process):
                    found.append((_start_tick(pid), process))
            except (psutil.Error, OSError):
                continue
        return [process for _, process in sorted(found, key=lambda one: one[0])]

    def _write(self, record: RunRecord) -> None:
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(record)), encoding="utf-8")
        unfinished.replace(self.path)


def wait_until(
    is_done: Callable[[], bool],
    timeout_seconds: float,
    cancelled: Callable[[], bool],
    poll_seconds: float = 0.05,
) -> bool:
    """Poll until done; returns False when the time is over, raises CancelledError when asked to stop."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        if cancelled():
            raise CancelledError
        if is_done():
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(poll_seconds)


_CHILDREN: dict[int, "subprocess.Popen[bytes]"] = {}
"""Children of this process that are not reaped yet; a zombie would look like a running process."""


def exit_code(pid: int) -> int | None:
    """Return how a child of this process ended, or None if it runs or is not our child."""
    child = _CHILDREN.get(pid)
    return child.poll() if child else None


def _await_end(processes: list[psutil.Process], timeout_seconds: float) -> list[psutil.Process]:
    """Wait until processes have ended; returns those that have not.

    One that has ended but is not yet reaped counts as ended: not every machine's first process is quick.
    """
    left = processes
    deadline = time.monotonic() + timeout_seconds
    while left := [process for process in left if _is_alive(process)]:
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    for pid, child in list(_CHILDREN.items()):
        if child.poll() is not None:
            _CHILDREN.pop(pid, None)
    return left


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is_recorded(record: RunRecord) -> bool:
    """Tell whether the process with the recorded id is the one that was started, not a later one."""
    try:
        if record.boot_id is None:  # of an older version, and Redis, which wipes its marker, may still run
            created = psutil.Process(record.pid).create_time()
            return record.created is not None and abs(created - record.created) <= _CREATED_TOLERANCE_SECONDS
        return _boot_id() == record.boot_id and _start_tick(record.pid) == record.start_tick
    except OSError:
        return False


def _boot_id() -> str:
    """Return what names this boot of the machine."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def _start_tick(pid: int) -> int:
    """Return when a process started, in clock ticks since the boot (proc(5): field 22 of stat)."""
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    # The second field is the program's name in brackets, and may hold blanks and brackets itself.
    return int(stat[stat.rindex(b")") + 1 :].split()[22 - 3])


def _send(process: psutil.Process, which: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(which)  # psutil compares the start tick once more before it sends

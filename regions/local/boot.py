"""Starts components in parallel, each when what it depends on is ready, and undoes all of it if one fails."""

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from regions.local.component import Component, ComponentError, rotate
from regions.local.interrupts import ignore_interrupts
from regions.local.reporting import Progress
from regions.local.tracking import CancelledError, Launch, RunFile, exit_code, wait_until

LAST_LINES = 20
_STEP_SECONDS = 120.0
_UNRESPONSIVE_SECONDS = 20.0
"""How long what already runs may take to answer before it counts as hung, and is started anew."""


class StartInterruptedError(KeyboardInterrupt):
    """The person asked to stop while components were starting; all that was started has been stopped."""


@dataclass(frozen=True)
class Failure:
    """Why a component did not start, with the end of its log."""

    component: Component
    reason: str
    last_lines: tuple[str, ...]


@dataclass
class _Progressing:
    """One component while the platform starts."""

    component: Component
    begun: bool = False
    settled: threading.Event = field(default_factory=threading.Event)
    ready: bool = False
    started_by_us: bool = False


class Boot:
    """One attempt to bring a set of components of one or more regions to readiness."""

    def __init__(self, components: Sequence[Component], progress: Progress) -> None:
        self._progress = progress
        self._all = {component.key: _Progressing(component) for component in components}
        self._cancel = threading.Event()
        self._failures: list[Failure] = []
        self._lock = threading.Lock()

    def run(self) -> list[Failure]:
        """Start everything; returns the failures (empty: all is ready).

        After a failure, or KeyboardInterrupt (the caller gets it as StartInterruptedError), everything that
        this call started is stopped again. What ran before is left alone, unless it hung.
        """
        pool = ThreadPoolExecutor(max_workers=max(1, len(self._all)))
        try:
            for waiting in [pool.submit(self._bring_up, one) for one in self._all.values()]:
                waiting.result()
            if self._failures:
                self._undo()
        except KeyboardInterrupt:
            self._undo()
            raise StartInterruptedError from None
        except BaseException:
            self._undo()
            raise
        finally:
            pool.shutdown()
        return self._failures

    def _undo(self) -> None:
        with ignore_interrupts():
            with self._lock:
                self._cancel.set()  # from here on nothing begins
            # Not the pool's futures: an interrupt in `submit` leaves a thread that only the thread knows of.
            for one in self._all.values():
                if one.begun:
                    one.settled.wait()
            started = [one.component for one in self._all.values() if one.started_by_us]
            stop_components(started, self._progress)

    def _may_begin(self, one: _Progressing) -> bool:
        with self._lock:
            one.begun = not self._cancel.is_set()
        return one.begun

    def _bring_up(self, one: _Progressing) -> None:
        component = one.component
        run_file = run_file_of(component)
        try:
            if not self._may_begin(one):
                raise CancelledError
            self._await_dependencies(component)
            if run_file.process() is not None and self._is_responsive(component, run_file):
                component.finish()  # an `up` that was killed may have left that
                self._progress.already_running(component)
            else:
                began = time.monotonic()
                self._start(one, run_file)
                self._await_ready(component, run_file, component.start_seconds)
                component.finish()
                self._progress.ready(component, time.monotonic() - began)
            one.ready = True
        except CancelledError:
            self._progress.cancelled(component)
        except Exception as error:  # noqa: BLE001  whatever it is, the platform stops and shows it
            self._fail(component, run_file, error)
        finally:
            one.settled.set()

    def _await_dependencies(self, component: Component) -> None:
        # What is not started by this call is somebody else's matter: a region comes back without the others.
        for dependency in [self._all[key] for key in component.needs() if key in self._all]:
            while not dependency.settled.wait(0.1):
                if self._cancel.is_set():
                    raise CancelledError
            if not dependency.ready:
                raise CancelledError

    def _is_responsive(self, component: Component, run_file: RunFile) -> bool:
        """Tell whether what already runs is ready; if not, it has been stopped, and can be started anew.

        One that merely waits for others answers so in time, and is ready as far as `up` is concerned: see
        `Component.not_started_because`.
        """
        try:
            component.mend()
            self._await_ready(component, run_file, _UNRESPONSIVE_SECONDS)
        except ComponentError as error:
            self._progress.restarting(component, str(error))
        else:
            return True
        polite = run_file.stop(component.stop_signal, component.stop_seconds)
        if run_file.process() is not None:
            raise ComponentError("it hangs and cannot be ended, not even by SIGKILL")
        self._progress.stopped(component, polite)
        return False

    def _start(self, one: _Progressing, run_file: RunFile) -> None:
        component = one.component
        if self._cancel.is_set():
            raise CancelledError
        run_file.forget()
        finish_interrupted_step(component)
        rotate(component.log)
        self._progress.preparing(component)
        component.prepare(lambda command, environment: self._run_step(component, command, environment))
        if self._cancel.is_set():
            raise CancelledError
        self._progress.starting(component)
        one.started_by_us = True
        run_file.start(_launch(component, component.command(), component.environment()))

    def _await_ready(self, component: Component, run_file: RunFile, timeout_seconds: float) -> None:
        reason: str | None = "it was not asked yet"

        def settled() -> bool:
            nonlocal reason
            if run_file.process() is None:
                raise ComponentError("it ended before it was ready")
            reason = component.not_started_because()
            if reason is None and component.hands_over and run_file.leader_runs():
                reason = "its launcher still runs"
            return reason is None

        if not wait_until(settled, timeout_seconds, self._cancel.is_set):
            raise ComponentError(f"it was not ready within {timeout_seconds:.0f} s: {reason}")

    def _run_step(self, component: Component, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run a short program of a component; a run file lets the next `up` end it if we are killed."""
        step = _step_file_of(component)
        process = step.start(_launch(component, command, environment))
        try:
            if not wait_until(
                lambda: exit_code(process.pid) is not None, _STEP_SECONDS, self._cancel.is_set, 0.02
            ):
                raise ComponentError(f"{Path(command[0]).name} did not end within {_STEP_SECONDS:.0f} s")
            if code := exit_code(process.pid):
                raise ComponentError(f"{' '.join(command[:3])} failed with code {code}")
        finally:
            step.stop(component.stop_signal, 2.0)

    def _fail(self, component: Component, run_file: RunFile, error: Exception) -> None:
        expected = isinstance(error, ComponentError | OSError | subprocess.SubprocessError)
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        record = run_file.record() or _step_file_of(component).record()
        lines = last_lines(component.log, LAST_LINES, record.log_offset if record else 0)
        with self._lock:
            self._failures.append(Failure(component, reason, tuple(lines)))
        self._progress.failed(component, reason)
        self._cancel.set()


def stop_components(components: Sequence[Component], progress: Progress) -> None:
    """Stop components in parallel, each after everything that depends on it; one that is gone is no error."""
    stopped = {component.key: threading.Event() for component in components}

    def stop(component: Component) -> None:
        try:
            for dependent in components:
                if component.key in dependent.needs():
                    stopped[dependent.key].wait()
            finish_interrupted_step(component)
            run_file = run_file_of(component)
            if run_file.process() is None:
                run_file.forget()
                return
            progress.stopping(component)
            polite = run_file.stop(component.stop_signal, component.stop_seconds)
            progress.stopped(component, polite)
        finally:
            stopped[component.key].set()

    with ThreadPoolExecutor(max_workers=max(1, len(components))) as pool:
        for one in [pool.submit(stop, component) for component in components]:
            one.result()


def kill_components(components: Sequence[Component]) -> None:
    """SIGKILL every process of the components, before any of them can tell another that it goes."""
    for process in [one for component in components for one in run_file_of(component).family()]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)


def run_file_of(component: Component) -> RunFile:
    """Return the run file of a component."""
    return RunFile(component.site.layout.run_file(component.site.region, component.name))


def finish_interrupted_step(component: Component) -> None:
    """End a program that prepared a component when its `up` was killed."""
    _step_file_of(component).stop(component.stop_signal, 5.0)


def last_lines(log: Path, count: int, offset: int = 0) -> list[str]:
    """Return the last lines of a log, nothing from before `offset` bytes."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(min(offset, size), size - (64 << 10)))
            return file.read().decode("utf-8", errors="replace").splitlines()[-count:]
    except OSError:
        return []


def _step_file_of(component: Component) -> RunFile:
    return RunFile(component.site.layout.run_file(component.site.region, f"{component.name}.step"))


def _launch(component: Component, command: Sequence[str], environment: Mapping[str, str]) -> Launch:
    account = component.site.account if component.runs_as_engine else None
    return Launch(command, environment, component.state, account, component.log)

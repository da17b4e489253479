"""Makes SIGINT, SIGTERM and SIGHUP ask for an orderly stop, once, and lets an orderly stop finish."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def interrupts_stop_us() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt as well (only the main thread can set handlers).

    It is raised once. Whoever catches it stops what runs, and a second one, at any place between, would break
    that off.
    """
    is_raised = False

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal is_raised
        if not is_raised:
            is_raised = True
            raise KeyboardInterrupt

    with _handlers(interrupt):
        yield


@contextlib.contextmanager
def ignore_interrupts() -> Iterator[None]:
    """While processes are being stopped, a second Ctrl-C must not leave half of them."""
    with _handlers(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handlers(handler: "signal._HANDLER") -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {which: signal.signal(which, handler) for which in _STOPPING}
    try:
        yield
    finally:
        for which, old in before.items():
            signal.signal(which, old)

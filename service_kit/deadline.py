"""A bound on how long a server may keep silent: `statement_timeout` is the server's, and it may be frozen.

The kernel of a frozen server goes on confirming what it is sent, so neither keepalives nor TCP's own
timeout notice anything.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def cut_off_after(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Cuts the connection if the block takes longer; what waits for it then raises OperationalError."""
    # A descriptor of our own: libpq may close its one while the timer fires, and the number be given again.
    with socket.socket(fileno=os.dup(connection.fileno())) as peer:
        timer = threading.Timer(seconds, _cut_off, [peer])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _cut_off(peer: socket.socket) -> None:
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is gone already

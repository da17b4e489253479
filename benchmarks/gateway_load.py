"""A load generator for one HTTP server: many connections, each with several requests under way.

Requests are made before the clock starts, sent as bytes and answered as bytes that are only counted: some
3 microseconds of CPU a request, so that one Python process asks for much more than one Envoy thread answers.
Its own share of a core is part of what it reports: below one, it waited for the server.
"""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = 16
REQUESTS_UNDER_WAY = 16
END_OF_ANSWER = b"~answered~"
"""The end of each good answer's body; no other answer has it."""


class LoadError(Exception):
    """The server answered what it should not, or not at all, or closed a connection."""


@dataclass
class _Connection:
    socket: socket.socket
    batch: bytes
    missing: int = 0
    tail: bytes = b""

    def send(self) -> None:
        self.missing, self.tail = REQUESTS_UNDER_WAY, b""
        self.socket.sendall(self.batch)

    def receive(self) -> bool:
        """Whether all of the batch are answered."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise LoadError("the server closed a connection")
        text = self.tail + part
        self.missing -= text.count(END_OF_ANSWER)
        self.tail = text[1 - len(END_OF_ANSWER) :]
        if self.missing and text.rstrip().endswith(b"}"):
            raise LoadError(text[-300:].decode("latin-1"))
        return self.missing == 0


@dataclass(frozen=True)
class Load:
    """How many requests were answered in how many seconds, and what the generator itself used of a core."""

    requests: int
    seconds: float
    own_cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def load(host: str, port: int, requests: Sequence[bytes], *, seconds: float) -> Load:
    """Asks for as long as said; each connection repeats some of the requests. Raises LoadError."""
    selector = selectors.DefaultSelector()
    connections = []
    for number in range(CONNECTIONS):
        opened = socket.create_connection((host, port), timeout=10)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        batch = b"".join(
            requests[(number * REQUESTS_UNDER_WAY + place) % len(requests)]
            for place in range(REQUESTS_UNDER_WAY)
        )
        connections.append(_Connection(opened, batch))
        selector.register(opened, selectors.EVENT_READ, connections[-1])
    try:
        answered, cpu, start = 0, time.process_time(), time.monotonic()
        for connection in connections:
            connection.send()
        while time.monotonic() - start < seconds:
            ready = selector.select(timeout=5)
            if not ready:
                raise LoadError("no answer within 5 s")
            for key, _ in ready:
                if key.data.receive():
                    answered += REQUESTS_UNDER_WAY
                    key.data.send()
        return Load(answered, time.monotonic() - start, time.process_time() - cpu)
    finally:
        selector.close()
        for connection in connections:
            connection.socket.close()

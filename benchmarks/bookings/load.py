"""Asks an API over HTTP as many people do, in a process of its own: `load(Plan(...))`.

In closed loop each of n connections has one request under way, and asks again when it is answered. In open
loop requests are due by the clock, whatever becomes of those before, and how long one took counts from when
it was due. Some 10 microseconds of CPU a request, so that what is asked is the bottleneck; what it used is
part of the report. Each answer's status is counted.
"""

import gc
import json
import math
import random
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 30.0
"""So long nothing at all may be answered."""
MOST_WARM_SECONDS = 10.0
EXAMPLES = 3
_WARM = b"warm\n"
_LENGTH = b"content-length: "


class LoadError(Exception):
    """The server closed a connection, or answered nothing any more."""


@dataclass(frozen=True)
class Plan:
    """What is asked. `requests` are what comes before the key of a booking and what comes after it.

    Connection n sends the n-th of them, again and again, each time with a new key. `per_second` of None is
    the closed loop. It ends after `answers`, if that is set, or `seconds`. What comes in the first
    `warm_seconds` is not counted, nor, for at most `MOST_WARM_SECONDS`, the first `warm_answers`.
    With `cancelled` it cancels what it booked, one of so many.
    """

    host: str
    port: int
    requests: Sequence[tuple[str, str]]
    connections: int
    seconds: float
    warm_seconds: float = 0.0
    warm_answers: int = 0
    per_second: float | None = None
    answers: int | None = None
    cancelled: int | None = None


@dataclass
class Load:
    """What was answered in `seconds`. Latencies in milliseconds, of answers 201 alone."""

    seconds: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    longest_ms: float = 0.0
    own_cpu_seconds: float = 0.0

    def count(self, status: int) -> int:
        """How many answers had this status."""
        return self.answers.get(str(status), 0)

    def per_second(self, status: int = 201) -> float:
        """Answers with this status, a second."""
        return self.count(status) / self.seconds

    @property
    def others(self) -> dict[str, int]:
        """Answers that are neither a booking nor the end of one."""
        return {status: count for status, count in self.answers.items() if status not in {"201", "200"}}


class RunningLoad:
    """A process that asks; `result` waits until it is done."""

    def __init__(self, plan: Plan) -> None:
        self._limit_seconds = plan.warm_seconds + MOST_WARM_SECONDS + plan.seconds + 2 * ANSWER_SECONDS
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # what follows the first line is not read with it
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(plan)).encode())
        self._process.stdin.close()
        self._process.stdin = None
        self._said = b""

    def wait_until_warm(self) -> None:
        """Returns when the counting begins."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self._said = b"" if line == _WARM else line

    def result(self) -> Load:
        """What was answered. Raises LoadError."""
        try:
            output, _ = self._process.communicate(timeout=self._limit_seconds)
        finally:
            self._process.kill()
            self._process.wait()
        lines = (self._said + output).splitlines()
        told = json.loads(lines[-1]) if lines else {"error": "the generator ended"}
        if "error" in told:
            raise LoadError(told["error"])
        return Load(**told)


def load(plan: Plan) -> Load:
    """Asks as planned, in another process. Raises LoadError."""
    return RunningLoad(plan).result()


class _Connection:
    """One connection with at most one request under way."""

    __slots__ = ("is_booking", "person", "rest", "since", "socket")

    def __init__(self, plan: Plan, person: int) -> None:
        self.socket = socket.create_connection((plan.host, plan.port), timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.person = person
        self.since = 0.0
        self.is_booking = True
        self.rest = b""

    def answer(self) -> bytes | None:
        """The whole answer, or None while a part is missing. Raises LoadError."""
        part = self.socket.recv(65536)
        if not part:
            raise LoadError("the server closed a connection")
        text = self.rest + part if self.rest else part
        end = text.find(b"\r\n\r\n")
        if end >= 0:
            at = text.find(_LENGTH, 0, end)
            if at < 0 or len(text) >= end + 4 + int(text[at + 16 : text.find(b"\r", at)]):
                self.rest = b""
                return text
        self.rest = text
        return None


class _Generator:
    """The loop itself, for one plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = [(before.encode(), after.encode()) for before, after in plan.requests]
        self._keys = _keys()
        self._selector = selectors.EpollSelector()
        self._connections = [_Connection(plan, n % len(self._requests)) for n in range(plan.connections)]
        for connection in self._connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._statuses: Counter[bytes] = Counter()
        self._took: list[float] = []
        self._examples: list[str] = []
        self._booked: deque[tuple[int, bytes]] = deque()
        self._sent_bookings = 0

    def run(self) -> Load:
        """Asks until the plan ends."""
        plan, clock = self._plan, time.monotonic
        start = clock()
        warm_until = start + plan.warm_seconds
        is_warm, cpu, began, ends_at = False, 0.0, start, math.inf
        idle = deque(self._connections)
        due = _due_times(plan.per_second, start) if plan.per_second else None
        next_due = next(due) if due else 0.0
        heard_at = start
        if due is None:
            while idle:
                self._ask(idle.popleft(), clock())
        while True:
            now = clock()
            if not is_warm and now >= warm_until and self._is_warm(now - start):
                is_warm, began, cpu = True, now, time.process_time()
                ends_at = now + plan.seconds
                self._statuses.clear()
                self._took.clear()
                sys.stdout.write(_WARM.decode())
                sys.stdout.flush()
            if now >= ends_at or (is_warm and self._has_enough()):
                break
            wait_seconds = min(0.05, max(0.0, warm_until - now) or 0.05)
            if due is not None:
                while next_due <= now and idle:
                    self._ask(idle.popleft(), next_due)
                    next_due = next(due)
                wait_seconds = min(wait_seconds, max(0.0, next_due - now)) if idle else wait_seconds
            ready = self._selector.select(wait_seconds)
            if ready:
                heard_at = now
            elif now - heard_at > ANSWER_SECONDS:
                raise LoadError(f"nothing was answered within {ANSWER_SECONDS:.0f} s")
            for key, _ in ready:
                connection: _Connection = key.data
                answer = connection.answer()
                if answer is None:
                    continue
                self._note(connection, answer, clock())
                if due is None:
                    self._ask(connection, clock())
                else:
                    idle.append(connection)
        return self._report(clock() - began, time.process_time() - cpu)

    def _is_warm(self, elapsed_seconds: float) -> bool:
        return elapsed_seconds > MOST_WARM_SECONDS or self._statuses.total() >= self._plan.warm_answers

    def _has_enough(self) -> bool:
        return self._plan.answers is not None and self._statuses.total() >= self._plan.answers

    def _ask(self, connection: _Connection, since: float) -> None:
        connection.since = since
        if self._plan.cancelled and len(self._booked) > 0 and self._sent_bookings >= self._plan.cancelled:
            self._sent_bookings -= self._plan.cancelled
            person, booking_id = self._booked.popleft()
            connection.is_booking = False
            connection.socket.send(self._cancel(person, booking_id))
            return
        self._sent_bookings += 1
        connection.is_booking = True
        before, after = self._requests[connection.person]
        connection.socket.send(before + next(self._keys) + after)

    def _cancel(self, person: int, booking_id: bytes) -> bytes:
        before, _ = self._requests[person]
        token = before[before.find(b"Authorization: ") :].partition(b"\r\n")[0]
        path = b"PUT /api/v1/bookings/" + booking_id + b"/cancel HTTP/1.1\r\nHost: frontrow\r\n"
        return path + token + b"\r\nContent-Length: 0\r\n\r\n"

    def _note(self, connection: _Connection, answer: bytes, now: float) -> None:
        status = answer[9:12]
        self._statuses[status] += 1
        if status == b"201":
            self._took.append(now - connection.since)
            if self._plan.cancelled and connection.is_booking:
                at = answer.find(b'"id":') + 5
                self._booked.append((connection.person, answer[at : answer.find(b",", at)].strip()))
        elif len(self._examples) < EXAMPLES and status != b"200":
            self._examples.append(answer[-300:].decode("latin-1"))

    def _report(self, seconds: float, own_cpu_seconds: float) -> Load:
        took = sorted(self._took) or [0.0]
        return Load(
            seconds=seconds,
            answers={status.decode(): count for status, count in self._statuses.items()},
            examples=self._examples,
            p50_ms=took[len(took) // 2] * 1000,
            p99_ms=took[int(len(took) * 0.99)] * 1000,
            longest_ms=took[-1] * 1000,
            own_cpu_seconds=own_cpu_seconds,
        )


def _keys() -> Iterator[bytes]:
    """Idempotency keys that nobody else uses."""
    prefix = f"{random.getrandbits(64):016x}-"
    number = 0
    while True:
        number += 1
        yield f"{prefix}{number:015x}".encode()


def _due_times(per_second: float, start: float) -> Iterator[float]:
    """When requests are due: as people come who know nothing of each other (a Poisson process)."""
    at = start
    while True:
        at += random.expovariate(per_second)
        yield at


def main() -> None:
    """Reads a plan from the standard input; writes `warm` when the counting begins, then the result."""
    told: dict[str, Any] = json.loads(sys.stdin.read())
    gc.disable()
    try:
        report = asdict(_Generator(Plan(**told)).run())
    except (LoadError, OSError) as error:
        report = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()

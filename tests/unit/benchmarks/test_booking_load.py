"""The generator that asks for bookings: what it counts, and from when it counts how long an answer took."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from benchmarks.booking_baselines.__main__ import BASELINES
from benchmarks.bookings.load import LoadError, Plan, load

STALL_SECONDS = 0.4
BODY = b'{"id":17,"status":"held"}'

Answer = Callable[[str], int | None]
"""The status for a request; None closes the connection."""


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server that answers each request in two parts; its port."""

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = True

        def head(self) -> str:
            lines = []
            while (line := self.rfile.readline()) not in {b"", b"\r\n"}:
                lines.append(line.decode())
            return "".join(lines)

        def handle(self) -> None:
            while head := self.head():
                self.rfile.read(int(head.partition("Content-Length: ")[2].partition("\r\n")[0]))
                status = answer(head)
                if status is None:
                    return
                self.wfile.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, len(BODY)))
                self.wfile.write(BODY)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = False  # its end waits for them, and they end with their connections

        def handle_error(self, request: object, client_address: object) -> None:
            """Who asks leaves in the midst of it."""

    with Server(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield int(running.server_address[1])
        finally:
            running.shutdown()
            thread.join()


def plan(port: int, **more: Any) -> Plan:
    before = (
        "POST /api/v1/bookings HTTP/1.1\r\nContent-Length: 2\r\nAuthorization: Bearer x\r\nIdempotency-Key: "
    )
    return Plan("127.0.0.1", port, [(before, "\r\n\r\n{}")], **{"connections": 4, "seconds": 30.0} | more)


def test_each_request_has_its_own_key_and_each_status_is_counted() -> None:
    keys: list[str] = []

    def every_third_is_refused(head: str) -> int:
        keys.append(head.partition("Idempotency-Key: ")[2].strip())
        return 409 if len(keys) % 3 == 0 else 201

    with server(every_third_is_refused) as port:
        done = load(plan(port, answers=90))
    total = sum(done.answers.values())
    assert 90 <= total < 94, "those who were answered at the same time count as well"
    assert len(set(keys)) == len(keys) >= total
    assert done.count(201) == pytest.approx(total * 2 / 3, abs=3)
    assert done.others == {"409": done.count(409)}
    assert done.per_second() == pytest.approx(done.count(201) / done.seconds)


def test_what_it_booked_it_cancels_in_the_person_s_name() -> None:
    heads: list[str] = []

    def booked_or_cancelled(head: str) -> int:
        heads.append(head)
        return 201 if head.startswith("POST") else 200

    with server(booked_or_cancelled) as port:
        done = load(plan(port, connections=1, answers=20, cancelled=1))
    assert done.answers == {"201": 10, "200": 10}
    cancels = [head for head in heads if head.startswith("PUT /api/v1/bookings/17/cancel ")]
    assert len(cancels) >= 10
    assert all("Authorization: Bearer x\r\n" in head for head in cancels)


def test_in_open_loop_those_who_were_due_during_a_stall_have_waited() -> None:
    answered = 0

    def stalls_once(head: str) -> int:
        nonlocal answered
        answered += 1
        if answered == 20:
            time.sleep(STALL_SECONDS)
        return 201

    # With one connection everybody waits for the one that stalls; in closed loop one answer would be late.
    with server(stalls_once) as port:
        done = load(plan(port, connections=1, seconds=1.5, per_second=200.0))
    assert done.per_second() > 100
    assert done.longest_ms >= STALL_SECONDS * 900
    assert done.p99_ms >= STALL_SECONDS * 500


def test_who_is_not_answered_any_more_is_told() -> None:
    def leaves(head: str) -> None:
        return None

    with server(leaves) as port, pytest.raises(LoadError, match=r"closed|reset|Broken"):
        load(plan(port))


def test_every_baseline_is_there() -> None:
    assert set(BASELINES) == {"textbook", "single_statement", "skip_locked", "null"}

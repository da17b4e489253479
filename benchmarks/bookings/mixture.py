"""How much is sold far away while people cancel and wait, holds expire, hosts write, changes are captured.

What else happens is asked for at a rate that is a share of the bookings alone, by generators of their own, so
that it stays what it is when bookings become slower.
"""

import statistics
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from benchmarks.bookings.capture import captured
from benchmarks.bookings.load import RunningLoad, load
from benchmarks.bookings.measurements import (
    CROWD,
    FAR_MS,
    FAR_WARM_SECONDS,
    FEW,
    checked,
    closed_loop,
    compared,
)
from benchmarks.bookings.rounds import ROUNDS, Measured, measure, take_turns
from benchmarks.bookings.stand import BOOKINGS, Stand
from benchmarks.figures import limit_line, say

SECONDS = 3.0
SEATS = 100_000
WAITED_SEATS = 400
WAITLIST = "/api/v1/waitlist"

# Of a hundred bookings of the hot event, while it is sold:
CANCELLED = 2
EXPIRED = 5
WAITING = 1
HOST_CHANGES_PER_SECOND = 5.0
LAG_SECONDS = 5.0
"""What capture may be behind at most: as long as people may have to wait for what they search."""


def with_all_else(stand: Stand) -> dict[str, Any]:
    """Bookings alone, and with all else beside them, in turns."""
    alone_per_second: list[float] = []
    lags: list[float] = []
    done: list[dict[str, Any]] = []

    def alone() -> Measured:
        found = closed_loop(stand, connections=CROWD, round_trip_ms=FAR_MS, seconds=SECONDS, seats=SEATS)()
        alone_per_second.append(found.per_second)
        return found

    def mixed() -> Measured:
        stand.settle()
        hot, brief, waited = stand.event(SEATS), stand.event(SEATS, hold_seconds=1), sold_out_event(stand)
        stand.cluster.set_delay_ms(FAR_MS)
        per_booking = (alone_per_second[-1] if alone_per_second else 1000.0) / 100
        with ExitStack() as stack:
            lag = stack.enter_context(captured(stand))
            changes = stack.enter_context(host_changes(stand, waited))
            others = {
                "booked to be cancelled": asked(stand, hot, 2 * CANCELLED * per_booking, cancelled=1),
                "left to expire": asked(stand, brief, EXPIRED * per_booking),
                "on the waitlist": asked(
                    stand, waited, WAITING * per_booking, connections=WAITED_SEATS, path=WAITLIST
                ),
            }
            plan = stand.plan(
                stand.write_api,
                hot,
                connections=CROWD,
                seconds=SECONDS,
                warm_seconds=FAR_WARM_SECONDS,
                warm_answers=CROWD,
            )
            found = checked(measure(stand, stand.write_api, plan))
            answers = {name: result_of(one) for name, one in others.items()}
        lags.append(max(lag.seconds, default=0.0))
        done.append({**answers, "host's changes": dict(changes), **outcomes(stand, hot, brief, waited)})
        return found

    loops = take_turns(ROUNDS, alone, mixed)
    figures = compared(f"{CROWD} clients, {FAR_MS:.0f} ms", ("mixed", "alone"), loops[::-1], at_least=0.7)
    figures["beside"] = done[-1]
    figures["capture_lag_seconds"] = round(statistics.median(lags), 2)
    say(f"  beside, in the last round: {figures['beside']}")
    say(limit_line("capture's longest lag, s", figures["capture_lag_seconds"], LAG_SECONDS))
    return figures


def asked(
    stand: Stand,
    event_id: int,
    per_second: float,
    *,
    connections: int = FEW,
    cancelled: int | None = None,
    path: str = BOOKINGS,
) -> RunningLoad:
    """So many people ask beside, in open loop, for as long as a round takes."""
    plan = stand.plan(
        stand.write_api,
        event_id,
        connections=connections,
        seconds=FAR_WARM_SECONDS + SECONDS,
        per_second=max(1.0, per_second),
        cancelled=cancelled,
        path=path,
    )
    return RunningLoad(plan)


def result_of(running: RunningLoad) -> dict[str, int]:
    """How many of its answers had which status."""
    return running.result().answers


def sold_out_event(stand: Stand) -> int:
    """An event without a free seat, whose holds expire in a moment: then those on its waitlist are asked."""
    event_id = stand.event(WAITED_SEATS, hold_seconds=5)
    load(stand.plan(stand.write_api, event_id, connections=FEW, seconds=10.0, answers=WAITED_SEATS))
    return event_id


def outcomes(stand: Stand, hot: int, brief: int, waited: int) -> dict[str, int]:
    """What became of what was asked for beside."""
    statement = """
        SELECT count(*) FILTER (WHERE event_id = %s AND status = 'cancelled')::integer AS cancelled,
            count(*) FILTER (WHERE event_id = %s AND status = 'expired')::integer AS expired,
            count(*) FILTER (WHERE event_id = %s AND status = 'held')::integer AS offered
        FROM bookings
    """
    return dict(stand.rows(statement, hot, brief, waited)[0])


@contextmanager
def host_changes(stand: Stand, event_id: int) -> Iterator[Counter[int]]:
    """A host changes an event some times a second while entered; the statuses of the answers."""
    statuses: Counter[int] = Counter()
    done = threading.Event()
    url = f"http://{stand.write_api.address}/api/v1/events/{event_id}"
    headers = {"Authorization": f"Bearer {stand.token(0)}"}

    def change() -> None:
        with httpx.Client(headers=headers, timeout=30.0) as client:
            number = 0
            while not done.wait(1 / HOST_CHANGES_PER_SECOND):
                number += 1
                statuses[client.put(url, json={"description": f"Change {number}"}).status_code] += 1

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield statuses
    finally:
        done.set()
        thread.join()

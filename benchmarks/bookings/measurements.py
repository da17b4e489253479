"""What is measured of bookings, each against something that runs beside it in the same rounds.

Each takes a stand, prints its figures with their goals, and answers them.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.bookings.load import Load
from benchmarks.bookings.rounds import (
    ROUNDS,
    Measured,
    measure,
    measure_bare_sql,
    median_microseconds,
    median_per_second,
    ratio,
    take_turns,
)
from benchmarks.bookings.stand import Application, Stand
from benchmarks.figures import goal_line, limit_line, say

Figures = dict[str, Any]

FEW = 64
MANY = 512
CROWD = 2048
"""So many that they, and not the distance, are the limit."""
FAR_MS = 80.0
ROUND_SECONDS = 1.5
WARM_SECONDS = 0.5
FAR_WARM_SECONDS = 1.2
SEATS = 40_000
"""Of an event that is not to be sold out in a round."""


def closed_loop(
    stand: Stand,
    application: Application | None = None,
    *,
    connections: int = FEW,
    round_trip_ms: float = 0.0,
    seconds: float = ROUND_SECONDS,
    seats: int = SEATS,
) -> Callable[[], Measured]:
    """A measurement of a new hot event at some distance, by default of write_api."""

    def once() -> Measured:
        stand.settle()
        event_id = stand.event(seats)
        stand.cluster.set_delay_ms(round_trip_ms)
        seller = application or stand.write_api
        warm_seconds = FAR_WARM_SECONDS if round_trip_ms else WARM_SECONDS
        plan = stand.plan(
            seller,
            event_id,
            connections=connections,
            seconds=seconds,
            warm_seconds=warm_seconds,
            warm_answers=connections if connections > MANY else 0,
        )
        return checked(measure(stand, seller, plan))

    return once


def against_textbook(stand: Stand) -> Figures:
    """FastAPI route, SELECT ... FOR UPDATE, one transaction each: without distance, and with it."""
    with stand.baseline("textbook") as textbook:
        near = take_turns(ROUNDS, closed_loop(stand), closed_loop(stand, textbook))
        far = take_turns(
            ROUNDS,
            closed_loop(stand, connections=MANY, round_trip_ms=FAR_MS),
            closed_loop(stand, textbook, connections=MANY, round_trip_ms=FAR_MS, seconds=3.0),
        )
    names = ("write_api", "textbook")
    return {
        "near": compared(f"no distance, {FEW} clients", names, near, at_least=15.0),
        "far": compared(f"{FAR_MS:.0f} ms, {MANY} clients", names, far, at_least=100.0),
    }


def against_one_statement(stand: Stand) -> Figures:
    """The best SQL of one transaction a request: a single statement by counter, and one that skips locks."""
    loops: list[list[Measured]] = []
    rivals = ("single_statement", "skip_locked")
    figures: Figures = {}
    for rival in rivals:
        with stand.baseline(rival) as application:
            loops = take_turns(ROUNDS, closed_loop(stand), closed_loop(stand, application))
        figures[rival] = compared(f"{FEW} clients", ("write_api", rival), loops)
    figures["ratio"] = min(figures[rival]["ratio"] for rival in rivals)
    say(goal_line("write_api / the better of both", figures["ratio"], 5.0))
    return figures


def against_the_bound(stand: Stand) -> Figures:
    """The same stack without a database, the same SQL without HTTP, and one after the other."""
    with stand.baseline("null") as null:
        sizes: list[float] = []

        def write_api() -> Measured:
            found = closed_loop(stand)()
            sizes.append(stand.mean_batch())
            return found

        def bare_sql() -> Measured:
            stand.settle()
            batch_size = max(1, round(sizes[-1] if sizes else FEW / 2))
            return measure_bare_sql(stand, stand.event(SEATS), batch_size=batch_size, seconds=ROUND_SECONDS)

        loops = take_turns(ROUNDS, write_api, closed_loop(stand, null), bare_sql)
    measured, nulls, bare = loops
    bounds = [
        (one.per_second, a.per_second, b.per_second) for one, a, b in zip(measured, nulls, bare, strict=True)
    ]
    of_bound = statistics.median(one * (1 / a + 1 / b) for one, a, b in bounds)
    of_mean = statistics.median(one * (a + b) / (2 * a * b) for one, a, b in bounds)
    figures: Figures = {
        **per_second(("write_api", "null", "bare_sql"), loops),
        "batch_size": round(statistics.median(sizes), 1),
        "of_the_bound": round(of_bound, 3),
        "of_the_harmonic_mean": round(of_mean, 3),
    }
    say(f"  batches of {figures['batch_size']} bookings, with HTTP and without")
    say(goal_line("write_api / 1/(1/null+1/sql)", figures["of_the_bound"], 0.7) + "; then 0.85")
    say(f"  {'write_api / harmonic mean':36}{figures['of_the_harmonic_mean']:>10}")
    return figures


def over_distance(stand: Stand) -> Figures:
    """The same with the standbys far away, asked by enough people."""
    loops = take_turns(
        ROUNDS,
        closed_loop(stand, connections=CROWD, round_trip_ms=FAR_MS, seats=80_000),
        closed_loop(stand, connections=CROWD, seats=80_000),
    )
    return compared(f"{CROWD} clients", (f"at {FAR_MS:.0f} ms", "no distance"), loops, at_least=0.8)


def in_open_loop(stand: Stand) -> Figures:
    """How long people wait at a quarter of what could be sold, from when each was due."""
    limit = median_per_second(
        [closed_loop(stand, connections=CROWD, round_trip_ms=FAR_MS, seats=80_000)() for _ in range(2)]
    )
    loads: list[Load] = []
    stand.recycle_log()
    for _ in range(ROUNDS):
        stand.settle()
        event_id = stand.event(SEATS)
        stand.cluster.set_delay_ms(FAR_MS)
        plan = stand.plan(
            stand.write_api,
            event_id,
            connections=1000,
            seconds=3.0,
            warm_seconds=1.0,
            per_second=max(1.0, limit / 4),
        )
        loads.append(checked(measure(stand, stand.write_api, plan)).load)
    figures = {
        "asked_per_second": round(limit / 4),
        "answered_per_second": round(statistics.median(one.per_second() for one in loads)),
        "p50_ms": round(statistics.median(one.p50_ms for one in loads), 1),
        "p99_ms": round(statistics.median(one.p99_ms for one in loads), 1),
        "longest_ms": round(max(one.longest_ms for one in loads), 1),
    }
    say(f"  {figures['asked_per_second']} a second asked, {figures['answered_per_second']} answered")
    say(limit_line("p50, ms", figures["p50_ms"], FAR_MS + 15))
    say(limit_line("p99, ms", figures["p99_ms"], FAR_MS * 1.5))
    return figures


def sold_out(stand: Stand) -> Figures:
    """Refusals of an event that is sold out, against the null application."""

    def refusals() -> Measured:
        stand.settle()
        event_id = stand.event(1)
        plan = stand.plan(
            stand.write_api, event_id, connections=FEW, seconds=ROUND_SECONDS, warm_seconds=WARM_SECONDS
        )
        return checked(measure(stand, stand.write_api, plan, status=409))

    with stand.baseline("null") as null:
        loops = take_turns(ROUNDS, refusals, closed_loop(stand, null))
    return compared(f"{FEW} clients", ("sold out", "null"), loops, at_least=0.7)


def by_event_size(stand: Stand) -> Figures:
    """The first 900 bookings of small events against those of the largest that there are."""

    def first_bookings(seats: int) -> Callable[[], Measured]:
        def once() -> Measured:
            parts = []
            for _ in range(3):
                event_id = stand.event(seats)
                stand.settle()
                plan = stand.plan(stand.write_api, event_id, connections=FEW, seconds=30.0, answers=900)
                parts.append(checked(measure(stand, stand.write_api, plan)).load)
            return Measured(
                Load(
                    seconds=sum(one.seconds for one in parts),
                    answers={"201": sum(one.count(201) for one in parts)},
                )
            )

        return once

    loops = take_turns(ROUNDS, first_bookings(100_000), first_bookings(1_000))
    return compared(f"{FEW} clients", ("100,000 seats", "1,000 seats"), loops, at_least=0.7)


def compared(
    how: str,
    names: tuple[str, str],
    loops: Sequence[Sequence[Measured]],
    *,
    at_least: float | None = None,
) -> Figures:
    """Prints and answers what came of two that took turns."""
    say(f"  {how}:")
    figures: Figures = {**per_second(names, loops), "ratio": round(ratio(loops[0], loops[1]), 3)}
    title = f"{names[0]} / {names[1]}"
    if at_least is None:
        say(f"  {title:36}{figures['ratio']:>10}")
    else:
        say(goal_line(title, figures["ratio"], at_least))
    return figures


def per_second(names: Sequence[str], loops: Sequence[Sequence[Measured]]) -> Figures:
    """Prints and answers the throughput of each, and the CPU of an answer by process."""
    figures: Figures = {}
    for name, loop in zip(names, loops, strict=True):
        rate, microseconds = round(median_per_second(loop)), median_microseconds(loop)
        figures[name] = {
            "per_second": rate,
            "rounds": [round(one.per_second) for one in loop],
            "p50_ms": round(statistics.median(one.load.p50_ms for one in loop), 1),
            "cpu_microseconds": microseconds,
        }
        say(f"  {name:20} {rate:>7} a second   CPU microseconds each: {described(microseconds)}")
    return figures


def described(microseconds: Mapping[str, int]) -> str:
    """One line of it, with the sum."""
    if not microseconds:
        return "not counted"
    parts = [f"{name} {used}" for name, used in microseconds.items() if used]
    return f"{sum(microseconds.values())} ({', '.join(parts)})"


def checked(measured: Measured) -> Measured:
    """Says what was answered that was not wanted; a figure with it is worth little."""
    unwanted = {
        status: count for status, count in measured.load.others.items() if status != str(measured.status)
    }
    if unwanted:
        say(f"  ! also answered: {unwanted}, such as {measured.load.examples[:1]}")
    return measured

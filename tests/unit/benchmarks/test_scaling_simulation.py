"""The simulation behind docs/scaling.md: nobody is lost, no seat is sold twice."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scaling_simulation import PLACES, Sale, Writer, arrivals, main, shard_of_events, simulate

SMALL = Sale(
    people=3000, events=5, seats=500, bookings_per_second=200, memory_answers_per_second=500, max_waiting=100
)


def of_small(**changes: Any) -> dict[str, Any]:
    return simulate(replace(SMALL, **changes))


@settings(max_examples=40, deadline=None)
@given(
    people=st.integers(1, 400),
    events=st.integers(1, 8),
    seats=st.integers(0, 60),
    shards=st.integers(1, 4),
    waiting_room=st.booleans(),
    max_waiting=st.integers(1, 50),
    max_batch=st.integers(1, 40),
    seed=st.integers(0, 2**32),
)
def test_everybody_is_answered_once_and_no_seat_is_sold_twice(**changes: Any) -> None:
    sale = replace(SMALL, **changes)
    people, placed = arrivals(sale), shard_of_events(sale)
    sold = dict.fromkeys(range(sale.events), 0)
    for shard in range(sale.shards):
        writer = Writer(sale, [person for person in people if placed[person.event] == shard])
        assert writer.run().longest_queue <= sale.max_waiting
    for person in people:
        assert person.outcome in {"booked", "sold out", "gave up"}
        assert person.waited >= 0
        sold[person.event] += person.quantity if person.outcome == "booked" else 0
    assert max(sold.values()) <= sale.seats


def test_one_seed_is_one_result_and_another_seed_another() -> None:
    assert of_small() == of_small()
    assert of_small() != of_small(seed=2)


def test_distance_decides_without_a_waiting_room_and_not_with_one() -> None:
    near, *_, farthest = PLACES
    alone, fair = (
        of_small(waiting_room=room)["hottest_event"]["chance_of_early_people_by_place"]
        for room in (False, True)
    )
    assert alone[near] > 2 * alone[farthest]
    assert abs(fair[near] - fair[farthest]) < 0.15


def test_with_a_waiting_room_nobody_is_sent_away_to_come_again() -> None:
    without, with_room = of_small(), of_small(waiting_room=True)
    assert without["refused_tries"] > 0
    assert with_room["refused_tries"] == 0
    assert "gave up" not in with_room["outcomes"]


def test_more_shards_serve_many_events_sooner_and_one_event_no_sooner() -> None:
    wide = {"waiting_room": True, "placement": "demand", "early_share": 1.0}
    assert of_small(shards=5, **wide)["done_after_seconds"] < of_small(**wide)["done_after_seconds"] / 2
    one = {"events": 1, "waiting_room": True}
    assert of_small(shards=5, **one)["hottest_event"] == of_small(**one)["hottest_event"]


def test_a_writer_takes_the_time_that_its_rate_says() -> None:
    unhurried = of_small(events=1, seats=10**6, max_waiting=3000, early_share=1.0)
    assert unhurried["outcomes"] == {"booked": SMALL.people}
    assert unhurried["done_after_seconds"] == pytest.approx(
        SMALL.people / SMALL.bookings_per_second, rel=0.05
    )


def test_the_command_prints_a_line_a_run_and_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--people", "200", "--seats", "20", "--shards", "1", "2"]
    main(few)
    assert len(capsys.readouterr().out.splitlines()) == 5
    main([*few, "--json"])
    runs = json.loads(capsys.readouterr().out)
    assert [(run["sale"]["shards"], run["sale"]["waiting_room"]) for run in runs] == [
        (1, False), (1, True), (2, False), (2, True),
    ]  # fmt: skip


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "python -m benchmarks.scaling_simulation --shards" in capsys.readouterr().out

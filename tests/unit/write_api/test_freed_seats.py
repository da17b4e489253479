"""Who listens is told which events have seats again."""

from write_api.bookings.freed_seats import FreedSeats


def test_each_listener_is_told_each_event_once() -> None:
    freed_seats = FreedSeats()
    first: list[int] = []
    second: list[int] = []
    freed_seats.tell([1])
    freed_seats.listen(first.append)
    freed_seats.listen(second.append)
    freed_seats.tell([3, 2, 3])
    freed_seats.tell([2])
    assert first == second == [3, 2, 2]

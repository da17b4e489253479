import pytest

from indexer.fan_out import FanOuts

EVENTS = {1: [10, 11, 12, 13, 14], 2: []}


def pages(changed_id: int, after_id: int, page_size: int) -> list[int]:
    return [event_id for event_id in EVENTS[changed_id] if event_id > after_id][:page_size]


def test_all_events_are_listed_page_by_page_and_the_commit_waits_for_the_last() -> None:
    fan_outs = FanOuts(page_size=2)
    fan_outs.add(pages, 1, offset=5)
    fan_outs.add(pages, 2, offset=6)
    listed = []
    while len(fan_outs):
        assert fan_outs.first_offset() in {5, 6}
        offset, event_ids = fan_outs.next_page()
        listed.append((offset, event_ids))
    assert listed == [(5, [10, 11]), (5, [12, 13]), (5, [14]), (6, [])]
    assert fan_outs.first_offset() is None


def test_a_page_that_can_not_be_read_is_read_again() -> None:
    fails = [True]

    def failing_pages(changed_id: int, after_id: int, page_size: int) -> list[int]:
        if fails.pop():
            fails.append(False)
            raise ConnectionError
        return pages(changed_id, after_id, page_size)

    fan_outs = FanOuts(page_size=10)
    fan_outs.add(failing_pages, 1, offset=5)
    with pytest.raises(ConnectionError):
        fan_outs.next_page()
    assert fan_outs.next_page() == (5, EVENTS[1])


def test_a_change_that_waits_already_is_listed_once_and_one_that_began_is_listed_again() -> None:
    fan_outs = FanOuts(page_size=2)
    for offset in range(5, 8):
        fan_outs.add(pages, 1, offset=offset)
    assert len(fan_outs) == 1
    fan_outs.next_page()
    fan_outs.add(pages, 1, offset=8)
    assert len(fan_outs) == 2
    assert fan_outs.first_offset() == 5

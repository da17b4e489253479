"""A venue or an artist changed: all their events have to be read again, page by page."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

PAGE_SIZE = 500

# (changed id, after event id, page size) -> event ids
EventPages = Callable[[int, int, int], list[int]]


@dataclass(slots=True)
class _FanOut:
    pages: EventPages
    changed_id: int
    offset: int
    after_id: int = 0


class FanOuts:
    """Changes whose events are still to be listed, oldest first; one page at a time, so that others go on."""

    def __init__(self, page_size: int = PAGE_SIZE) -> None:
        self._page_size = page_size
        self._waiting: deque[_FanOut] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, pages: EventPages, changed_id: int, offset: int) -> None:
        """The message at `offset` says so. One that waits for its first page covers it already."""
        if not any(
            one.pages == pages and one.changed_id == changed_id and one.after_id == 0 for one in self._waiting
        ):
            self._waiting.append(_FanOut(pages, changed_id, offset))

    def first_offset(self) -> int | None:
        """The offset below which every change was listed to its end, or None when nothing waits."""
        return self._waiting[0].offset if self._waiting else None

    def next_page(self) -> tuple[int, list[int]]:
        """(offset, event ids) of the oldest change's next page; raises what reading it raises."""
        oldest = self._waiting[0]
        event_ids = oldest.pages(oldest.changed_id, oldest.after_id, self._page_size)
        if len(event_ids) < self._page_size:
            self._waiting.popleft()
        else:
            oldest.after_id = event_ids[-1]
        return oldest.offset, event_ids

    def clear(self) -> None:
        """Another indexer goes on from the committed offset."""
        self._waiting.clear()

"""Pages of what somebody has, newest first: the page after one begins below its last id."""

from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def page_of(rows: Rows, *, page_size: int) -> tuple[Rows, int | None]:
    """At most `page_size` of the rows, and `next_before`: one row more tells that another page follows."""
    page = rows[:page_size]
    return page, page[-1]["id"] if len(rows) > page_size else None

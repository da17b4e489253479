"""What people have of their own, such as bookings, as the region's reader has it: everyone sees their own.

Each kind is read through one view of the contract, by the statements `read_one` and `read_page` of its
feature, as rows that the contract turns into answers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, LiteralString, TypeVar

from contracts import problems
from service_kit.database import Pool
from service_kit.fields import MAX_ID
from service_kit.problem_responses import Problem

Record = TypeVar("Record")
Page = TypeVar("Page")


class OwnRecords(Generic[Record, Page]):
    """Records of one kind; `missing` tells people that they have none with an `{id}`.

    `make_page` is given the rows and `page_size`; one row more tells that another page follows.

    Plain reads: they raise service_kit.database.UNAVAILABLE_ERRORS when the reader can't answer.
    """

    def __init__(
        self,
        pool: Pool,
        queries: Mapping[str, LiteralString],
        *,
        missing: str,
        make_record: Callable[[Mapping[str, Any]], Record],
        make_page: Callable[..., Page],
    ) -> None:
        self._pool = pool
        self._queries = queries
        self._missing = missing
        self._make_record = make_record
        self._make_page = make_page

    async def one(self, person_id: int, record_id: int) -> Record:
        """One record. Raises Problem NOT_FOUND, also where it is another person's."""
        parameters = {"id": record_id, "person_id": person_id}
        async with self._pool.connection() as connection:
            row = await (await connection.execute(self._queries["read_one"], parameters)).fetchone()
        if row is None:
            raise Problem(problems.NOT_FOUND, self._missing.format(id=record_id))
        return self._make_record(row)

    async def page(self, person_id: int, *, before: int | None, page_size: int) -> Page:
        """A page of records, newest first, of those with ids below `before`."""
        first = MAX_ID if before is None else before
        parameters = {"person_id": person_id, "before": first, "limit": page_size + 1}
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(self._queries["read_page"], parameters)).fetchall()
        return self._make_page(rows, page_size=page_size)

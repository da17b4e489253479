"""Who sees which event's page."""

from contracts import problems
from contracts.event import Event, event_from_row, may_see
from read_api.events.store import EventStore
from service_kit.problem_responses import Problem


class EventService:
    """Event pages as the region's reader has them."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    async def event(self, event_id: int, *, viewer_id: int | None) -> Event:
        """The event, if `viewer_id` may see it. Raises Problem NOT_FOUND."""
        row = await self._store.event(event_id, viewer_id=viewer_id)
        if row is None or not may_see(row["status"], is_host=row["is_host"]):
            raise Problem(problems.NOT_FOUND, "There is no such event.")
        return event_from_row(row)

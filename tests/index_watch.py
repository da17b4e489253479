"""Who watches an index, and sees if a document in it goes back to an older state."""

from dataclasses import dataclass, field

from elasticsearch import Elasticsearch

from contracts.names import EVENTS_ALIAS

REQUEST_SECONDS = 2


@dataclass
class Watch:
    """What was seen in one index of events whose names end in a growing number; their versions grow too."""

    region: str
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)
    looks: int = 0
    steps: int = 0
    went_back: list[str] = field(default_factory=list)

    def look(self, elasticsearch: Elasticsearch, event_ids: list[int]) -> None:
        """Notes what became newer, and what went back. Raises ELASTICSEARCH_ERRORS."""
        answer = elasticsearch.options(request_timeout=REQUEST_SECONDS).mget(
            index=EVENTS_ALIAS, ids=[str(one) for one in event_ids], source_includes=["event.name"]
        )
        self.looks += 1
        for found in answer["docs"]:
            if found.get("found"):
                number = int(found["_source"]["event"]["name"].rpartition(" ")[2])
                self._note(int(found["_id"]), (found["_version"], number))

    def _note(self, event_id: int, now: tuple[int, int]) -> None:
        before = self.seen.get(event_id, (0, 0))
        if now != before:
            self.steps += 1
        if now[0] < before[0] or now[1] < before[1]:
            self.went_back.append(f"{self.region}: event {event_id} from {before} to {now}")
        self.seen[event_id] = now

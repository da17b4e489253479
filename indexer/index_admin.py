"""The concrete index, its aliases, and what Elasticsearch it lives in.

`events` is what searches read. Each schema writes to an index of its own, through an alias of its own;
code with another schema fills a new index by backfill and then moves `events` over, atomically.
"""

import re
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from contracts.index_progress import PROGRESS_ALIAS, PROGRESS_INDEX, PROGRESS_MAPPINGS, PROGRESS_SETTINGS
from contracts.names import EVENTS_ALIAS
from contracts.search_document import MAPPINGS, SETTINGS, schema_hash
from indexer.index_writer import write_alias

ADMIN_TIMEOUT_SECONDS = 10.0
_EVENTS_INDEX = re.compile(r"^events-(?P<hash>[0-9a-f]{10})-(?P<number>\d+)$")


@dataclass(frozen=True, slots=True)
class IndexIdentity:
    """Which index, on which start of which nodes: another one may have forgotten something."""

    name: str
    uuid: str
    node_starts: tuple[str, ...]


class IndexAdmin:
    """Makes and moves indices. Every method raises the client's errors when Elasticsearch can't do it."""

    def __init__(self, elasticsearch: Elasticsearch) -> None:
        self._elasticsearch = elasticsearch.options(request_timeout=ADMIN_TIMEOUT_SECONDS)

    def ensure(self) -> bool:
        """Makes sure of the progress index and of an index for this schema; `events` exists afterwards.

        Answers whether an index of events had to be made.
        """
        indices = self._elasticsearch.indices
        if not indices.exists_alias(name=PROGRESS_ALIAS):
            indices.create(
                index=PROGRESS_INDEX,
                mappings=PROGRESS_MAPPINGS,
                settings=PROGRESS_SETTINGS,
                aliases={PROGRESS_ALIAS: {}},
            )
        else:  # one of before may lack a field
            indices.put_mapping(index=PROGRESS_ALIAS, properties=PROGRESS_MAPPINGS["properties"])
        serves_already = bool(indices.exists_alias(name=EVENTS_ALIAS))
        is_missing = not indices.exists_alias(name=write_alias())
        if is_missing:
            aliases: dict[str, Any] = {write_alias(): {}} | ({} if serves_already else {EVENTS_ALIAS: {}})
            indices.create(index=self._next_name(), mappings=MAPPINGS, settings=SETTINGS, aliases=aliases)
        elif not serves_already:
            indices.put_alias(index=self.current(), name=EVENTS_ALIAS)
        return is_missing

    def current(self) -> str:
        """The concrete index that this schema writes to. Raises NotFoundError where there is none."""
        return str(next(iter(self._elasticsearch.indices.get_alias(name=write_alias()))))

    def served(self) -> list[str]:
        """The concrete indices that searches read: one, or none before the first start."""
        try:
            return sorted(self._elasticsearch.indices.get_alias(name=EVENTS_ALIAS))
        except NotFoundError:
            return []

    def identity(self) -> IndexIdentity:
        """The index and the starts of the nodes that hold it."""
        name = self.current()
        settings = self._elasticsearch.indices.get_settings(index=name, name="index.uuid")
        nodes = self._elasticsearch.cluster.state(metric="nodes", filter_path="nodes.*.ephemeral_id")["nodes"]
        starts = tuple(sorted(str(node["ephemeral_id"]) for node in nodes.values()))
        return IndexIdentity(name, str(settings[name]["settings"]["index"]["uuid"]), starts)

    def serve_current(self) -> None:
        """Moves `events` to the current index in one step; keeps the one before, removes older ones."""
        current, served = self.current(), self.served()
        if served == [current]:
            return
        moves = [{"remove": {"index": index, "alias": EVENTS_ALIAS}} for index in served]
        self._elasticsearch.indices.update_aliases(
            actions=[*moves, {"add": {"index": current, "alias": EVENTS_ALIAS}}]
        )
        for index in self._event_indices():
            if index != current and index not in served:
                self._elasticsearch.indices.delete(index=index)

    def _event_indices(self) -> list[str]:
        found = self._elasticsearch.indices.get(index="events-*", features="aliases", allow_no_indices=True)
        return sorted(name for name in found if _EVENTS_INDEX.match(name))

    def _next_name(self) -> str:
        matches = [_EVENTS_INDEX.match(name) for name in self._event_indices()]
        numbers = [int(match["number"]) for match in matches if match and match["hash"] == schema_hash()]
        return f"events-{schema_hash()}-{max(numbers, default=0) + 1}"

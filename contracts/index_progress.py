"""How fresh the index is, told by the indexer to `read_api` in a small index of its own.

Documents: LIVE is written after everything before a heartbeat is searchable, with the heartbeat's generation
and `lsn`: all that was committed up to there is searchable, which is what a consistency token asks for.
RECONCILED says against which index, Elasticsearch nodes and Kafka topic the index was last proved complete.
"""

from typing import Any

PROGRESS_ALIAS = "indexer-progress"
PROGRESS_INDEX = "indexer-progress-1"
LIVE_DOCUMENT = "live"
RECONCILED_DOCUMENT = "reconciled"

PROGRESS_MAPPINGS: dict[str, Any] = {
    "dynamic": "strict",
    "properties": {
        "confirmed_at": {"type": "date"},
        "generation": {"type": "integer"},
        "beat": {"type": "long"},
        "lsn": {"type": "long"},
        "version": {"type": "long"},
        "written_at": {"type": "date"},
        "proved_against": {"type": "object", "enabled": False},
        "drift": {"type": "object", "enabled": False},
    },
}
PROGRESS_SETTINGS: dict[str, Any] = {
    "number_of_shards": 1,
    "number_of_replicas": 0,
    "refresh_interval": "-1",  # read by id only, which is always current
}

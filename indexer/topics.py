"""The region's Kafka topics: made if missing, and told apart from ones that were made again."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from contracts.names import CHANGES_TOPIC, DEAD_LETTERS_TOPIC

TIMEOUT_MS = 5000
_DAY_MS = 24 * 3600 * 1000
# One partition: a total order, so that a heartbeat says exactly how far the index is. Changes older than a
# day are worth less than a reconcile.
TOPICS: dict[str, dict[str, Any]] = {
    CHANGES_TOPIC: {
        "num_partitions": 1,
        "configs": {"retention.ms": str(_DAY_MS), "retention.bytes": str(1024**3)},
    },
    DEAD_LETTERS_TOPIC: {
        "num_partitions": 1,
        "configs": {"retention.ms": str(30 * _DAY_MS), "retention.bytes": str(100 * 1024**2)},
    },
}


@dataclass(frozen=True, slots=True)
class TopicIdentity:
    """Which topic of changes, and which reign of its leader: after another one, messages may be lost."""

    topic_id: str
    leader_epoch: int


class Topics:
    """An administrator's connection to Kafka, opened when needed. Methods raise KafkaError."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin: KafkaAdminClient | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def ensure(self) -> TopicIdentity:
        """Makes the topics that are missing; answers which topic of changes this is."""
        try:
            described = {topic["name"]: topic for topic in self._client().describe_topics(list(TOPICS))}
            missing = {name: TOPICS[name] for name in TOPICS if described[name]["error_code"]}
            if missing:
                self._create(missing)
                described = {topic["name"]: topic for topic in self._client().describe_topics(list(TOPICS))}
        except KafkaError:
            self.close()
            raise
        changes = described[CHANGES_TOPIC]
        if changes["error_code"] or not changes["partitions"]:
            raise KafkaError(f"{CHANGES_TOPIC} has no leader yet")
        return TopicIdentity(str(changes["topic_id"]), int(changes["partitions"][0]["leader_epoch"]))

    def _create(self, missing: dict[str, dict[str, Any]]) -> None:
        try:
            self._client().create_topics(missing, timeout_ms=TIMEOUT_MS, wait_for_metadata=True)
        except TopicAlreadyExistsError:
            return  # another indexer was faster

    def _client(self) -> KafkaAdminClient:
        if self._admin is None:
            self._admin = KafkaAdminClient(
                bootstrap_servers=self._bootstrap,
                bootstrap_timeout_ms=TIMEOUT_MS,
                request_timeout_ms=TIMEOUT_MS,
                reconnect_backoff_max_ms=1000,
            )
        return self._admin

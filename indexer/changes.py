"""The topic of changes as the indexer reads it: in order, with gaps noticed, committed by hand."""

import logging
import time
from dataclasses import dataclass

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from contracts.change_event import Change, MalformedChangeError, decode_change
from contracts.names import CHANGES_TOPIC

CONSUMER_GROUP = "frontrow-indexer"
TIMEOUT_MS = 5000
SESSION_TIMEOUT_MS = 10_000
MAX_RECORDS = 2000
CLOSE_TIMEOUT_MS = 1000
MAX_EXCERPT_CHARACTERS = 500
# Longer than the group's session, in which every rebalance is over.
UNCOMMITTED_SECONDS = 15.0
_PARTITION = TopicPartition(CHANGES_TOPIC, 0)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that is no change, with its beginning and what is wrong with it."""

    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Received:
    """One message and where it stood."""

    offset: int
    change: Change | Malformed


class Changes:
    """A member of the consumer group; others stand by. Methods raise KafkaError.

    `member` is a name that stays the same over restarts (static membership), so that a process that was
    killed gets its partition back at once instead of after the session's timeout.
    """

    def __init__(
        self, bootstrap: str, *, member: str, uncommitted_seconds: float = UNCOMMITTED_SECONDS
    ) -> None:
        self._consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=CONSUMER_GROUP,
            group_instance_id=member,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=500,
            fetch_min_bytes=1,
            max_poll_records=MAX_RECORDS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=1000,
            request_timeout_ms=TIMEOUT_MS,
            bootstrap_timeout_ms=TIMEOUT_MS,
            reconnect_backoff_max_ms=1000,
            metadata_max_age_ms=10_000,
        )
        # A member that joins before it knows the topic's partition leads itself to an empty assignment, and
        # can stay with it for a minute: seen where three regions start at once on two busy cores.
        if not self._consumer.partitions_for_topic(CHANGES_TOPIC):
            self.close()
            raise KafkaError(f"{CHANGES_TOPIC} has no partition yet")
        self._consumer.subscribe([CHANGES_TOPIC])
        self._assigned = False
        self._next_offset: int | None = None
        self._has_gap = False
        self._uncommitted_seconds = uncommitted_seconds
        self._refused_since: float | None = None

    @property
    def assigned(self) -> bool:
        """Whether this member reads the topic; others read nothing."""
        return self._assigned

    @property
    def next_offset(self) -> int | None:
        """The offset after the last message received, or None before the first."""
        return self._next_offset

    def take_gap(self) -> bool:
        """Whether messages are known to be lost since this was last asked."""
        has_gap, self._has_gap = self._has_gap, False
        return has_gap

    def poll(self, timeout_seconds: float) -> tuple[bool, list[Received]]:
        """(whether the partition was newly given or taken, messages in order), after at most the timeout.

        Raises KafkaError also when no offset could be committed for long. kafka-python 3.0.12 can believe for
        ever that its group rebalances (seen where three regions start at once): it reads on, commits nothing,
        sends no heartbeat, and takes a whole core. Only a new member ends that.
        """
        if (
            self._refused_since is not None
            and time.monotonic() - self._refused_since > self._uncommitted_seconds
        ):
            raise KafkaError(f"no offset could be committed for {self._uncommitted_seconds:g} s")
        records = self._consumer.poll(timeout_ms=max(0, int(timeout_seconds * 1000)))
        was_assigned, self._assigned = self._assigned, _PARTITION in self._consumer.assignment()
        if was_assigned != self._assigned:
            self._next_offset = self._committed() if self._assigned else None
        if not self._assigned:
            return was_assigned, []
        received = [Received(record.offset, _decoded(record.value)) for record in records.get(_PARTITION, ())]
        if received:
            self._expect(received[0].offset)
            self._next_offset = received[-1].offset + 1
        return was_assigned != self._assigned, received

    def pause(self, paused: bool) -> None:
        """Stops or goes on fetching; polling keeps the membership alive all the same."""
        if self._assigned and paused != bool(self._consumer.paused()):
            (self._consumer.pause if paused else self._consumer.resume)(_PARTITION)

    def commit(self, offset: int) -> None:
        """The next start goes on at `offset`. Not waited for: a lost commit only means reading again."""
        self._consumer.commit_async({_PARTITION: OffsetAndMetadata(offset, "", -1)}, callback=self._note)

    def close(self) -> None:
        """Ends the connection; a static member keeps its partition for the session's timeout."""
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def _note(self, _: object, response: object) -> None:
        """Takes down what became of a commit."""
        if not isinstance(response, KafkaError):
            self._refused_since = None
            return
        _LOG.warning("offset not committed", extra={"reason": type(response).__name__})
        if self._refused_since is None:
            self._refused_since = time.monotonic()

    def _committed(self) -> int | None:
        committed: int | None = self._consumer.committed(_PARTITION, timeout_ms=TIMEOUT_MS)
        if committed is None:
            self._has_gap = True  # first start, or the group's offsets have expired
        return committed

    def _expect(self, first_offset: int) -> None:
        """Offsets of this topic have no holes: one means that retention was faster than we were."""
        if self._next_offset is not None and first_offset != self._next_offset:
            _LOG.error(
                "messages are lost", extra={"expected_offset": self._next_offset, "offset": first_offset}
            )
            self._has_gap = True


def _decoded(value: bytes | None) -> Change | Malformed:
    try:
        return decode_change(value)
    except MalformedChangeError as error:
        excerpt = (value or b"")[:MAX_EXCERPT_CHARACTERS].decode(errors="replace")
        return Malformed(str(error), excerpt)

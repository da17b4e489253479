"""Where what can't be indexed is put, with its reason, so that one bad document never stops the rest."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from contracts.names import DEAD_LETTERS_TOPIC

SEND_TIMEOUT_SECONDS = 5.0
MAX_EXCERPT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that could not be indexed. `event_id` is None where not even that could be read."""

    event_id: int | None
    reason: str
    version: int | None = None
    source_offset: int | None = None
    excerpt: str | None = None


class DeadLetters:
    """Writes to the topic of dead letters; for one thread at a time."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: KafkaProducer | None = None

    def put(self, letters: list[DeadLetter]) -> None:
        """Returns when Kafka has all of `letters`. Raises kafka.errors.KafkaError."""
        if not letters:
            return
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                max_block_ms=int(SEND_TIMEOUT_SECONDS * 1000),
                request_timeout_ms=int(SEND_TIMEOUT_SECONDS * 1000),
                delivery_timeout_ms=int(SEND_TIMEOUT_SECONDS * 1000) + 1000,
                linger_ms=0,
                bootstrap_timeout_ms=int(SEND_TIMEOUT_SECONDS * 1000),
            )
        sent = [self._producer.send(DEAD_LETTERS_TOPIC, key=_key(one), value=_value(one)) for one in letters]
        for future in sent:
            future.get(timeout=SEND_TIMEOUT_SECONDS)

    def close(self) -> None:
        """Gives up what is not sent; whoever put it did not get an answer."""
        if self._producer is not None:
            self._producer.close(timeout=0)
            self._producer = None


def read_dead_letters(bootstrap: str, limit: int) -> Iterator[dict[str, Any]]:
    """The last `limit` dead letters, oldest first. Raises kafka.errors.KafkaError."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, bootstrap_timeout_ms=5000,
        request_timeout_ms=5000, consumer_timeout_ms=2000,
    )  # fmt: skip
    try:
        partition = TopicPartition(DEAD_LETTERS_TOPIC, 0)
        consumer.assign([partition])
        first = consumer.beginning_offsets([partition])[partition]
        end = consumer.end_offsets([partition])[partition]
        start = max(first, end - limit)
        consumer.seek(partition, start)
        if start >= end:
            return
        for record in consumer:
            yield json.loads(record.value)
            if record.offset >= end - 1:
                return
    finally:
        consumer.close(autocommit=False)


def _key(letter: DeadLetter) -> bytes | None:
    return None if letter.event_id is None else str(letter.event_id).encode()


def _value(letter: DeadLetter) -> bytes:
    content = {
        "event_id": letter.event_id,
        "reason": letter.reason,
        "version": letter.version,
        "source_offset": letter.source_offset,
        "excerpt": letter.excerpt,
        "at": datetime.now(UTC).isoformat(),
    }
    return json.dumps(content).encode()

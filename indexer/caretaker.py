"""Takes care of everything that live indexing stands on, and proves the index complete when that changed.

One thread, in rounds. A round makes sure of topics, indices, slot and connector, and looks at the *ground*:
the concrete index, the starts of Elasticsearch's nodes, the topic's id and its leader's reign. If the last
reconcile ran on another ground (a first start, an index or topic made anew, Elasticsearch or Kafka
restarted) or was disproved (a slot made anew, messages lost), it runs again.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from elasticsearch import Elasticsearch
from kafka.errors import KafkaError

from indexer.backoff import Backoff
from indexer.capture import Capture
from indexer.connector import ConnectError
from indexer.dead_letters import DeadLetter, DeadLetters
from indexer.index_admin import IndexAdmin
from indexer.index_writer import ELASTICSEARCH_ERRORS, BusyError, Refusal
from indexer.proof import Proof
from indexer.reader import NotOpenError, Reader
from indexer.reconcile import Drift, Reconciler
from indexer.state import IndexerState
from indexer.topics import Topics

ROUND_SECONDS = 5.0
# Until capture streams, which takes a new connector about a second.
NOT_YET_SECONDS = 0.1
_PART = "caretaker"
_ERRORS: tuple[type[Exception], ...] = (
    psycopg.Error,
    NotOpenError,
    ConnectError,
    KafkaError,
    BusyError,
    *ELASTICSEARCH_ERRORS,
)

_LOG = logging.getLogger(__name__)


class StoppedError(Exception):
    """The process ends; a reconcile under way is given up, and runs at the next start."""


class Caretaker:
    """The loop; `run` returns when `stop` is set."""

    def __init__(
        self,
        *,
        elasticsearch: Elasticsearch,
        reader: Reader,
        admin: IndexAdmin,
        topics: Topics,
        capture: Capture,
        proof: Proof,
        dead_letters: DeadLetters,
        state: IndexerState,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._admin = admin
        self._topics = topics
        self._capture = capture
        self._proof = proof
        self._dead_letters = dead_letters
        self._state = state
        self._stop = stop
        self._clock = clock
        self._capture_checked_at = 0.0
        self._reconciler = Reconciler(
            source=reader, elasticsearch=elasticsearch, on_refusals=self._bury, after_page=self._between_pages
        )

    def run(self) -> None:
        """Rounds until `stop`; after a failure the next one comes sooner, with growing waits."""
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                settled = self._round()
            except StoppedError:
                return
            except _ERRORS as error:
                self._state.failed(_PART, error)
                self._stop.wait(backoff.failed())
            else:
                backoff.worked()
                self._state.worked(_PART)
                if settled:
                    self._proof.wait_for_doubt(ROUND_SECONDS)
                else:
                    self._stop.wait(NOT_YET_SECONDS)

    def _round(self) -> bool:
        """Answers whether the index is proved complete on the present ground."""
        doubts, disproofs = self._proof.doubts(), self._proof.disproofs
        if self._admin.ensure():
            self._state.repairs("index is missing")
        self._topics.ensure()
        is_sound = self._check_capture()
        ground = self._ground()
        if self._proof.stands(ground, doubts):
            self._state.serves()
            if is_sound:
                self._state.repaired()
            return True
        if not self._capture.streams():
            return False  # a reconcile now could miss what is committed before the stream begins
        self._state.backfills(True)
        try:
            started_at = self._clock()
            drift = self._reconciler.run()
            self._admin.serve_current()
            # The ground as it was before: if it changed meanwhile, the next round reconciles again.
            self._proof.prove(ground, drift.as_dict(), disproofs)
        finally:
            self._state.backfills(False)
        _LOG.info("reconciled", extra={"seconds": round(self._clock() - started_at, 3), **drift.as_dict()})
        return False  # the next round, at once, settles doubts

    def _check_capture(self) -> bool:
        is_sound = self._capture.check()
        self._capture_checked_at = self._clock()
        return is_sound

    def _ground(self) -> dict[str, Any]:
        index, topic = self._admin.identity(), self._topics.ensure()
        return {
            "index": index.name,
            "index_uuid": index.uuid,
            "node_starts": list(index.node_starts),
            "topic_id": topic.topic_id,
            "leader_epoch": topic.leader_epoch,
        }

    def _between_pages(self, _: Drift) -> None:
        """A long reconcile neither holds up the process's end nor the watch over the connector."""
        if self._stop.is_set():
            raise StoppedError
        if self._clock() - self._capture_checked_at > ROUND_SECONDS:
            try:
                self._check_capture()
            except (ConnectError, psycopg.Error) as error:
                self._capture_checked_at = self._clock()
                self._state.failed(_PART, error)

    def _bury(self, refusals: Sequence[Refusal]) -> None:
        letters = [DeadLetter(one.event_id, one.reason, one.version) for one in refusals]
        self._dead_letters.put(letters)
        self._state.buried(len(letters))

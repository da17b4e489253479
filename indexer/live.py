"""Follows the topic of changes: reads what changed, indexes it, makes it searchable, says how fresh it is.

One thread. Order within a round: receive, list a venue's or artist's events, read and index what is due,
refresh, tell the progress, commit. An offset is committed only after everything before it is searchable,
so SIGKILL at any point means that something is read again, and nothing else.

After an error what was not acknowledged stays pending and is read again later. Receiving goes on until
MAX_PENDING events wait; then the consumer pauses, and keeps its place in the group.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import psycopg
from kafka.errors import KafkaError

from contracts.change_event import ArtistChanged, EventsChanged, Heartbeat, TableTruncated, VenueChanged
from indexer.backoff import Backoff
from indexer.changes import Changes, Malformed, Received
from indexer.dead_letters import DeadLetter, DeadLetters
from indexer.fan_out import FanOuts
from indexer.index_writer import (
    ELASTICSEARCH_ERRORS,
    MAX_DOCUMENTS,
    BusyError,
    IndexWriter,
    documents_of,
)
from indexer.pending import PendingEvents
from indexer.progress import Progress
from indexer.proof import Proof
from indexer.reader import NotOpenError, Reader
from indexer.refresh_gate import RefreshGate
from indexer.state import IndexerState

LONGEST_POLL_SECONDS = 0.25
COMMIT_INTERVAL_SECONDS = 1.0
MAX_PENDING = 10_000
MAX_HEARTBEATS = 1000
_PART = "live indexing"
_WORK_ERRORS: tuple[type[Exception], ...] = (psycopg.Error, NotOpenError, *ELASTICSEARCH_ERRORS)

_LOG = logging.getLogger(__name__)


class LiveIndexing:
    """The loop; `run` returns when `stop` is set. `connect` opens the topic of changes."""

    def __init__(
        self,
        *,
        connect: Callable[[], Changes],
        reader: Reader,
        writer: IndexWriter,
        progress: Progress,
        proof: Proof,
        dead_letters: DeadLetters,
        state: IndexerState,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._reader = reader
        self._writer = writer
        self._progress = progress
        self._proof = proof
        self._dead_letters = dead_letters
        self._state = state
        self._stop = stop
        self._clock = clock
        self._pending = PendingEvents()
        self._fan_outs = FanOuts()
        self._gate = RefreshGate()
        self._heartbeats: deque[tuple[int, Heartbeat]] = deque(maxlen=MAX_HEARTBEATS)
        self._reached: Heartbeat | None = None  # the newest that was reached and not told yet
        self._letters: list[DeadLetter] = []
        self._must_disprove = False
        self._version: int | None = None
        self._committed_at = 0.0
        self._committed_offset: int | None = None
        self._not_before = 0.0
        self._backoff = Backoff()

    def run(self) -> None:
        """Follows the topic until `stop`; connects again, with growing waits, whenever Kafka fails."""
        backoff = Backoff()
        try:
            while not self._stop.is_set():
                try:
                    self._connect_and_follow(backoff)
                except KafkaError as error:
                    self._failed("kafka", error)
                    self._stop.wait(backoff.failed())
        finally:
            self._reader.close()

    def _connect_and_follow(self, backoff: Backoff) -> None:
        changes = self._connect()
        try:
            self._follow(changes, backoff)
        finally:
            self._state.consumes(False)
            self._start_over()
            changes.close()

    def _follow(self, changes: Changes, backoff: Backoff) -> None:
        while not self._stop.is_set():
            moved, received = changes.poll(self._poll_seconds())
            if moved:
                self._start_over()
                self._state.consumes(changes.assigned)
            self._must_disprove |= changes.take_gap()
            if received:
                backoff.worked()
                self._state.worked("kafka")
                self._take_in(received)
            changes.pause(len(self._pending) >= MAX_PENDING or len(self._fan_outs) > 0)
            if not changes.assigned or self._clock() < self._not_before:
                continue
            try:
                self._work(changes)
            except _WORK_ERRORS as error:
                self._failed(_PART, error)
                self._not_before = self._clock() + self._backoff.failed()
            else:
                if self._clock() >= self._not_before:  # else Elasticsearch was too busy for some of it
                    self._backoff.worked()
                self._state.worked(_PART)

    def _poll_seconds(self) -> float:
        """Until something is due, or a while; received messages end it at once."""
        now = self._clock()
        if len(self._fan_outs) and now >= self._not_before:
            return 0.0
        times = [at for at in (self._next_index_at(), self._gate.due_at()) if at is not None]
        next_at = max(min(times, default=now + LONGEST_POLL_SECONDS), self._not_before)
        return min(max(0.0, next_at - now), LONGEST_POLL_SECONDS)

    def _next_index_at(self) -> float | None:
        """When to write what is pending: not before it could be found, unless it fills a bulk already."""
        due_at = self._pending.next_due_at()
        if due_at is None:
            return None
        fills_a_bulk = len(self._pending.due(self._clock(), MAX_DOCUMENTS)) >= MAX_DOCUMENTS
        return self._gate.write_at(due_at, fills_a_bulk=fills_a_bulk)

    def _take_in(self, received: list[Received]) -> None:
        now = self._clock()
        for one in received:
            match one.change:
                case EventsChanged(event_ids, stock_only):
                    for event_id in event_ids:
                        self._pending.add(event_id, one.offset, stock_only=stock_only, now=now)
                case Heartbeat() as heartbeat:
                    self._heartbeats.append((one.offset, heartbeat))
                case VenueChanged(venue_id):
                    self._fan_outs.add(self._reader.events_of_venue, venue_id, one.offset)
                case ArtistChanged(artist_id):
                    self._fan_outs.add(self._reader.events_of_artist, artist_id, one.offset)
                case TableTruncated():
                    self._must_disprove = True
                case Malformed(reason, excerpt):
                    self._letters.append(DeadLetter(None, reason, source_offset=one.offset, excerpt=excerpt))

    def _work(self, changes: Changes) -> None:
        if self._must_disprove:
            self._proof.disprove()
            self._must_disprove = False
        self._bury()
        if len(self._fan_outs):
            offset, event_ids = self._fan_outs.next_page()
            for event_id in event_ids:
                self._pending.add(event_id, offset, stock_only=False, now=self._clock())
        self._index_due()
        self._refresh_if_due()
        if not self._gate.dirty:
            searchable_up_to = self._searchable_up_to(changes)
            self._tell_progress(searchable_up_to)
            self._commit(changes, searchable_up_to)

    def _index_due(self) -> None:
        """Reads and indexes one batch; what was not acknowledged stays pending, and is due."""
        next_at, now = self._next_index_at(), self._clock()
        if next_at is None or next_at > now:
            return
        event_ids = self._pending.due(now, self._writer.batch_size)
        snapshot = self._reader.events(event_ids)
        self._version = snapshot.version
        documents, unreadable = documents_of(event_ids, snapshot)
        result = self._writer.write(documents)
        self._gate.indexed()
        refused = [*unreadable, *result.refused]
        self._letters += [DeadLetter(one.event_id, one.reason, one.version) for one in refused]
        self._bury()
        done = result.acknowledged | {one.event_id for one in refused}
        self._pending.indexed(done, self._clock())
        self._state.indexed(len(result.acknowledged))
        if result.retry:
            self._not_before = self._clock() + self._backoff.failed()
            self._state.failed("elasticsearch", BusyError(result.retry_reason or "busy"))
            self._proof.doubt()
        else:
            self._state.worked("elasticsearch")

    def _bury(self) -> None:
        """Puts what can never be indexed into the topic of dead letters, before it counts as done."""
        if self._letters:
            self._dead_letters.put(self._letters)
            self._state.buried(len(self._letters))
            _LOG.error("dead letters", extra={"count": len(self._letters), "reason": self._letters[0].reason})
            self._letters = []

    def _refresh_if_due(self) -> None:
        due_at = self._gate.due_at()
        if due_at is not None and due_at <= self._clock():
            started_at = self._clock()
            self._writer.refresh()
            self._gate.refreshed(started_at=started_at, finished_at=self._clock())

    def _searchable_up_to(self, changes: Changes) -> int | None:
        """The offset before which everything is searchable; None before the first message."""
        waiting = (self._pending.first_offset(), self._fan_outs.first_offset())
        return min((offset for offset in waiting if offset is not None), default=changes.next_offset)

    def _tell_progress(self, searchable_up_to: int | None) -> None:
        """Tells the newest heartbeat that everything before is searchable, if the index can be trusted."""
        while self._heartbeats and searchable_up_to is not None and self._heartbeats[0][0] < searchable_up_to:
            self._reached = self._heartbeats.popleft()[1]
        if self._reached is not None and self._proof.trusted:
            self._progress.tell(self._reached, self._version)
            self._state.told(self._reached.confirmed_at)
            self._reached = None

    def _commit(self, changes: Changes, searchable_up_to: int | None) -> None:
        now = self._clock()
        if (
            searchable_up_to is None
            or searchable_up_to == self._committed_offset
            or now - self._committed_at < COMMIT_INTERVAL_SECONDS
        ):
            return
        changes.commit(searchable_up_to)
        self._committed_at, self._committed_offset = now, searchable_up_to

    def _start_over(self) -> None:
        """The partition was given or taken: what waits belongs to whoever reads it from the commit on."""
        self._pending.clear()
        self._fan_outs.clear()
        self._heartbeats.clear()
        self._reached = None
        self._letters.clear()
        self._gate = RefreshGate()  # whoever reads from the commit on writes and refreshes again
        self._committed_offset = None

    def _failed(self, part: str, error: BaseException) -> None:
        self._state.failed(part, error)
        self._proof.doubt()

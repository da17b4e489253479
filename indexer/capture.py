"""Keeps change capture going: a logical slot on the region's reader, and the connector that reads it.

A slot that is made again starts now, so what was committed before it is found by a reconcile alone. The
order makes SIGKILL harmless at any point: 1. forget that the index was proved complete, 2. stop the
connector and delete its offsets, 3. make the slot, 4. start the connector. A slot that exists therefore
never meets an offset older than itself, and whoever finds no proof waits for the stream, then reconciles.

A connector without an offset makes a slot that it misses, and an operator may: what such a slot has not seen
nobody knows. A slot of ours carries a mark; one without it is as good as none.
"""

import logging
import time
from collections.abc import Callable

import psycopg

from contracts.names import CAPTURE_SLOT
from indexer.connector import Connector
from indexer.reader import Reader
from service_kit.database import connection_url
from service_kit.deadline import cut_off_after
from service_kit.named_sql import load_queries

MAKE_SLOT_TIMEOUT_SECONDS = 10
# How long each restart of a failed connector may take to help; after the last the slot is made anew.
RESTART_SECONDS = (3.0, 4.0)

_LOG = logging.getLogger(__name__)


class Capture:
    """Checks slot and connector, and repairs them.

    `reader` looks, `capture_url` (a role with REPLICATION) makes the slot; `disprove` is called before
    changes may be missed, `on_repair` with what is wrong before it is mended.
    """

    def __init__(
        self,
        *,
        reader: Reader,
        capture_url: str,
        connector: Connector,
        disprove: Callable[[], None],
        on_repair: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._connector = connector
        self._disprove = disprove
        self._on_repair = on_repair
        self._queries = load_queries("indexer")
        self._capture_url = connection_url(
            capture_url,
            application_name="frontrow-indexer-capture",
            session_settings={"statement_timeout": f"{MAKE_SLOT_TIMEOUT_SECONDS}s"},
        )
        self._clock = clock
        self._restarts = 0
        self._restarted_at = 0.0

    def check(self) -> bool:
        """Makes sure of slot and connector; answers whether nothing had to be mended.

        Raises ConnectError, psycopg.Error, what `disprove` raises.
        """
        slot_fault = self._slot_fault()
        if slot_fault is not None:
            self._make_anew(slot_fault)
        return self._check_connector() and slot_fault is None

    def streams(self) -> bool:
        """Whether changes flow from now on, and what was before can be read. Raises psycopg.Error."""
        slot = self._reader.slot(CAPTURE_SLOT)
        return slot is not None and slot.is_ours and not slot.is_lost and slot.active and slot.replay_passed

    def _slot_fault(self) -> str | None:
        slot = self._reader.slot(CAPTURE_SLOT)
        if slot is None:
            return "capture slot is missing"
        if slot.is_lost:
            return "capture slot was invalidated"
        return None if slot.is_ours else "capture slot was made by somebody else"

    def _check_connector(self) -> bool:
        state = self._connector.state()
        if state is None:
            self._tell("connector is missing")
            self._connector.register()
            return False
        if not state.configured:  # by an older version of this code, or for a database that has moved
            self._tell("connector has another configuration")
            self._connector.configure()
        if state.stopped:
            self._connector.resume()
        elif state.failed:
            self._mend_failed(state.trace)
        else:
            if self._clock() - self._restarted_at > RESTART_SECONDS[-1]:
                self._restarts = 0
            return state.configured
        return False

    def _tell(self, fault: str) -> None:
        _LOG.warning("change capture is mended", extra={"fault": fault, "restarts": self._restarts})
        self._on_repair(fault)

    def _mend_failed(self, trace: str | None) -> None:
        """Restarts what failed; where that doesn't help (its offset is older than its slot, say), more."""
        if self._restarts > 0 and self._clock() - self._restarted_at < RESTART_SECONDS[self._restarts - 1]:
            return
        if self._restarts == len(RESTART_SECONDS):
            self._make_anew(f"connector keeps failing: {trace}")
            return
        self._tell(f"connector failed: {trace}")
        self._connector.restart_failed()
        self._restarted_at = self._clock()
        self._restarts += 1

    def _make_anew(self, fault: str) -> None:
        self._tell(fault)
        self._disprove()
        self._connector.stop()
        self._connector.forget_offsets()
        self._make_slot()
        self._restarts = 0

    def _make_slot(self) -> None:
        with (
            psycopg.connect(self._capture_url, autocommit=True) as connection,
            cut_off_after(connection, MAKE_SLOT_TIMEOUT_SECONDS + 2.0),
        ):
            # Looked for only now: Debezium may have made one before it stopped.
            connection.execute(self._queries["drop_slot"], {"slot": CAPTURE_SLOT})
            connection.execute(self._queries["make_slot"], {"slot": CAPTURE_SLOT})

"""Whether the index is known to be complete, and so may be called as fresh as the last heartbeat says.

The *proof* is a document in Elasticsearch: the ground (index, node starts, topic, leader's reign) on which
the last reconcile ran. A *doubt* withholds the index's age until the ground was looked at again; to
*disprove* is to delete the proof, after which only a reconcile helps.
"""

import threading
from collections.abc import Mapping
from typing import Any

from indexer.progress import Progress


class Proof:
    """Shared by the threads that index and that take care. Methods raise what Progress raises."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._doubts = 0
        self._disproofs = 0
        self._trusted = False
        self._woken = threading.Event()

    @property
    def trusted(self) -> bool:
        """Whether everything in the index may be called as fresh as the newest heartbeat."""
        return self._trusted

    @property
    def disproofs(self) -> int:
        """How often the proof was taken back; remembered before a reconcile and given to `prove`."""
        return self._disproofs

    def doubt(self) -> None:
        """Something broke that may have lost documents or changes: look at the ground again, soon."""
        with self._lock:
            self._doubts += 1
            self._trusted = False
        self._woken.set()

    def disprove(self) -> None:
        """Changes are or may be missed from now on."""
        with self._lock:
            self._doubts += 1
            self._disproofs += 1
            self._trusted = False
            self._progress.forget_proof()
        self._woken.set()

    def doubts(self) -> int:
        """How many doubts there were; remembered before the ground is looked at and given to `stands`."""
        return self._doubts

    def stands(self, ground: Mapping[str, Any], doubts: int) -> bool:
        """Whether the proof is of this ground; then doubts that were there before are settled."""
        if self._progress.proved_against() != ground:
            return False
        with self._lock:
            self._trusted = self._doubts == doubts
        return True

    def prove(self, ground: Mapping[str, Any], drift: Mapping[str, int], disproofs: int) -> bool:
        """A reconcile of `ground` is done; answers False if it was disproved meanwhile."""
        with self._lock:
            if self._disproofs != disproofs:
                return False
            self._progress.prove(ground, drift)
            return True

    def wait_for_doubt(self, seconds: float) -> None:
        """Returns when there is a new doubt, or when `seconds` have passed."""
        if self._woken.wait(seconds):
            self._woken.clear()

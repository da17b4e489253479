from datetime import UTC, datetime
from typing import Any

from indexer.index_writer import BulkResult, Versioned, documents_of
from indexer.index_writer import _sort_item as sort_item
from indexer.reader import Snapshot
from tests.unit.contracts.test_search_document import a_row


def test_a_row_that_can_be_no_document_does_not_stop_the_others() -> None:
    rows: list[Any] = [a_row(id=1), a_row(id=2, time_zone="No/Where"), a_row(id=3)]
    documents, refusals = documents_of([1, 2, 3], Snapshot(9, rows))
    assert [one.event_id for one in documents] == [1, 3]
    assert [(one.event_id, one.version) for one in refusals] == [(2, 9)]
    assert "ZoneInfoNotFoundError" in refusals[0].reason


def test_a_missing_row_is_a_tombstone() -> None:
    documents, _ = documents_of([1], Snapshot(9, []))
    assert documents[0].document["removed"] is True
    removed_at = datetime.fromisoformat(documents[0].document["removed_at"])
    assert abs((datetime.now(UTC) - removed_at).total_seconds()) < 60


def sorted_item(status: int, error: dict[str, Any] | None = None) -> tuple[bool, BulkResult]:
    result = BulkResult()
    item = {"status": status} | ({"error": error} if error else {})
    return sort_item(Versioned(1, 9, {}), item, result), result


def test_a_newer_document_in_the_index_is_success() -> None:
    _, result = sorted_item(409, {"type": "version_conflict_engine_exception"})
    assert result.acknowledged == {1}
    assert result.written == set()


def test_a_busy_engine_is_asked_again_with_less() -> None:
    for status in (429, 503):
        busy, result = sorted_item(status, {"type": "es_rejected_execution_exception", "reason": "full"})
        assert busy
        assert result.retry == {1}
        assert result.retry_reason == "es_rejected_execution_exception: full"


def test_a_lost_index_is_waited_for() -> None:
    busy, result = sorted_item(404, {"type": "index_not_found_exception"})
    assert not busy
    assert result.retry == {1}


def test_a_bad_document_is_refused_with_its_reason_and_cause() -> None:
    error = {"type": "document_parsing_exception", "reason": "no", "caused_by": {"reason": "bad number"}}
    _, result = sorted_item(400, error)
    assert result.refused[0].reason == "document_parsing_exception: no: bad number"
    assert result.retry == set()

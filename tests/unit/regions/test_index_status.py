import pytest

from regions.local.index_status import IndexStatus, index_words

MENDED = {"what": "capture slot is missing", "at": "2026-11-21T11:12:07+00:00"}


@pytest.mark.parametrize(
    ("status", "age_ms", "words"),
    [
        (IndexStatus("live", None, None, None), 210, "index 210 ms old, live"),
        (IndexStatus(None, None, None, None), None, "index age unknown, its indexer is silent"),
        (
            IndexStatus("repairing", "connector is missing", None, None),
            900,
            "index 900 ms old, repairing (connector is missing)",
        ),
        (
            IndexStatus("retrying", None, "kafka: NoBrokersAvailable", None),
            9000,
            "index 9000 ms old, retrying (kafka: NoBrokersAvailable)",
        ),
        (
            IndexStatus("live", None, None, MENDED),
            210,
            "index 210 ms old, live, mended at 2026-11-21T11:12:07+00:00: capture slot is missing",
        ),
    ],
)
def test_an_index_is_told_in_words(status: IndexStatus, age_ms: int | None, words: str) -> None:
    assert index_words(status, age_ms) == words

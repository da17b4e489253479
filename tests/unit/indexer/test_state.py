from datetime import UTC, datetime, timedelta

from indexer.state import IndexerState


def test_phases_follow_what_happens() -> None:
    state = IndexerState()
    assert state.details()["phase"] == "starting"
    state.backfills(True)
    assert state.details()["phase"] == "backfilling"
    state.backfills(False)
    state.consumes(True)
    assert not state.ready
    state.serves()
    assert state.ready
    assert state.details()["phase"] == "live"


def test_an_error_is_told_until_its_part_works_again() -> None:
    state = IndexerState()
    state.failed("elasticsearch", ConnectionError("refused"))
    state.worked("kafka")
    details = state.details()
    assert details["phase"] == "retrying"
    assert details["last_error"] == "elasticsearch: ConnectionError: refused"
    state.worked("elasticsearch")
    assert state.details()["last_error"] is None


def test_silence_is_an_error_too() -> None:
    state = IndexerState()
    state.told(datetime.now(UTC) - timedelta(seconds=60))
    details = state.details()
    assert details["phase"] == "retrying"
    assert "no heartbeat" in details["last_error"]
    assert details["index_age_ms"] >= 60_000


def test_a_repair_is_told_while_it_lasts_and_remembered() -> None:
    state = IndexerState()
    state.repairs("capture slot is missing")
    assert (state.details()["phase"], state.details()["repairing"]) == (
        "repairing",
        "capture slot is missing",
    )
    state.repaired()
    assert state.details()["repairing"] is None
    last_repair = state.details()["last_repair"]
    assert last_repair["what"] == "capture slot is missing"
    state.repaired()
    assert state.details()["last_repair"] == last_repair, "nothing was wrong since"

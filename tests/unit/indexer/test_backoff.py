from indexer.backoff import Backoff


def test_waits_double_to_their_ceiling_and_start_again_after_a_success() -> None:
    backoff = Backoff(first_seconds=0.1, ceiling_seconds=0.5)
    assert [backoff.failed() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    backoff.worked()
    assert backoff.failed() == 0.1

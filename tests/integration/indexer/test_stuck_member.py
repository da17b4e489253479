"""A member of the consumer group that is stuck in a rebalance is given up, and a new one goes on."""

import time

import pytest
from kafka.coordinator.base import MemberState
from kafka.errors import KafkaError

from indexer.changes import Changes
from indexer.topics import Topics
from tests.conftest import Platform

UNCOMMITTED_SECONDS = 2.0
MEMBER = "of-a-test"


@pytest.fixture
def kafka(platform: Platform) -> str:
    address = platform.address("kafka")
    with Topics(address) as topics:
        topics.ensure()
    return address


def follow(changes: Changes, seconds: float) -> None:
    """Polls and commits for a while, as live indexing does."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        changes.poll(0.1)
        if changes.assigned:
            changes.commit(0)


def a_member(kafka: str, monkeypatch: pytest.MonkeyPatch) -> Changes:
    monkeypatch.setattr("indexer.changes.CONSUMER_GROUP", "of-a-test")
    return Changes(kafka, member=MEMBER, uncommitted_seconds=UNCOMMITTED_SECONDS)


def test_a_member_that_can_commit_goes_on(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = a_member(kafka, monkeypatch)
    follow(changes, 2 * UNCOMMITTED_SECONDS)
    assert changes.assigned
    changes.close()


def test_a_member_that_is_stuck_in_a_rebalance_is_given_up(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = a_member(kafka, monkeypatch)
    follow(stuck, 1.0)
    stuck._consumer._coordinator.state = MemberState.REBALANCING  # as it was seen, with nothing to end it
    with pytest.raises(KafkaError, match="no offset could be committed"):
        follow(stuck, 4 * UNCOMMITTED_SECONDS)
    stuck.close()
    follow(fresh := a_member(kafka, monkeypatch), 2 * UNCOMMITTED_SECONDS)
    assert fresh.assigned
    fresh.close()

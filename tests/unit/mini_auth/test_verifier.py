"""What a good token gives, and how long it is good."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.token_claims import ACCESS_TOKEN_SECONDS, ROLES, Identity
from mini_auth.verifier import LEEWAY_SECONDS, KeysUnavailableError, TokenRefusedError
from tests.tokens import Desk, eddsa_key, es256_key, make_desk

DESK = make_desk(eddsa_key("key-1"))


def test_a_good_token_tells_who_asks(desk: Desk) -> None:
    issued_at = datetime.fromtimestamp(int(desk.clock.now), UTC)
    assert desk.verifier.verify(desk.token()) == Identity(
        person_id=7,
        roles=frozenset({"host"}),
        session_id=70,
        token_id="token-1",
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=ACCESS_TOKEN_SECONDS),
    )


@given(person_id=st.integers(1, 2**63 - 1), roles=st.sets(st.sampled_from(sorted(ROLES)), min_size=1))
def test_every_person_and_every_set_of_roles_comes_back_as_issued(person_id: int, roles: set[str]) -> None:
    identity = DESK.verifier.verify(DESK.token(sub=str(person_id), roles=sorted(roles)))
    assert (identity.person_id, set(identity.roles)) == (person_id, roles)


def test_a_token_is_good_for_its_time_and_the_leeway_and_no_longer(desk: Desk) -> None:
    token, issued_at = desk.token(), int(desk.clock.now)
    for is_known in (False, True):
        verifier = desk.verifier if is_known else make_desk(desk.key).verifier
        if is_known:
            verifier.verify(token)
        verifier._clock = desk.clock
        desk.clock.now = issued_at - LEEWAY_SECONDS
        verifier.verify(token)
        desk.clock.now = issued_at + ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS - 0.001
        verifier.verify(token)
        desk.clock.now = issued_at + ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS
        with pytest.raises(TokenRefusedError, match="expired"):
            verifier.verify(token)
        desk.clock.now = issued_at


def test_a_known_token_is_verified_much_faster(desk: Desk) -> None:
    """A ratio of two things timed side by side: the best of many, so that a busy machine changes little."""
    tokens = [desk.token(jti=f"token-{number}") for number in range(50)]

    def fastest_seconds() -> float:
        seconds = []
        for token in tokens:
            start = time.perf_counter()
            desk.verifier.verify(token)
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    first, again = fastest_seconds(), fastest_seconds()
    assert first > 5 * again


def test_a_known_token_dies_with_its_key(desk: Desk) -> None:
    token = desk.token()
    desk.verifier.verify(token)
    desk.keys.hold(es256_key("key-2"))
    with pytest.raises(TokenRefusedError, match="key is not known"):
        desk.verifier.verify(token)


def test_a_known_token_is_checked_again_when_its_key_id_has_another_key(desk: Desk) -> None:
    token = desk.token()
    desk.verifier.verify(token)
    other = es256_key("key-1") if desk.key.algorithm == "ES256" else eddsa_key("key-1")
    desk.keys.hold(other)
    with pytest.raises(TokenRefusedError, match="signature is wrong"):
        desk.verifier.verify(token)


def test_the_previous_and_the_next_key_verify_side_by_side(desk: Desk) -> None:
    following = es256_key("key-2")
    desk.keys.hold(desk.key, following)
    assert desk.verifier.verify(desk.token()).person_id == 7
    assert desk.verifier.verify(following.sign(desk.claims(sub="8"))).person_id == 8


def test_the_memory_of_verified_tokens_is_bounded() -> None:
    desk = make_desk(eddsa_key("key-1"), max_cached_tokens=10)
    for number in range(25):
        desk.verifier.verify(desk.token(jti=f"token-{number}"))
        assert len(desk.verifier._verified) <= 10


def test_refused_tokens_are_not_remembered(desk: Desk) -> None:
    with pytest.raises(TokenRefusedError):
        desk.verifier.verify(desk.token()[:-8] + "AAAAAAAA")
    assert not desk.verifier._verified


def test_without_any_key_set_a_token_can_not_be_judged(desk: Desk) -> None:
    desk.keys.hold()
    desk.keys.age_ms = None
    with pytest.raises(KeysUnavailableError):
        desk.verifier.verify(desk.token())


@pytest.mark.parametrize(("kind", "subject"), [("person", 7), ("session", 70), ("token", "token-1")])
def test_a_revoked_token_is_refused_whether_it_is_known_or_not(
    desk: Desk, kind: str, subject: object
) -> None:
    known, unknown = desk.token(), desk.token()
    other = desk.token(sub="8", sid="80", jti="token-8")
    for token in (known, other):
        desk.verifier.verify(token)
    desk.keys.revoke(kind, subject, at=desk.clock.now)
    for token in (known, unknown):
        with pytest.raises(TokenRefusedError, match="revoked"):
            desk.verifier.verify(token)
    assert desk.verifier.verify(other).person_id == 8
    assert list(desk.verifier._verified) == [other]


def test_a_person_is_revoked_up_to_a_second_and_may_log_in_in_the_next(desk: Desk) -> None:
    issued_at = int(desk.clock.now)
    desk.keys.revoke("person", 7, at=issued_at + 0.5)
    with pytest.raises(TokenRefusedError, match="revoked"):
        desk.verifier.verify(desk.token())
    assert desk.verifier.verify(desk.token(iat=issued_at + 1)).person_id == 7


def test_a_revocation_is_forgotten_when_no_token_can_meet_it(desk: Desk) -> None:
    desk.keys.revoke("session", 70, at=desk.clock.now, kept_seconds=10)
    desk.keys.revoke("session", 71, at=desk.clock.now + 11)
    assert [one["subject"] for one in desk.keys.knowledge.revocations.rows()] == ["71"]


def test_a_late_copy_of_an_older_revocation_does_not_undo_a_newer_one(desk: Desk) -> None:
    at = int(desk.clock.now)
    desk.keys.revoke("person", 7, at=at + 5)
    desk.keys.revoke("person", 7, at=at)
    with pytest.raises(TokenRefusedError, match="revoked"):
        desk.verifier.verify(desk.token(iat=at + 3))


def test_a_long_token_is_verified_each_time_and_not_remembered(desk: Desk) -> None:
    token = desk.token(client_id="x" * 3000)
    assert desk.verifier.verify(token).person_id == 7
    assert not desk.verifier._verified

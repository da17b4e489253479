"""What is taken for a key, and how the key set is kept on disk."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from mini_auth.knowledge_snapshot import Snapshot, read_snapshot, write_snapshot
from mini_auth.verification_key import KeyRefusedError, verification_key
from tests.tokens import SigningKey, eddsa_key, es256_key

NOW = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def row(**changes: Any) -> dict[str, Any]:
    return {**es256_key("key-1").row, **changes}


def jwk_of(private_key: Any, algorithm: str) -> dict[str, Any]:
    members: dict[str, Any] = json.loads(
        jwt.get_algorithm_by_name(algorithm).to_jwk(private_key.public_key())
    )
    return members


@pytest.mark.parametrize("key", [es256_key("key-1"), eddsa_key("key-2")], ids=["ES256", "EdDSA"])
def test_what_is_published_verifies_elsewhere_and_is_public_only(key: SigningKey) -> None:
    private = json.loads(jwt.get_algorithm_by_name(key.algorithm).to_jwk(key.private_key))
    assert "d" in private
    published = verification_key({**key.row, "public_jwk": {**private, "k": "x", "use": "enc"}}).published()
    assert not {"d", "k"} & set(published)
    assert (published["kid"], published["alg"], published["use"]) == (key.key_id, key.algorithm, "sig")
    token = key.sign({"sub": "7"})
    assert jwt.decode(token, jwt.PyJWK(published), algorithms=[key.algorithm]) == {"sub": "7"}


@pytest.mark.parametrize(
    "bad",
    [
        row(key_id=""),
        row(key_id="k" * 101),
        row(key_id=None),
        row(algorithm="HS256"),
        row(algorithm="none"),
        row(algorithm="ES384"),
        row(algorithm="EdDSA"),
        row(algorithm=None),
        row(public_jwk=None),
        row(public_jwk={}),
        row(public_jwk={"kty": "oct", "k": "c2VjcmV0"}),
        row(public_jwk={"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        row(public_jwk={"kty": "EC", "crv": "P-256"}),
        row(public_jwk=jwk_of(ec.generate_private_key(ec.SECP384R1()), "ES384")),
        row(public_jwk=jwk_of(rsa.generate_private_key(65537, 2048), "RS256")),
        row(algorithm="EdDSA", public_jwk=jwk_of(ed448.Ed448PrivateKey.generate(), "EdDSA")),
    ],
    ids=str,
)
def test_a_row_that_is_no_key_of_ours_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(KeyRefusedError):
        verification_key(bad)


def test_a_snapshot_comes_back_whole_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys.json"
    killed = [{"kind": "person", "subject": "7", "revoked_at": 1.5, "expires_at": 2.5}]
    first, second = es256_key("key-1").row, eddsa_key("key-2").row
    snapshot = Snapshot(NOW, [first, second], killed)
    before = os.umask(0)
    try:
        write_snapshot(path, Snapshot(NOW, [first], []))
        write_snapshot(path, snapshot)
    finally:
        os.umask(before)
    assert read_snapshot(path) == snapshot
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["keys.json"]


def test_a_snapshot_that_can_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    snapshot = Snapshot(NOW, [es256_key("key-1").row], [])
    write_snapshot(path, snapshot)
    path.with_name(f".keys.json.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(OSError, match="symbolic"):
        write_snapshot(path, Snapshot(NOW, [], []))
    assert read_snapshot(path) == snapshot


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"keys": []}',
        '{"read_at": 1, "keys": []}',
        '{"read_at": "2026-11-21T10:00:00+00:00", "keys": {}}',
        '{"read_at": "2026-11-21T10:00:00+00:00", "keys": [], "revocations": 1}',
        '{"read_at": "x", "keys": []}',
        "\xff",
    ],
)
def test_a_broken_snapshot_is_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content, encoding="latin-1")
    assert read_snapshot(path) is None
    assert read_snapshot(tmp_path / "absent.json") is None

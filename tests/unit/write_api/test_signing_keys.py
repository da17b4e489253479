"""Private keys are stored sealed, and opened by nobody else."""

import os

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from write_api.signing_keys.sealed_key import SealedKeyError, new_signing_key, seal, unseal

SEALING_KEY = os.urandom(32)


def test_a_sealed_key_is_opened_with_its_id_and_signs_as_before() -> None:
    key = new_signing_key()
    opened = unseal(key.key_id, seal(key, SEALING_KEY), SEALING_KEY)
    token = opened.sign({"sub": "1"})
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": key.key_id, "typ": "at+jwt"}
    assert jwt.decode(token, jwt.PyJWK({**key.public_jwk(), "alg": "ES256"}), algorithms=["ES256"]) == {
        "sub": "1"
    }


def test_another_sealing_key_or_another_id_opens_nothing() -> None:
    key = new_signing_key()
    sealed = seal(key, SEALING_KEY)
    with pytest.raises(SealedKeyError):
        unseal(key.key_id, sealed, os.urandom(32))
    with pytest.raises(SealedKeyError):
        unseal(new_signing_key().key_id, sealed, SEALING_KEY)


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    key = new_signing_key()
    sealed = bytearray(seal(key, SEALING_KEY))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealedKeyError):
        unseal(key.key_id, bytes(sealed), SEALING_KEY)


def test_neither_the_row_nor_the_representation_shows_the_private_key() -> None:
    key = new_signing_key()
    number = key.private_key.private_numbers().private_value.to_bytes(32, "big")
    assert number not in seal(key, SEALING_KEY)
    assert repr(key) == f"SigningKey({key.key_id})"
    assert set(key.public_jwk()) == {"kty", "crv", "x", "y"}

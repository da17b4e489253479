"""A consistency token says exactly the position that was signed, or nothing."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.consistency_token import MAX_GENERATION, MAX_LSN, Position, TokenMalformedError, TokenSigner

KEY = bytes(range(32))
POSITIONS = st.builds(Position, st.integers(0, MAX_GENERATION), st.integers(0, MAX_LSN))


@given(POSITIONS)
def test_what_was_signed_is_read_back(position: Position) -> None:
    assert TokenSigner(KEY).read(TokenSigner(KEY).sign(position)) == position


@given(POSITIONS, st.integers(min_value=0))
def test_any_flipped_bit_is_refused(position: Position, bit: int) -> None:
    token = bytearray(base64.urlsafe_b64decode(TokenSigner(KEY).sign(position)))
    token[bit // 8 % len(token)] ^= 1 << bit % 8
    with pytest.raises(TokenMalformedError):
        TokenSigner(KEY).read(base64.urlsafe_b64encode(token).decode())


@given(POSITIONS, st.integers(0, 35), st.characters() | st.sampled_from("+/="))
def test_any_other_character_is_refused(position: Position, place: int, character: str) -> None:
    token = TokenSigner(KEY).sign(position)
    changed = token[:place] + character + token[place + 1 :]
    if changed != token:
        with pytest.raises(TokenMalformedError):
            TokenSigner(KEY).read(changed)


def test_each_token_has_one_spelling() -> None:
    signer = TokenSigner(KEY)
    spelt_otherwise = 0
    for lsn in range(200):
        token = signer.sign(Position(1, lsn))
        other = token.replace("-", "+").replace("_", "/")
        if other != token:
            spelt_otherwise += 1
            with pytest.raises(TokenMalformedError, match="base64url"):
                signer.read(other)
    assert spelt_otherwise


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(TokenMalformedError):
        TokenSigner(KEY).read(text)


def test_another_platforms_token_is_refused() -> None:
    with pytest.raises(TokenMalformedError, match="not signed here"):
        TokenSigner(bytes(32)).read(TokenSigner(KEY).sign(Position(1, 5000)))


def test_a_token_of_another_version_is_refused_although_it_is_signed() -> None:
    signer = TokenSigner(KEY)
    claim = bytes([2]) + base64.urlsafe_b64decode(signer.sign(Position(1, 2)))[1:11]
    token = base64.urlsafe_b64encode(claim + signer._signature(claim)).decode()
    with pytest.raises(TokenMalformedError, match="version"):
        signer.read(token)


@given(POSITIONS, POSITIONS)
def test_a_later_generation_is_later_whatever_its_position_is(one: Position, other: Position) -> None:
    assert (one < other) == ((one.generation, one.lsn) < (other.generation, other.lsn))


@pytest.mark.parametrize(
    "position", [Position(-1, 0), Position(MAX_GENERATION + 1, 0), Position(0, MAX_LSN + 1)]
)
def test_what_is_no_position_is_not_signed(position: Position) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        TokenSigner(KEY).sign(position)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        TokenSigner(b"short")

"""A refresh token has one spelling, and nobody else can write one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from write_api.sessions.refresh_tokens import (
    MAX_TOKEN_CHARACTERS,
    RefreshToken,
    RefreshTokenRefusedError,
    RefreshTokens,
)

TOKENS = RefreshTokens(b"a secret")
ANY = st.builds(RefreshToken, st.integers(1, 2**63 - 1), st.integers(1, 2**31 - 1))


@given(ANY)
def test_a_token_comes_back_and_is_the_same_each_time(token: RefreshToken) -> None:
    text = TOKENS.write(token)
    assert TOKENS.read(text) == token
    assert TOKENS.write(token) == text
    assert len(text) <= MAX_TOKEN_CHARACTERS


@given(ANY, st.data())
def test_no_other_spelling_is_taken(token: RefreshToken, data: st.DataObject) -> None:
    text = TOKENS.write(token)
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCDabcd0123-_=. \u00e9").filter(lambda one: one != text[position]))
    for changed in (text[:position] + other + text[position + 1 :], text[:position], text + other):
        with pytest.raises(RefreshTokenRefusedError):
            TOKENS.read(changed)


@given(ANY)
def test_another_secret_writes_other_tokens(token: RefreshToken) -> None:
    with pytest.raises(RefreshTokenRefusedError):
        RefreshTokens(b"another secret").read(TOKENS.write(token))


@given(st.text(max_size=100))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(RefreshTokenRefusedError):
        TOKENS.read(text)

"""A link has one spelling, is good for one purpose and until it expires, and nobody else can write one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.signed_links import MAX_LINK_CHARACTERS, Link, LinkRefusedError, SignedLinks

LINKS = SignedLinks(b"a secret", "open a door")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NUMBERS = st.integers(0, 2**64 - 1)
LATER = st.integers(1, 10**10).map(lambda seconds: NOW + timedelta(seconds=seconds))
ANY = st.builds(Link, NUMBERS, NUMBERS, LATER)


@given(ANY)
def test_a_link_comes_back_and_is_the_same_each_time(link: Link) -> None:
    text = LINKS.write(link)
    assert LINKS.read(text, now=NOW) == link
    assert LINKS.write(link) == text
    assert len(text) <= MAX_LINK_CHARACTERS
    assert text.replace("-", "").replace("_", "").isalnum()


@given(ANY)
def test_a_link_is_good_until_the_second_at_which_it_expires(link: Link) -> None:
    text = LINKS.write(link)
    assert LINKS.read(text, now=link.expires_at - SECOND) == link
    for late in (link.expires_at, link.expires_at + SECOND):
        with pytest.raises(LinkRefusedError, match="expired"):
            LINKS.read(text, now=late)


@given(ANY, st.data())
def test_no_other_spelling_is_taken(link: Link, data: st.DataObject) -> None:
    text = LINKS.write(link)
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("ABCDabcd0123-_=+/. \u00e9").filter(lambda one: one != text[position]))
    for changed in (text[:position] + other + text[position + 1 :], text[:position], text + other):
        with pytest.raises(LinkRefusedError):
            LINKS.read(changed, now=NOW)


@given(ANY)
def test_another_secret_or_purpose_writes_other_links(link: Link) -> None:
    text = LINKS.write(link)
    for other in (SignedLinks(b"another secret", "open a door"), SignedLinks(b"a secret", "close a door")):
        with pytest.raises(LinkRefusedError):
            other.read(text, now=NOW)


@given(st.text(max_size=100))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(LinkRefusedError):
        LINKS.read(text, now=NOW)

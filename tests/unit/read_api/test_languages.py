import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_api.languages import accepted_languages


@pytest.mark.parametrize(
    ("header", "languages"),
    [
        (None, ("en",)),
        ("", ("en",)),
        ("*", ("en",)),
        ("de", ("de",)),
        ("en-GB,en;q=0.9,de;q=0.95", ("en", "de")),
        ("vi, fr;q=0.5", ("fr",)),
        ("de;q=0, fr", ("fr",)),
        ("de;q=x, fr", ("fr",)),
        ("de;q=nan, fr", ("fr",)),
    ],
)
def test_languages_are_ordered_by_weight(header: str | None, languages: tuple[str, ...]) -> None:
    assert accepted_languages(header) == languages


@given(st.text(max_size=200))
def test_no_header_is_an_error(header: str) -> None:
    assert 1 <= len(accepted_languages(header)) <= 5

import pytest

from regions.local.status import knowledge_words


@pytest.mark.parametrize(
    ("age_ms", "words"),
    [
        (0, ""),
        (2000, ""),
        (31_400, "keys and revocations 31 s OLD"),
        (None, "age of keys and revocations unknown"),
    ],
)
def test_old_knowledge_is_told_in_words(age_ms: int | None, words: str) -> None:
    assert knowledge_words(age_ms) == words

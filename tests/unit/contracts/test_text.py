# ruff: noqa: RUF001 - look-alike letters of other scripts are what this is about
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.text import (
    MAX_WORD_CHARACTERS,
    fold,
    folded_words,
    joined,
    language_code,
    stemmed_languages,
    stems,
)

ANY_TEXT = st.text(max_size=200)
WORDS = st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöüéèñçøłßабвгд東京", min_size=1, max_size=20)


@given(ANY_TEXT)
@example("ﷺ ½ ﬁ Ǆ İ")
@example("a'b c'dd e'fff l''a")
@example("C++ c# ˚ ΐ ẞ")
@example("か\u3099 각 हिन्दी ไทย")
def test_folding_what_is_folded_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(ANY_TEXT)
def test_elasticsearch_splits_a_folded_text_into_exactly_our_words(text: str) -> None:
    # Its whitespace tokenizer cuts where Java sees white space, which is a subset of where Python does.
    assert fold(text).split() == folded_words(text)


@given(ANY_TEXT)
def test_case_and_composition_make_no_difference(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(text.casefold()) == fold(text)


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_a_query_of_some_of_the_words_finds_each_of_them_in_the_document(words: list[str]) -> None:
    document = set(folded_words(" — ".join(words)))
    for word in words:
        assert set(folded_words(word.upper())) <= document | set(folded_words(word))
        assert set(folded_words(word)) <= document


@given(ANY_TEXT)
def test_words_are_bounded_and_never_empty(text: str) -> None:
    assert all(0 < len(word) <= MAX_WORD_CHARACTERS for word in folded_words(text))


@given(ANY_TEXT, st.sampled_from([("en",), ("de",), ("en", "fr", "tr"), ("ar", "hi", "ru")]))
def test_every_word_has_a_stem(text: str, languages: tuple[str, ...]) -> None:
    words = folded_words(text)
    assert len(words) <= len(stems(words, languages)) <= len(words) * len(languages)
    assert all(stem and " " not in stem for stem in stems(words, languages))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Motörhead & Friends", ["motorhead", "and", "friends"]),
        ("Straße", ["strasse"]),
        ("Łódź, Tromsø", ["lodz", "tromso"]),
        ("Œuvre", ["oeuvre"]),
        ("AC/DC", ["ac", "dc"]),
        ("McDonald\u2019s", ["mcdonalds"]),
        ("l'amour", ["l", "amour"]),
        ("wroc_love.rb", ["wroc", "love", "rb"]),
        ("C++ C#", ["cplusplus", "csharp"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("東京2026", ["東", "京", "2026"]),
        ("がく", ["が", "く"]),
        ("서울 재즈", ["서울", "재즈"]),
        ("हिन्दी संगीत", ["हिन्दी", "संगीत"]),
        ("İstanbul ISTANBUL ıstanbul", ["istanbul"] * 3),
        ("ё й", ["е", "и"]),
        ("", []),
        ("!?…", []),
    ],
)
def test_words_of_many_scripts(text: str, words: list[str]) -> None:
    assert folded_words(text) == words


def test_a_part_of_a_chinese_name_is_a_part_of_its_words() -> None:
    name = folded_words("上海国际爵士音乐节")
    part = folded_words("爵士")
    assert any(name[start : start + len(part)] == part for start in range(len(name)))


def test_joined_words_make_spaces_irrelevant() -> None:
    assert joined("Radio Head") == joined("RadioHead") == "radiohead"


def test_forms_of_a_word_share_a_stem_in_its_language() -> None:
    assert stems(["concerts"], ["en"]) == stems(["concert"], ["en"])
    assert stems(["konzerte"], ["de"]) == stems(["konzert"], ["de"])
    assert stems(["conciertos"], ["es"]) == stems(["concierto"], ["es"])


def test_languages_are_known_by_the_first_part_of_their_tag() -> None:
    assert language_code("pt-BR") == "pt"
    assert stemmed_languages(["EN", "pt_BR", "pt", "xx"]) == ("en", "pt")
    assert stemmed_languages(["xx"]) == ("en",)
    assert stemmed_languages([]) == ("en",)
    assert len(stemmed_languages(["en", "de", "fr", "es", "it", "pt", "nl"])) == 5

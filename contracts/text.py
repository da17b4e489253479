"""Text normalisation, in one place, for documents and queries alike.

Elasticsearch splits our text fields at spaces and does nothing else: what a word is, is decided here, so
that a document and a query can't disagree, and any Elasticsearch distribution will do.

Two forms of a text are searched. *Words* are folded: compatibility forms decomposed (NFKD), casefolded,
Latin, Greek, Cyrillic, Hebrew and Arabic accents dropped. *Stems* are folded words without their endings,
by Snowball's algorithms for the languages given. Folding comes first, so that someone who types without
accents gets the same stem.

Scripts written without spaces (Han, Kana, Thai, Lao, Khmer, Burmese) become one word a character: any part
of a name can then be searched, at the price of less exact matches, which phrase matching makes up for.
Bigrams would be more exact, and would not find a query of one character.
"""

import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import snowballstemmer

MAX_WORD_CHARACTERS = 64
MAX_STEMMED_LANGUAGES = 5
DEFAULT_LANGUAGE = "en"

# Letters that NFKD leaves whole although people type them without their stroke or ligature.
_LETTERS = str.maketrans(
    {
        "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ħ": "h",
        "ŋ": "n", "ŧ": "t", "ĸ": "k", "ƒ": "f", "&": " and ",
        "\u2019": "'", "\u2018": "'", "\u02bc": "'", "\u02b9": "'", "`": "'",
    }
)  # fmt: skip

# Accents of alphabets that people also type without them. The marks of Indic scripts, Thai or Kana are part
# of the letter and stay.
_ACCENTS = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640"
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0"
    "\ufe20-\ufe2f]"
)
_ASCII_WORD = re.compile(r"[a-z0-9]+")
# "don't" and "McDonald's" are one word to most people, "l'amour" and "rock'n'roll" are several.
_SHORT_ENDING = re.compile(r"(?<=[^\W_])'(?=[^\W_]{1,2}(?![^\W_]|'))")
_C_PLUS_PLUS = re.compile(r"(?<![^\W_])c\+\+")
_LETTER_SHARP = re.compile(r"(?<![^\W_])([a-z])#")

_UNSPACED_SCRIPTS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # Han: iteration marks and zero
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana, phonetic extensions
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x323AF),  # Han, extensions
)

# ISO 639-1 code to Snowball algorithm: those that snowballstemmer 3 carries.
_ALGORITHMS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian",
    "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian",
    "id": "indonesian", "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali",
    "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sr": "serbian", "st": "sesotho", "sv": "swedish", "ta": "tamil",
    "tr": "turkish", "yi": "yiddish",
}  # fmt: skip

_per_thread = threading.local()


def folded_words(text: str) -> list[str]:
    """The words of `text` in the form in which they are indexed and searched, in order.

    Idempotent: folding the joined words again gives the same words. A word is cut after
    MAX_WORD_CHARACTERS characters, on both sides alike.
    """
    folded = _folded_characters(text)
    if "'" in folded:
        folded = _SHORT_ENDING.sub("", folded)
    if "+" in folded or "#" in folded:
        folded = _LETTER_SHARP.sub(r"\1sharp", _C_PLUS_PLUS.sub("cplusplus", folded))
    words = _ASCII_WORD.findall(folded) if folded.isascii() else _split(folded)
    return [word[:MAX_WORD_CHARACTERS] for word in words]


def fold(text: str) -> str:
    """The folded words of `text` with single spaces between them: what a text field is given."""
    return " ".join(folded_words(text))


def joined(text: str) -> str:
    """The folded words of `text` without spaces, so that "radio head" and "Radiohead" are the same."""
    return "".join(folded_words(text))


def language_code(tag: str) -> str:
    """The first part of a language tag in lower case: "pt" of "pt-BR", "en" of "EN"."""
    return re.split("[-_]", tag.strip(), maxsplit=1)[0].lower()


def stemmed_languages(tags: Iterable[str]) -> tuple[str, ...]:
    """The languages of `tags` that can be stemmed, without repetition, at most MAX_STEMMED_LANGUAGES.

    Without any, DEFAULT_LANGUAGE: an event whose language nobody gave is most often in English.
    """
    known = dict.fromkeys(code for code in map(language_code, tags) if code in _ALGORITHMS)
    return tuple(known)[:MAX_STEMMED_LANGUAGES] or (DEFAULT_LANGUAGE,)


def stems(words: Iterable[str], languages: Sequence[str]) -> list[str]:
    """The stems of folded `words` by each of `languages` (as `stemmed_languages` gives them).

    A word gives as many stems as the languages disagree on, one after the other.
    """
    return [stem for word in words for stem in dict.fromkeys(_stem(code, word) for code in languages)]


def _folded_characters(text: str) -> str:
    """`text` in lower case without accents. Repeated, because casefolding can make decomposable forms."""
    if text.isascii():
        return text.lower().translate(_LETTERS)
    while True:
        decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        plain = _ACCENTS.sub("", decomposed.translate(_LETTERS))
        folded = unicodedata.normalize("NFC", plain)
        if folded == text:
            return folded
        text = folded


def _split(folded: str) -> list[str]:
    """Words of any script; a character of a script without spaces is a word with the marks after it."""
    words: list[str] = []
    open_kind = "separator"  # of the word that the next character may belong to
    for character in folded:
        kind = _kind(character)
        if open_kind != "separator" and (kind == "mark" or kind == open_kind == "letter"):
            words[-1] += character
            continue
        open_kind = "letter" if kind == "mark" else kind
        if kind != "separator":
            words.append(character)
    return words


@lru_cache(maxsize=8192)
def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "M":
        return "mark"
    if category[0] not in "LN":
        return "separator"
    point = ord(character)
    return "unspaced" if any(first <= point <= last for first, last in _UNSPACED_SCRIPTS) else "letter"


@lru_cache(maxsize=100_000)
def _stem(language: str, word: str) -> str:
    """One stem. Snowball's objects hold the word that they work on, so each thread has its own."""
    stemmers: dict[str, snowballstemmer.stemmer] = _per_thread.__dict__
    if language not in stemmers:
        stemmers[language] = snowballstemmer.stemmer(_ALGORITHMS[language])
    return str(stemmers[language].stemWord(word)) or word

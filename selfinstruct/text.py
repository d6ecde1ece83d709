"""Words and normal forms in any script: the one tokenizer that rules, similarity and statistics share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import regex

Tokenizer = Callable[[str], list[str]]

_ASCII_WORD = re.compile(r"[a-z0-9]+")

# Scripts written without spaces, where a character is the unit that a reader counts (Unicode Standard Annex 29,
# section 4, leaves their words to dictionaries). U+30FC lengthens a Kana vowel and belongs to no single script.
UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{Tai_Tham}\u30fc"
)
# Combining marks stay with the letter before them (vowel signs and viramas of Indic scripts, Arabic points), and so
# do the joiners that shape conjuncts.
_WORD = regex.compile(
    rf"[[{UNSPACED}]&&[\p{{L}}\p{{N}}]]\p{{M}}*"
    rf"|[[\p{{L}}\p{{N}}]--[{UNSPACED}]][[\p{{L}}\p{{N}}\p{{M}}\u200c\u200d]--[{UNSPACED}]]*",
    flags=regex.V1,
)


def words(text: str) -> list[str]:
    """Split a text of any script into lower-case words.

    Texts are taken in NFKC. Scripts without spaces (Han, Kana, Thai, ...) give one word a character, all others one
    word a run of letters, digits and marks. On ASCII it equals `rouge_words`.

    >>> words("Sort 3 numbers: 将句子翻译成英文")
    ['sort', '3', 'numbers', '将', '句', '子', '翻', '译', '成', '英', '文']
    """
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def rouge_words(text: str) -> list[str]:
    """Split as the `rouge_score` package does without a stemmer: runs of a-z and 0-9, nothing else."""
    return _ASCII_WORD.findall(text.lower())


TOKENIZERS: dict[str, Tokenizer] = {"words": words, "rouge": rouge_words}


def collapse(text: str) -> str:
    """Put one space for each run of whitespace and strip the ends."""
    return " ".join(text.split())


def capitalize_first(text: str) -> str:
    """Put the first letter in upper case and leave the rest (`str.capitalize` turns NASA into Nasa)."""
    return text[:1].upper() + text[1:]


def is_unspaced(character: str) -> bool:
    """Whether the character belongs to a script that is written without spaces between words."""
    return _UNSPACED_CHARACTER.match(character) is not None


_UNSPACED_CHARACTER = regex.compile(rf"[{UNSPACED}]", flags=regex.V1)

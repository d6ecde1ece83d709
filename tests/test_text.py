"""Words in any script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from selfinstruct.text import TOKENIZERS, capitalize_first, collapse, is_unspaced, rouge_words, words

ROUGE = DefaultTokenizer(use_stemmer=False)
ASCII = st.text(st.characters(max_codepoint=127))


@given(ASCII)
def test_ascii_words_are_those_of_rouge_score(text):
    """On ASCII both tokenizers equal the package that the field measures with, to the letter."""
    assert words(text) == rouge_words(text) == ROUGE.tokenize(text)


@given(st.text())
def test_rouge_words_are_those_of_rouge_score_everywhere(text):
    """The original behaviour stays to be had, blind spots and all."""
    assert rouge_words(text) == ROUGE.tokenize(text)


@given(ASCII)
def test_the_short_way_for_ascii_changes_nothing(text):
    """A text gives the same words where another script stands behind it."""
    assert words(text + " 字") == [*words(text), "字"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("将句子翻译成英文。", "将 句 子 翻 译 成 英 文"),
        ("用Python写3个函数！", "用 python 写 3 个 函 数"),
        ("人々は〇を書く", "人 々 は 〇 を 書 く"),
        ("コーヒーを飲む", "コ ー ヒ ー を 飲 む"),
        ("ｺｰﾋｰ", "コ ー ヒ ー"),
        ("แปลภาษา", "แ ป ล ภ า ษ า"),
        ("ที่นี่ ๆ๚", "ที่ นี่ ๆ"),
        ("မြန်မာ။", "မြ န် မာ"),
        ("हिन्दी में लिखो।", "हिन्दी में लिखो"),
        ("क्‍ष और ज्ञ", "क्‍ष और ज्ञ"),
        ("اكتب قصيدةً، من فضلك؟", "اكتب قصيدةً من فضلك"),
        ("می‌خواهم", "می‌خواهم"),
        ("주어진 문장을 요약하세요.", "주어진 문장을 요약하세요"),
        (unicodedata.normalize("NFD", "한국어 문장"), "한국어 문장"),
        ("Переведи ещё 2 слова!", "переведи ещё 2 слова"),
        ("Écris l'été à Łódź", "écris l été à łódź"),
        (unicodedata.normalize("NFD", "Été"), "été"),
        ("Ｓｏｒｔ　１２３：ＡＢＣ", "sort 123 abc"),
        ("snake_case, don't; 3.5%", "snake case don t 3 5"),
        ("ΓΡΆΨΕ ένα ποίημα", "γράψε ένα ποίημα"),
        ("📷 ⭐ … —", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_words_of_many_scripts(text, expected):
    """A character is a word where a script has no spaces, and marks stay with their letters; punctuation is none."""
    assert words(text) == expected.split()


@given(st.text())
def test_words_hold_every_letter_and_no_space(text):
    """No letter or digit is lost, whatever the script, and every word can stand between spaces."""
    found = words(text)
    normal = unicodedata.normalize("NFKC", text).lower()
    assert [c for c in normal if unicodedata.category(c)[0] in "LN"] == [
        c for word in found for c in word if unicodedata.category(c)[0] in "LN"
    ]
    assert all(word and not any(c.isspace() for c in word) for word in found)


@given(st.text())
def test_compatible_forms_give_the_same_words(text):
    """Full-width, half-width and composed forms are one text."""
    assert words(unicodedata.normalize("NFKC", text)) == words(text)


def test_small_helpers():
    """White space, first letters and scripts without spaces."""
    assert collapse(" a\t b\n\nc ") == "a b c"
    assert capitalize_first("nASA iOS") == "NASA iOS"
    assert capitalize_first("") == ""
    assert [is_unspaced(c) for c in "字かナーก가aя"] == [True] * 5 + [False] * 3
    assert {"words": words, "rouge": rouge_words} == TOKENIZERS

"""Rule SI209: an answer in a language that nobody spoke or asked for."""

from __future__ import annotations

import re

import regex

from selfinstruct.languages import identify
from selfinstruct.quality.phrases import ABOUT_CODE, count_words, is_code, phrases
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule

# Characters that a text needs before anything is said of its language: a name or a term is no evidence.
_FEWEST = {"Han": 12, "Hangul": 12, "other": 25}
# Of py3langid's probabilities, which its texts of one line bear out: the output's has to be certain, the task's likely.
_CERTAIN, _LIKELY = 0.97, 0.85
_LONG_ENOUGH, _SHORTEST = 100, 30  # characters of an output and of a task whose languages are told by their words
_ENOUGH = 600  # characters, from the beginning, show the language of a text of any length
_FEWEST_WORDS = 6  # of an output in Latin script: fewer are a name, a formula or an address

_SCRIPTS = {
    "Latin": regex.compile(r"\p{Latin}"),
    "Han": regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]"),
    "Hangul": regex.compile(r"\p{Hangul}"),
    "Cyrillic": regex.compile(r"\p{Cyrillic}"),
    "Arabic": regex.compile(r"\p{Arabic}"),
    "Devanagari": regex.compile(r"\p{Devanagari}"),
    "Greek": regex.compile(r"\p{Greek}"),
    "Hebrew": regex.compile(r"\p{Hebrew}"),
    "Thai": regex.compile(r"\p{Thai}"),
}
_NAMES = (
    "english|spanish|castilian|french|german|italian|portuguese|dutch|chinese|mandarin|cantonese|japanese|korean|"
    "russian|ukrainian|polish|czech|slovak|hungarian|romanian|bulgarian|serbian|croatian|greek|turkish|arabic|hebrew|"
    "persian|farsi|hindi|urdu|bengali|tamil|telugu|marathi|gujarati|punjabi|thai|vietnamese|indonesian|malay|tagalog|"
    "filipino|swahili|latin|swedish|norwegian|danish|finnish|icelandic|estonian|latvian|lithuanian|catalan|basque|"
    "galician|irish|welsh|gaelic|esperanto|afrikaans|zulu|yoruba|hawaiian|maori|quechua|nepali|sinhala|khmer|lao|"
    "burmese|mongolian|kazakh|georgian|armenian"
)
_ANOTHER_LANGUAGE = phrases(
    rf"{_NAMES}|translat\w*|languages?|multilingual|bilingual|pinyin|romaji|transliterat\w*|loanwords?|haiku|"
    r"locali[sz]\w*|subtitles?|foreign|idioms?|lyrics|proverb\w*|motto|binomial|scientific names?|traduis\w*|tradu\w*|"
    r"übersetz\w*|auf (?:englisch|deutsch|französisch|spanisch)|englisch\w*|französisch\w*|spanisch\w*|deutsch\w*|"
    r"anglais\w*|français\w*|espagnol\w*|allemand\w*|inglés\w*|francés\w*|alemán\w*|español\w*",
    "翻译|译成|译为|译文|英文|英语|中文|汉语|法语|法文|德语|德文|日语|日文|韩语|韩文|俄语|俄文|西班牙|葡萄牙|意大利|"
    "阿拉伯|拉丁|外语|语言|双语|拼音|注音|文言|粤语|缩写|单词|词汇|перев|английск|русск|французск|немецк|英訳|和訳|"
    "英語|日本語|번역|영어|한국어|ترجم",
)
_ADDRESS = re.compile(r"\w+://\S+|\S+@\S+")
# Words of every English text; each alone may stand in another language.
_ENGLISH = re.compile(
    r"\b(?:the|of|and|to|that|for|with|are|this|from|by|your?|it|what|how|why|which|write|give|create|generate|"
    r"describe|explain|find|following)\b",
    re.IGNORECASE,
)


def script(text: str) -> tuple[str, int] | None:
    """The script that nine in ten letters of a text have, and how many these are; None where there is none such."""
    text = text[:_ENOUGH]
    if text.isascii():
        number = sum(map(str.isalpha, text))
        return ("Latin", number) if number else None
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS.items()}
    name = max(counts, key=counts.__getitem__)
    letters = sum(counts.values())
    return (name, counts[name]) if letters and counts[name] >= 0.9 * letters else None


def language(text: str, least: float = _CERTAIN) -> str | None:
    """The ISO 639-1 code of a text's language, or None where it is not as probable as this."""
    start = text[:_ENOUGH]
    if start.isascii() and len(_ENGLISH.findall(start)) >= max(2, len(start.split()) / 8):
        return "en"  # what the identifier would say, a hundred times as fast
    code, probability = identify(start)
    return code if probability >= least else None


@rule("SI209", "other-language", "The output is in another language than the task, which does not ask for one.")
def other_language(row: Row) -> Flaw | None:
    said = script(row.output)
    if said is None or said[1] < _FEWEST.get(said[0], _FEWEST["other"]):
        return None
    asked, given = script(row.instruction), script(row.input)
    if asked is None or (row.input.strip() and given is None):
        return None
    if said[0] != asked[0] and (given is None or given[0] != said[0]):
        found = f"is in {said[0]} script, the task in {asked[0]}"
    elif said[0] in ("Latin", "Cyrillic") and said[0] == asked[0] and (given is None or given[0] == said[0]):
        found = _by_words(row)
    else:
        return None
    if not found or _ANOTHER_LANGUAGE.search(row.asked) or is_code(row.output):
        return None
    if said[0] == "Latin" and (
        ABOUT_CODE.search(row.asked) or count_words(_ADDRESS.sub(" ", row.output)) < _FEWEST_WORDS
    ):
        return None
    return Flaw("output", found, excerpt(row.output))


def _by_words(row: Row) -> str:
    """The same for languages of one script; short texts tell nothing."""
    if len(row.output) < _LONG_ENOUGH or len(row.instruction) < _SHORTEST:
        return ""
    said = language(row.output)
    asked = None if said is None else language(row.instruction, _LIKELY)
    if asked is None or asked == said:
        return ""
    if row.input.strip() and language(row.input, _LIKELY) != asked:
        return ""
    return f"is in the language {said!r}, the task in {asked!r}"

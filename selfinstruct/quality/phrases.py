"""What the rules ask of a text, in English and Chinese: is it code, is it about code, how many words has it?"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

Pattern = re.Pattern[str]


def phrases(latin: str, han: str = "") -> Pattern:
    """An expression for lower-case text: Latin alternatives match as whole words, also inside Chinese, Han anywhere."""
    bounded = rf"(?<![a-z0-9_])(?:{latin})(?![a-z0-9_])"
    return re.compile(f"{bounded}|{han}" if han else bounded)


CODE_LANGUAGE: Final = (
    r"python|java|javascript|typescript|c\+\+|c#|html5?|css3?|sql|mysql|bash|shell|perl|php|ruby|rust|golang|kotlin|"
    r"swift|scala|haskell|matlab|verilog|assembly|jquery|react|numpy|pandas|powershell|latex|tikz|svg|matplotlib|"
    r"mermaid"
)
ABOUT_CODE = phrases(
    rf"{CODE_LANGUAGE}|code|codes|coding|regex|regexp|regular expressions?|json|xml|yaml|markdown|program(?:s|ming)?|"
    r"functions?|scripts?|algorithms?|snippets?|debug|compilers?|command[- ]line|pseudocode|string|array|method|api|"
    r"tokenizers?|tokens?|newlines?|escape[ds]?|backslash|data structure|unicode|ascii|utf-8|entit(?:y|ies)|encoding",
    "代码|编程|程序|函数|脚本|算法|正则|转义|换行符|反斜杠|编码|字符串|数组|字符实体|标签",
)
ABOUT_REPEATING = phrases(
    r"repeat\w*|copy|echo|verbatim|times|chorus|refrain|lyrics|songs?|poems?|chant|rhymes?|laugh\w*|palindrome|pattern|"
    r"starts? with|begins? with|dialogue|duplicate\w*|nursery|mantra|carol|villanelle|pantoum",
    "重复|复述|抄写|照抄|遍|次|歌|诗|副歌|叠词|叠句|以.{0,12}开头|回文|口诀|顺口溜|绕口令",
)
CODE_TOKEN = re.compile(
    r"```|~~~|\w\([^()\n]*\)|[{};]\s*$|[{};]\n|</?[a-z][\w-]*(?:\s[^<>\n]*)?/?>|==|!=|=>|->|\+=|&&|\|\||::|"
    r"^\s*(?://|/\*|#!|#include|import\s+\w|from\s+\w+\s+import|def\s|class\s+\w+[:({]|return\b|let\s|const\s|var\s)|"
    r"\bSELECT\b[\s\S]*\bFROM\b|\b(?:INSERT INTO|UPDATE\s+\w+\s+SET|DELETE FROM|CREATE TABLE)\b|"
    r"\\[a-zA-Z]+\{|\\[dws]\b|\\[dws][+*{]|\[[^\]\n]*\][+*?{]|^\s*(?:\$|>>>)\s|^\s*\w+\s*=\s*\S|^[.#@]?\w[\w-]*\s*\{",
    re.MULTILINE | re.ASCII,
)
_WORD = re.compile(r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]+(?:['’-][^\W\d_]+)*|[\u3040-\u30ff\u3400-\u9fff]")

is_code = CODE_TOKEN.search


def count_words(text: str) -> int:
    """Runs of letters, and each character of Chinese and Japanese for itself."""
    return sum(1 for _ in _WORD.finditer(text))


in_any_case = partial(re.compile, flags=re.IGNORECASE)

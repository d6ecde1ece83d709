"""Rules on how an output goes on and ends: cut off in the middle, or saying the same over and over."""

from __future__ import annotations

import re

from selfinstruct.quality.phrases import ABOUT_CODE, ABOUT_REPEATING, CODE_TOKEN, count_words, is_code, phrases
from selfinstruct.quality.rules import Flaw, Row, excerpt, rule

_FRAGMENT = phrases(
    r"complete|continue|finish|fill|beginning|opening|first (?:line|half)|next|blanks?|fragments?|clauses?|prefix|"
    r"predict|completion|title|heading|headings|salutation|greeting|labels?|punctuat\w+|colon|comma|repeat|haiku|poem|"
    r"articles",
    "补全|续写|填空|完成|完形|下一句|开头|上一句|对联|称呼|标题|标点|冒号|逗号|诗|词",
)
_DANGLING = re.compile(
    r"\b(?:the|an|and|or|nor|because|although|than|their|its|my|your|our|every|into|via|whose|such as|due to|"
    r"in order to|as well as)$"
)
_SENTENCE = re.compile(r"(?<!\d)[.!?][\"”')\]]?(?=\s)|[。！？]")
_WHOLE_END = re.compile(
    r"[.!?。！？…;；:：,，、\"”’'」』)）\]】}>`*_|~^%°$#=+/\\-]$|(?:[\d\U0001f000-\U0001ffff]|#\w+)$|[.!?)\"]\s*$"
)
# Lists in one line, addresses and sources have no full stop at their end.
_NO_SENTENCE = re.compile(r"\d[.)]\s|://|@|\s[-•–—]\s|^\s*(?:sources?|references?|keywords|tags)\b", re.IGNORECASE)
FEWEST_WORDS = 40  # of a paragraph whose last sentence is missed
_HAN_END = re.compile(r"[\u4e00-\u9fff]$")
_FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
EXCERPT_TAIL = 60  # characters


def _ending(text: str) -> str | None:
    """Why the last paragraph of a text cannot be its end, or None."""
    last = text[text.rfind("\n") + 1 :].strip()
    length = count_words(last)
    han = _HAN_END.search(last.rstrip("，,、：:"))
    if last.endswith((",", "，", "、")) and length >= (12 if han else 7) and last.count(",") < 6:
        return "ends in a comma"
    if last.endswith((":", "：")) and not last.lower().startswith(("dear", "to ", "尊敬", "亲爱", "致")):
        return "ends in a colon"
    if _DANGLING.search(last) and count_words(text) >= 12:
        return f"ends in {last.split()[-1]!r}"
    ends = list(_SENTENCE.finditer(last))
    if len(ends) < 2 or length < FEWEST_WORDS or _WHOLE_END.search(last) or _NO_SENTENCE.search(last, ends[-1].end()):
        return None
    tail = count_words(last[ends[-1].end() :])
    return "ends in the middle of a sentence" if tail >= (5 if han else 4) else None


@rule("SI205", "cut-off", "The output stops in the middle: of a sentence, of a list it announces, of a block of code.")
def cut_off(row: Row) -> Flaw | None:
    said = row.output.rstrip()
    if len(_FENCE.findall(said)) % 2 and "markdown" not in row.asked:
        return Flaw("output", "opens a block of code and does not close it", excerpt(said, -EXCERPT_TAIL))
    why = _ending(said) if said else None
    if why is None or _FRAGMENT.search(row.asked) or ABOUT_CODE.search(row.asked) or is_code(said):
        return None
    if said[-20:] in row.input or said[-20:] in row.instruction:
        return None
    return Flaw("output", why, "…" + excerpt(said, -EXCERPT_TAIL))


_UNIT = re.compile(r"[^\n.!?。！？]+[\n.!?。！？]*")
_RUN = 3  # times a sentence may not stand in a row
_LOOPS = 5  # times the end of a text may not repeat itself


def _run(text: str) -> str | None:
    """A sentence or line of several words that stands three times in a row."""
    before, run = "", 0
    for found in _UNIT.finditer(text):
        unit = found.group().strip().lower()
        if not unit:
            continue
        run = run + 1 if unit == before else 1
        before = unit
        fewest = 8 if _HAN_END.search(unit.rstrip("。！？")) else 4
        if run >= _RUN and "|" not in unit and count_words(unit) >= fewest:
            return unit
    return None


def _loop(text: str) -> str | None:
    """What the end of a text repeats over and over."""
    tail = " " + text[-480:]
    last = tail[-1]
    for period in range(4, min(96, len(tail) // _LOOPS + 1)):
        if tail[-1 - period] == last and tail[-period:] * _LOOPS == tail[-_LOOPS * period :]:
            unit = tail[-period:]
            if len(set(unit.split())) >= 2 or (_HAN_END.search(unit) and len(set(unit)) >= 4):
                return unit.strip()
    return None


@rule("SI207", "loop", "The output says the same thing over and over.")
def loop(row: Row) -> Flaw | None:
    said = row.output.strip()
    if len(said) < 30:
        return None
    unit = _loop(said) or _run(said)
    if unit is None or ABOUT_REPEATING.search(row.asked) or CODE_TOKEN.search(said) or unit in row.input.lower():
        return None
    return Flaw("output", "repeats itself", excerpt(unit))

"""Verdicts: is it a classification task?"""

from __future__ import annotations

import re
import unicodedata

from selfinstruct.parsing.common import split_thinking

_YES = r"yes|yeah|yep|true|是的|是|对|对的|はい|네|예|oui|sí|sì|ja|да"
_NO = r"no|nope|false|不是的|不是|不|否|いいえ|아니요|아니오|아니|non|nein|нет"
_WORD = re.compile(rf"(?:(?P<no>{_NO})|(?P<yes>{_YES}))(?!\w| (?:idea|answer|clue)\b)", re.IGNORECASE)
_STATED = re.compile(
    r"(?:answer|classification|verdict|label|答案|回答|답변|답|答え)(?:\s{0,3}(?:is|would be|은|는|は))?"
    r"[\s:：=?？\"'*_`]{0,9}"
    rf"(?:(?P<no>{_NO})|(?P<yes>{_YES}))(?!\w)",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"\b(?:(?P<no>(?:is not|isn['’]t|not) (?:an? (?:\w+ )?)?classification)|"
    r"(?P<yes>is (?:an? (?:\w+ )?)?classification))|"
    r"(?P<no_zh>不(?:是|属于)(?:一个|一项|一種)?分[类類])|(?P<yes_zh>(?:是|属于)(?:一个|一项|一種)?分[类類])",
    re.IGNORECASE,
)
_LOOSE = re.compile(r"\b(?:(?P<no>no)|(?P<yes>yes))\b(?=[^\w\s]|\s*(?:\n|\Z))", re.IGNORECASE)
_TASK_LINE = re.compile(r"^[ \t]*Task[ \t]*[:：]", re.MULTILINE | re.IGNORECASE)


def verdict(text: str) -> bool | None:
    """Read a yes or a no from an answer that may be dotted, lower-case, in a sentence or run on; None if it is neither.

    The first word decides where it is one; otherwise what the answer states ("The answer is: No.", "This is a
    classification task."), or a yes or no in it where it holds one kind alone. Reasoning is left out, and so is the
    prompt where the answer repeats it.
    """
    answer, _ = split_thinking(text)
    answer = unicodedata.normalize("NFKC", answer).strip()
    opening = _WORD.match(answer.lstrip("*_#>\"'`“‘([{-:. \n\t"))
    if opening:
        return _is_yes(opening)
    stated = list(_STATED.finditer(answer))
    task = _TASK_LINE.search(answer)
    if stated and task:
        return _is_yes(stated[0] if stated[0].start() < task.start() else stated[-1])
    for found in (*stated[:1], _PHRASE.search(answer)):
        if found:
            return _is_yes(found)
    kinds = {_is_yes(found) for found in _LOOSE.finditer(answer)}
    return kinds.pop() if len(kinds) == 1 else None


def _is_yes(found: re.Match[str]) -> bool:
    return (found.lastgroup or "").startswith("yes")

"""What every answer may carry: reasoning, code fences, rules between pieces, words to the reader."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from selfinstruct.tasks import Candidate, Dropped, Instance
from selfinstruct.text import capitalize_first, collapse

T = TypeVar("T", Candidate, Instance)


@dataclass
class Parsed(Generic[T]):
    """What was read from one answer, in its order, and what was dropped on the way."""

    items: list[T] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


def parted(pieces: Iterable[T | Dropped], *, cut: bool) -> Parsed[T]:
    """Part results from what was dropped. Where the token limit cut the answer, its last piece is no result."""
    pieces = list(pieces)
    if cut and pieces:
        last = pieces[-1]
        pieces[-1] = Dropped(last.text, "cut")
    parsed: Parsed[T] = Parsed()
    for piece in pieces:
        if isinstance(piece, Dropped):
            parsed.dropped.append(piece)
        else:
            parsed.items.append(piece)
    return parsed


_THINK = re.compile(r"<(?:think|thinking|reasoning)>", re.IGNORECASE)
_THINK_END = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*[\w+#.-]*[ \t]*$", re.MULTILINE)
BLANK_LINE = re.compile(r"\n[ \t]*\n")
# "###", "---" and "### Task 5:" part one piece from the next. A number alone may be an answer.
RULE = re.compile(
    r"(?:#{2,}|-{3,}|\*{3,}|={3,})?(?:[ \t]*[*_]{0,3}(?:Task[ \t]*\d{1,3}|(?<=#)[ \t]*\d{1,3})[.:：]?[*_]{0,3})?",
    re.IGNORECASE,
)

# How models open and close a list when they speak to the reader, or refuse; a task seldom begins so.
CHATTER = re.compile(
    r"\W*(?:sure\b|certainly\b|of course\b|absolutely\b|okay\b|here (?:are|is|you go)\b|here['’]s\b|"
    r"below (?:are|is)\b|i hope\b|(?:i|i have|i['’]ve) (?:written|prepared|created|listed|made)\b|let me know\b|"
    r"feel free\b|please note\b|note:|would you like\b|if you(?:['’]d| would)? (?:need|like|want)\b|happy to\b|"
    r"hope (?:this|these)\b|these (?:tasks|instructions)\b|(?:i['’]m|i am) (?:sorry|unable|afraid|happy)\b|"
    r"i (?:cannot|can['’]t|can not)\b|as an ai\b|sorry,|"
    r"好的|当然|以下是|下面是|希望(?:这些|以上)|如果您需要|抱歉|很抱歉|对不起|"
    r"물론|도움이 되|죄송|はい|以下は|以下に|もちろん|申し訳)",
    re.IGNORECASE,
)


def split_thinking(text: str) -> tuple[str, str]:
    """Part an answer from the reasoning in <think> marks: (answer, reasoning).

    A block that opens a line and never closes takes all that follows, and a closing mark without an opening one takes
    all before it (servers that put the opening mark into the prompt send such texts).
    """
    answer, thoughts, at = "", [], 0
    for opening in _THINK.finditer(text):
        if opening.start() < at:
            continue
        closing = _THINK_END.search(text, opening.end())
        if closing is None:
            if text[: opening.start()].rpartition("\n")[2].strip():
                break
            closing_end = len(text)
        else:
            closing_end = closing.end()
        answer += text[at : opening.start()] + "\n"
        thoughts.append(text[opening.start() : closing_end].strip())
        at = closing_end
    answer += text[at:]
    strays = list(_THINK_END.finditer(answer))
    if strays:
        thoughts.insert(0, answer[: strays[-1].end()].strip())
        answer = answer[strays[-1].end() :]
    return answer.strip("\n"), "\n".join(thoughts)


def clean(text: str, marks: re.Pattern[str]) -> tuple[str, list[Dropped], list[Dropped]]:
    """Take reasoning out, unify line ends, and unwrap an answer in a code fence: (answer, dropped before, after).

    A fence wraps the answer if it is the whole of it, or if all of the `marks` that the reader looks for are inside.
    """
    answer, reasoning = split_thinking(text.replace("\r\n", "\n").replace("\r", "\n"))
    thoughts = [Dropped(reasoning, "thinking")] if reasoning else []
    fences = list(_FENCE.finditer(answer))
    if not fences:
        return answer, thoughts, []
    closing = fences[-1] if len(fences) > 1 else None
    before, inside = answer[: fences[0].start()], answer[fences[0].end() : closing.start() if closing else len(answer)]
    after = answer[closing.end() :] if closing else ""
    whole = len(fences) <= 2 and not before.strip() and not after.strip()
    if not whole and (marks.search(before) or marks.search(after) or not marks.search(inside)):
        return answer, thoughts, []
    return inside.strip("\n"), thoughts + dropped_text(before, "chatter"), dropped_text(after, "chatter")


def dropped_text(text: str, rule: str, detail: str | None = None) -> list[Dropped]:
    return [Dropped(text.strip(), rule, detail)] if text.strip() else []


def behind(marks: Sequence[re.Match[str]], body: str) -> list[str]:
    """The text behind each mark, up to the next one."""
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    return [body[mark.end() : end] for mark, end in zip(marks, ends, strict=False)]


# Python's 2**3 and **kwargs are no emphasis, and __init__ is none.
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])\*\*(?=\S)([^*\n]+)(?<=\S)\*\*(?![A-Za-z0-9])")


def instruction_of(text: str) -> str:
    """An instruction as it is kept: without emphasis and line breaks, its first letter in upper case."""
    return capitalize_first(collapse(_EMPHASIS.sub(r"\1", text)))


def without_rules(text: str) -> str:
    """Text without the lines that only part it from what follows, such as "###"."""
    lines = text.rstrip().split("\n")
    while lines and RULE.fullmatch(lines[-1].strip()):
        lines.pop()
    return "\n".join(lines).strip()

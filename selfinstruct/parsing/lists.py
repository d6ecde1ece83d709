"""Lists of instructions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

from selfinstruct.parsing.common import BLANK_LINE, CHATTER, RULE, Parsed, clean, dropped_text, instruction_of, parted
from selfinstruct.tasks import Candidate, Dropped

# "9.", "9)", "(9)", "９．", "Task 9:", "**9.**", "### 9.", "9、"; a number of four digits is a year.
_NUMBER = re.compile(
    r"^(?P<indent>[ \t]*)(?:[#>]+[ \t]*)?(?:(?P<bold>\*\*|__)[ \t]*)?"
    r"(?:(?P<name>Task|Instruction|Question|Item|任务|任務|指令|タスク|작업|과제|지시)[ \t]*(?:#[ \t]*)?)?"
    r"[(（\[]?(?P<number>\d{1,3})[ \t]*(?P<closed>(?:\*\*|__)[ \t]*)?"
    r"(?:[.．)）\]:：、。]{1,2}(?!\d)|(?(name)(?=\n|\Z|[-–—])|(?!)))[-–—]?(?(bold)(?P<closed_later>\*\*|__)?)[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_BULLET = re.compile(r"^(?P<indent>[ \t]*)(?:[-*•‣·▪○●–]|\d{1,3}[ \t]*[-–—])[ \t]+", re.MULTILINE)
_LISTED = re.compile(f"{_NUMBER.pattern}|{_BULLET.pattern.replace('?P<indent>', '?:')}", _NUMBER.flags)


class _Mark(NamedTuple):
    """Where an item of a list begins: the span of its mark, its number, and emphasis that the mark leaves open."""

    start: int
    end: int
    number: int
    open: str = ""

    @classmethod
    def of(cls, found: re.Match[str]) -> _Mark:
        closed = found["closed"] or found["closed_later"]
        return cls(found.start(), found.end(), int(found["number"]), "" if closed else found["bold"] or "")


def numbered_list(text: str, first: int, *, cut: bool = False) -> Parsed[Candidate]:
    """Read a list of instructions, however it is numbered or bulleted.

    `first` is the number that the list was asked to begin with: a base model goes on behind it, so text before the
    first number is an item where the next number follows (or 2), and chatter where the list begins anew. Numbers may
    be wrong or all the same. An item runs to the next mark at its indentation or above; further lines belong to it, but
    closing lines that speak to the reader do not. `cut` says that the token limit cut the answer: its last item goes.
    The first letter is put in upper case and white space collapsed.
    """
    body, dropped, after = clean(text, _LISTED)
    marks = _list_marks(body)
    lead = _lead(body[: marks[0].start] if marks else body, first, marks)
    items = _items(body, marks, first)
    closing = [] if cut else _farewell(items or lead)
    read = [_candidate(piece) if isinstance(piece, str) else piece for piece in [*lead, *items]]
    return parted([*dropped, *read, *closing, *after], cut=cut)


def _candidate(piece: str) -> Candidate | Dropped:
    instruction = instruction_of(piece)
    return Candidate(instruction) if re.search(r"\w", instruction) else Dropped(piece.strip(), "empty_item")


def _list_marks(body: str) -> list[_Mark]:
    """The marks of the outermost list: those of the kind that is indented least, numbers before bullets.

    One or two bullets behind a sentence that does not speak to the reader are parts of that instruction.
    """
    numbers, bullets = (_outermost(list(pattern.finditer(body))) for pattern in (_NUMBER, _BULLET))
    if numbers and (not bullets or _depth(numbers) <= _depth(bullets)):
        return list(_with_unmarked(_without_steps([_Mark.of(mark) for mark in numbers]), body))
    lead = body[: bullets[0].start()].strip() if bullets else ""
    if lead and not CHATTER.match(lead) and len(bullets) < 3:
        return []
    return [_Mark(mark.start(), mark.end(), 0) for mark in bullets]


def _depth(marks: Sequence[re.Match[str]]) -> int:
    return len(marks[0]["indent"].expandtabs(4))


def _outermost(marks: list[re.Match[str]]) -> list[re.Match[str]]:
    """The marks that are not indented deeper than the first one: deeper ones number the steps of an item."""
    return [mark for mark in marks if _depth([mark]) <= _depth(marks) + 1]


def _without_steps(marks: list[_Mark]) -> list[_Mark]:
    """Leave out 1, 2, 3 between n and n + 1: steps of item n that stand at the margin."""
    kept, at = [], 0
    while at < len(marks):
        kept.append(marks[at])
        behind = at + 1
        while behind < len(marks) and marks[behind].number == behind - at:
            behind += 1
        goes_on = behind < len(marks) and marks[behind].number == marks[at].number + 1
        at = behind if goes_on and behind > at + 2 else at + 1
    return kept


def _with_unmarked(marks: list[_Mark], body: str) -> Iterator[_Mark]:
    """Add the numbers that a bad separator hid: "10 Sort" between 9. and 11., or " 10. Sort" behind a sentence."""
    for mark, following in zip_longest(marks, marks[1:]):
        yield mark
        at, end, number = mark.end, following.start if following else len(body), mark.number + 1
        while following is None or following.number != number:
            hidden = rf"(?<=[.?!。？！\"”»)])[ \t]+{number}[.)][ \t]+(?=\S)"
            if following and following.number == number + 1:
                hidden += rf"|^[ \t]*{number}[ \t]+(?:[-–—][ \t]+)?(?=\w)"
            found = re.compile(hidden, re.MULTILINE).search(body, at, end)
            if not found:
                break
            yield _Mark(found.start(), found.end(), number)
            at, number = found.end(), number + 1


def _items(body: str, marks: list[_Mark], first: int) -> list[str | Dropped]:
    """What stands behind each mark. The end of a prompt that is repeated before the number `first` is dropped."""
    repeats = first > 1 and [mark.number for mark in marks[:first]] == [*range(1, first + 1)]
    items: list[str | Dropped] = []
    for number, (mark, following) in enumerate(zip_longest(marks, marks[1:]), 1):
        end = following.start if following else len(body)
        piece = body[mark.end : end].replace(mark.open, "", 1).strip()
        prompt = ""
        if repeats and number == first - 1:
            piece, _, prompt = piece.partition("\n\n")
        if re.search(r"\w", piece):
            items.append(piece)
        else:
            items.append(Dropped(body[mark.start : end].strip(), "empty_item"))
        items += dropped_text(prompt, "echo")
    return items


def _lead(lead: str, first: int, marks: list[_Mark]) -> list[str | Dropped]:
    """The text before the first mark: an item whose number the prompt had written, or chatter.

    Without any mark in the answer it is the whole of it: a paragraph an item, or a line where each line is a sentence.
    """
    pieces = [piece.strip() for piece in BLANK_LINE.split(lead) if piece.strip()]
    if not marks and len(pieces) == 1 and not _BULLET.search(lead):
        lines = pieces[0].split("\n")
        pieces = lines if all(re.search(r"[.?!。？！]\W*$", line) for line in lines) else pieces
    goes_on = not marks or marks[0].number in {first + 1, 2}
    return [
        piece
        if goes_on and not CHATTER.match(piece) and (not marks or number == len(pieces))
        else Dropped(piece, "chatter")
        for number, piece in enumerate(pieces, 1)
    ]


def _farewell(items: list[str | Dropped]) -> list[Dropped]:
    """Take closing words to the reader off the last item.

    Among items of one line each they are whatever follows a blank line, and lines that speak to the reader; among
    longer ones only paragraphs that do.
    """
    if not items or isinstance(items[-1], Dropped):
        return []
    last = items[-1].strip()
    others = [item.strip() for item in items[:-1] if isinstance(item, str)]
    one_line_each = len(others) > 1 and not any("\n" in item for item in others)
    farewell: list[str] = []
    if one_line_each and (blank := BLANK_LINE.search(last)):
        last, farewell = last[: blank.start()], [last[blank.end() :]]
    separator = "\n" if one_line_each else "\n\n"
    ahead, found, closing = last.rpartition(separator)
    while found and (CHATTER.match(closing) or RULE.fullmatch(closing.strip())):
        farewell.insert(0, closing)
        ahead, found, closing = (last := ahead.rstrip()).rpartition(separator)
    items[-1] = last
    return dropped_text("\n\n".join(farewell), "chatter")

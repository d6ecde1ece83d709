"""JSON answers, read into what the same answers give as text.

Servers that enforce a schema send nothing else. Others send JSON with words around it, or the part of it that fits the
token limit, or text although JSON was asked for. So items are read one by one, and a broken one costs no other; an
answer without JSON of the wanted shape goes to the reader of texts. These never look for JSON, because an output may be
JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from selfinstruct.parsing import instances, lists, tasks, verdicts
from selfinstruct.parsing.common import CHATTER, Parsed, clean, dropped_text, instruction_of, parted, split_thinking
from selfinstruct.tasks import Candidate, Dropped, Instance

Read = TypeVar("Read")

# Behind so many items that are no JSON nothing more is looked for: each costs a look at the text before it.
MOST_BROKEN = 50

_AT_LINE_START = re.compile(r'^[ \t]*(?=\{\s*"|\[\s*[{"])', re.MULTILINE)
_BEHIND_WORDS = re.compile(r'\A[^\n{]*[:：][ \t]*(?=\{\s*")')
_FENCE_LINE = re.compile(r"^[ \t]*[`~]{3}\w*[ \t]*$", re.MULTILINE)
# Line ends inside a text, NaN, and a number of thousands of digits are no reason to lose an item.
_DECODER = json.JSONDecoder(strict=False, parse_constant=str, parse_int=float)
# Behind an item; anything else shows that a quote in its text was taken for its end.
_FOLLOWED = re.compile(r'\s*(?:[]}{"]|\Z|,[\s,]*(?:[]}{"[\d-]|true|false|null|NaN|\Z))')
_COUNTED = re.compile(r"\s*(\d{1,3})[.)]\s")
_GAP, _COLON = re.compile(r"[\s,]*"), re.compile(r"\s*:\s*")
_NEXT_OBJECT, _NEXT_TEXT = re.compile(r'[,\n}][ \t]*(?=\{\s*")'), re.compile(r'[,\n][ \t]*(?=")')


def numbered_list(text: str, first: int, *, cut: bool = False) -> Parsed[Candidate]:
    """Read `{"instructions": ["...", ...]}`. Numbers that count them from `first` or from 1 are taken off."""

    def instruction(item: _Item, number: int) -> Iterator[Candidate | Dropped]:
        said = item.said("instruction") if item.members else item.value
        if not isinstance(said, str):
            yield Dropped(item.source, "malformed", "no instruction in it")
            return
        said = _writable(said)
        counted = _COUNTED.match(said)
        if counted and int(counted[1]) in (first + number, number + 1):
            said = said[counted.end() :]
        said = instruction_of(said)
        yield Candidate(said) if re.search(r"\w", said) else Dropped(item.source, "empty_item")
        yield from item.others("instruction")

    shape = _Shape('"(?:instructions|tasks)"', r'\[\s*"|\[?\s*\{\s*"instruction"', instruction)
    pieces = _pieces(text, shape, cut=cut)
    return lists.numbered_list(text, first, cut=cut) if pieces is None else parted(pieces, cut=False)


def whole_tasks(text: str, *, cut: bool = False) -> Parsed[Candidate]:
    """Read `{"tasks": [{"instruction": "...", "input": "...", "output": "..."}, ...]}`."""
    pieces = _pieces(text, _TASKS, cut=cut)
    return tasks.whole_tasks(text, cut=cut) if pieces is None else parted(pieces, cut=False)


def input_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read `{"examples": [{"input": "...", "output": "..."}, ...]}`."""
    pieces = _pieces(text, _EXAMPLES, cut=cut)
    return instances.input_first(text, cut=cut) if pieces is None else parted(pieces, cut=False)


def output_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read `{"examples": [{"label": "...", "input": "..."}, ...]}`: the label is the output."""
    pieces = _pieces(text, _EXAMPLES, cut=cut)
    return instances.output_first(text, cut=cut) if pieces is None else parted(pieces, cut=False)


_VERDICT = re.compile(r'"is_classification"\s*:\s*"?(?:(?P<yes>true|yes)\b|(?P<no>false|no)\b|)', re.IGNORECASE)


def verdict(text: str) -> bool | None:
    """Read `{"is_classification": true}`; None if it says neither, or both."""
    answer, _ = split_thinking(text)
    kinds = {found.lastgroup for found in _VERDICT.finditer(answer)}
    if not kinds:
        return verdicts.verdict(text)
    return {"yes": True, "no": False}.get(kinds.pop() or "") if len(kinds) == 1 else None


@dataclass(frozen=True)
class _Item:
    """An item as it was written. The `members` of an object are its names, values and the JSON of these, in order."""

    source: str
    value: Any = None
    members: list[tuple[str, Any, str]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.members]

    def said(self, name: str) -> Any:
        """The value, None where there is none."""
        return next((value for each, value, _ in self.members if each == name), None)

    def text(self, name: str) -> str:
        """The value as a text: null is nothing, and a number, a truth value or a list is its JSON."""
        source = next((source for each, _, source in self.members if each == name), "")
        value = self.said(name)
        return _writable(value) if isinstance(value, str) else "" if value is None else source

    def others(self, *names: str) -> Iterator[Dropped]:
        """The members that nobody asked for."""
        for name, _, source in self.members:
            if name not in names:
                yield Dropped(source, "chatter", f"not asked for: {name}")


@dataclass(frozen=True)
class _Shape(Generic[Read]):
    """What to look for: the name of the list, or how it begins without that name; and how to read one of its items."""

    name: str
    bare: str
    read: Callable[[_Item, int], Iterator[Read | Dropped]]


def _task(item: _Item, _: int) -> Iterator[Candidate | Dropped]:
    said = item.said("instruction")
    instruction = instruction_of(_writable(said)) if isinstance(said, str) else ""
    if not instruction:
        yield Dropped(item.source, "malformed", "no instruction in it")
    elif "output" not in item.names:
        yield Dropped(item.source, "malformed", "no output in it")
    else:
        yield Candidate(instruction, (instances.instance_of(item.text("input"), item.text("output")),))
        yield from item.others("instruction", "input", "output")


def _example(item: _Item, _: int) -> Iterator[Instance | Dropped]:
    output = next((name for name in item.names if name in ("output", "label")), None)
    if output is None:
        yield Dropped(item.source, "malformed", "no output in it")
    else:
        yield instances.instance_of(item.text("input"), item.text(output))
        yield from item.others("input", output)


_TASKS: _Shape[Candidate] = _Shape('"tasks"', r'\[?\s*\{\s*"instruction"', _task)
_EXAMPLES: _Shape[Instance] = _Shape('"examples"', r'\[?\s*\{\s*"(?:input|output|label)"', _example)


def _writable(text: str) -> str:
    """A text with simple line ends, and a question mark for half a surrogate pair, which no file takes."""
    return text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")


# 1) Where JSON begins.


def _pieces(text: str, shape: _Shape[Read], *, cut: bool) -> list[Read | Dropped] | None:
    """What the lists in the answer hold, and what stands around them; None where there is no list."""
    answer, before, after = clean(text, _AT_LINE_START)
    places = list(_places(answer, shape.name, shape.bare))
    if not places:
        return None
    pieces: list[Read | Dropped] = [*before]
    at = 0
    for start, opened in places:
        if start >= at:
            pieces += _words(answer[at:start])
            read, at = _read_list(answer, opened, shape, cut=cut)
            pieces += read
    return [*pieces, *_words(answer[at:]), *after]


def _places(answer: str, name: str, bare: str) -> Iterator[tuple[int, int]]:
    """The places of the lists: of their names, and of what these name."""
    opening = _AT_LINE_START.search(answer) or (CHATTER.match(answer) and _BEHIND_WORDS.match(answer))
    if not opening:
        return
    lead, at = answer[: opening.end()], opening.end()
    if (not lead.strip() or CHATTER.match(lead)) and re.match(bare, answer[at:]):
        yield at, at
        return
    # The same name inside a text has its quotes escaped.
    for found in re.compile(rf"(?<!\\){name}\s*:\s*(?=[\[{{])").finditer(answer, at):
        yield found.span()


def _words(between: str) -> list[Dropped]:
    """What stands between lists, but for the brackets and fences around them."""
    return dropped_text(_FENCE_LINE.sub("", between).strip("{}[],` \t\n"), "chatter")


# 2) Item by item.


def _read_list(body: str, at: int, shape: _Shape[Read], *, cut: bool) -> tuple[list[Read | Dropped], int]:
    """Read the list at `at`, or the objects that follow one another there: the pieces, and the place behind them."""
    bracket = body.startswith("[", at)
    at, number = _skip(body, at + bracket), 0
    pieces: list[Read | Dropped] = []
    left = MOST_BROKEN
    while at < len(body) and body[at] not in "]}" and (bracket or body[at] == "{"):
        try:
            item, end = _item(body, at)
            if bracket and not _FOLLOWED.match(body, end):
                raise ValueError("the item goes on behind its end")
        except (ValueError, RecursionError):
            left -= 1
            broken, end = _broken(body, at, cut=cut, last=not left)
            pieces.append(broken)
        else:
            if len(set(item.names)) < len(item.names):
                pieces.append(Dropped(item.source, "malformed", "a name stands twice in it"))
            else:
                pieces.extend(shape.read(item, number))
        at, number = _skip(body, end), number + 1
    return pieces, at


def _broken(body: str, at: int, *, cut: bool, last: bool) -> tuple[Dropped, int]:
    """What is no whole JSON, up to the next place where an item may begin; the last one reaches to the end."""
    following = None if last else (_NEXT_OBJECT if body[at] == "{" else _NEXT_TEXT).search(body, at + 1)
    end = following.end() if following else len(body)
    text = body[at:end].rstrip(", \t\n")
    return Dropped(text, "malformed", "no whole JSON") if following or not cut else Dropped(text, "cut"), end


def _skip(body: str, at: int) -> int:
    """The place behind white space and commas."""
    found = _GAP.match(body, at)
    return found.end() if found else at


def _item(body: str, at: int) -> tuple[_Item, int]:
    """The value at `at`, and the place behind it.

    Raises:
        ValueError, RecursionError: there is no whole value.
    """
    if body[at] != "{":
        value, end = _DECODER.raw_decode(body, at)
        return _Item(body[at:end], value), end
    members, end = [], _skip(body, at + 1)
    while not body.startswith("}", end):
        name, end = _DECODER.raw_decode(body, end)
        colon = _COLON.match(body, end)
        if not isinstance(name, str) or colon is None:
            raise ValueError("no name of a member")
        value, end = _DECODER.raw_decode(body, colon.end())
        members.append((_writable(name), value, body[colon.end() : end]))
        end = _skip(body, end)
    return _Item(body[at : end + 1], None, members), end + 1

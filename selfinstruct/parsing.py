"""From the text of an answer to candidates, labels and instances; shared by the methods.

Nothing vanishes here: each piece of text becomes part of a result or a `Dropped` with its rule.

- `thinking`: reasoning between <think> marks. It is no answer.
- `chatter`: words to the reader before or after the answer, or what a base model went on to write.
- `echo`: parts of the prompt that the answer repeats.
- `cut`: the last piece of an answer that the token limit cut.
- `empty_item`: a number, bullet or heading with nothing behind it.
- `malformed`: text in which none of the expected parts was found.

The expressions keep runs of white space in one place each, so that no text makes them backtrack for long.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Generic, NamedTuple, TypeVar

from selfinstruct.tasks import NO_INPUT, Candidate, Dropped, Instance
from selfinstruct.text import capitalize_first, collapse

T = TypeVar("T", Candidate, Instance)


@dataclass
class Parsed(Generic[T]):
    """What was read from one answer, in its order, and what was dropped on the way."""

    items: list[T] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


def _parted(pieces: Iterable[T | Dropped], *, cut: bool) -> Parsed[T]:
    """Part results from what was dropped. Where the token limit cut the answer, its last piece is no result."""
    pieces = list(pieces)
    if cut and pieces:
        last = pieces[-1]
        pieces[-1] = Dropped(last.text if isinstance(last, Dropped) else _text(last), "cut")
    parsed: Parsed[T] = Parsed()
    for piece in pieces:
        if isinstance(piece, Dropped):
            parsed.dropped.append(piece)
        else:
            parsed.items.append(piece)
    return parsed


def _text(item: Candidate | Instance) -> str:
    if isinstance(item, Instance):
        return f"{item.input}\n{item.output}".strip()
    return "\n".join([item.instruction, *map(_text, item.instances)])


# --- What every answer may carry ------------------------------------------------------------------------------------

_THINK = re.compile(r"<(?:think|thinking|reasoning)>", re.IGNORECASE)
_THINK_END = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[ \t]*[\w+#.-]*[ \t]*$", re.MULTILINE)
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
# "###", "---" and "### Task 5:" part one piece from the next. A number alone may be an answer.
_RULE = re.compile(
    r"(?:#{2,}|-{3,}|\*{3,}|={3,})?(?:[ \t]*[*_]{0,3}(?:Task[ \t]*\d{1,3}|(?<=#)[ \t]*\d{1,3})[.:：]?[*_]{0,3})?",
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
    return inside.strip("\n"), thoughts + _dropped(before, "chatter"), _dropped(after, "chatter")


def _dropped(text: str, rule: str, detail: str | None = None) -> list[Dropped]:
    return [Dropped(text.strip(), rule, detail)] if text.strip() else []


def _behind(marks: Sequence[re.Match[str]], body: str) -> list[str]:
    """The text behind each mark, up to the next one."""
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    return [body[mark.end() : end] for mark, end in zip(marks, ends, strict=False)]


# Python's 2**3 and **kwargs are no emphasis, and __init__ is none.
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])\*\*(?=\S)([^*\n]+)(?<=\S)\*\*(?![A-Za-z0-9])")


def _instruction(text: str) -> str:
    """An instruction as it is kept: without emphasis and line breaks, its first letter in upper case."""
    return capitalize_first(collapse(_EMPHASIS.sub(r"\1", text)))


def _without_rules(text: str) -> str:
    """Text without the lines that only part it from what follows, such as "###"."""
    lines = text.rstrip().split("\n")
    while lines and _RULE.fullmatch(lines[-1].strip()):
        lines.pop()
    return "\n".join(lines).strip()


# --- Lists of instructions ------------------------------------------------------------------------------------------

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
# How models open and close a list when they speak to the reader, or refuse; a task seldom begins so.
_CHATTER = re.compile(
    r"\W*(?:sure\b|certainly\b|of course\b|absolutely\b|okay\b|here (?:are|is|you go)\b|here['’]s\b|"
    r"below (?:are|is)\b|i hope\b|(?:i|i have|i['’]ve) (?:written|prepared|created|listed|made)\b|let me know\b|"
    r"feel free\b|please note\b|note:|would you like\b|if you(?:['’]d| would)? (?:need|like|want)\b|happy to\b|"
    r"hope (?:this|these)\b|these (?:tasks|instructions)\b|(?:i['’]m|i am) (?:sorry|unable|afraid|happy)\b|"
    r"i (?:cannot|can['’]t|can not)\b|as an ai\b|sorry,|"
    r"好的|当然|以下是|下面是|希望(?:这些|以上)|如果您需要|抱歉|很抱歉|对不起|"
    r"물론|도움이 되|죄송|はい|以下は|以下に|もちろん|申し訳)",
    re.IGNORECASE,
)


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
    return _parted([*dropped, *read, *closing, *after], cut=cut)


def _candidate(piece: str) -> Candidate | Dropped:
    instruction = _instruction(piece)
    return Candidate(instruction) if re.search(r"\w", instruction) else Dropped(piece.strip(), "empty_item")


def _list_marks(body: str) -> list[_Mark]:
    """The marks of the outermost list: those of the kind that is indented least, numbers before bullets.

    One or two bullets behind a sentence that does not speak to the reader are parts of that instruction.
    """
    numbers, bullets = (_outermost(list(pattern.finditer(body))) for pattern in (_NUMBER, _BULLET))
    if numbers and (not bullets or _depth(numbers) <= _depth(bullets)):
        return list(_with_unmarked(_without_steps([_Mark.of(mark) for mark in numbers]), body))
    lead = body[: bullets[0].start()].strip() if bullets else ""
    if lead and not _CHATTER.match(lead) and len(bullets) < 3:
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
        items += _dropped(prompt, "echo")
    return items


def _lead(lead: str, first: int, marks: list[_Mark]) -> list[str | Dropped]:
    """The text before the first mark: an item whose number the prompt had written, or chatter.

    Without any mark in the answer it is the whole of it: a paragraph an item, or a line where each line is a sentence.
    """
    pieces = [piece.strip() for piece in _BLANK_LINE.split(lead) if piece.strip()]
    if not marks and len(pieces) == 1 and not _BULLET.search(lead):
        lines = pieces[0].split("\n")
        pieces = lines if all(re.search(r"[.?!。？！]\W*$", line) for line in lines) else pieces
    goes_on = not marks or marks[0].number in {first + 1, 2}
    return [
        piece
        if goes_on and not _CHATTER.match(piece) and (not marks or number == len(pieces))
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
    if one_line_each and (blank := _BLANK_LINE.search(last)):
        last, farewell = last[: blank.start()], [last[blank.end() :]]
    separator = "\n" if one_line_each else "\n\n"
    ahead, found, closing = last.rpartition(separator)
    while found and (_CHATTER.match(closing) or _RULE.fullmatch(closing.strip())):
        farewell.insert(0, closing)
        ahead, found, closing = (last := ahead.rstrip()).rpartition(separator)
    items[-1] = last
    return _dropped("\n\n".join(farewell), "chatter")


# --- Verdicts -------------------------------------------------------------------------------------------------------

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


# --- Instances ------------------------------------------------------------------------------------------------------

# Inputs that say that there is none.
_NO_INPUT = NO_INPUT | {"none", "(none)", "n/a", "not applicable", "empty", "(empty)", "无", "無", "なし", "없음"}


_MARGIN = r"^[ \t]*(?:[#>]+[ \t]*|[-•*][ \t]+)?[*_]{0,3}(?:\d{1,3}[.)][ \t]*)?[*_]{0,3}"


def _field(names: str) -> re.Pattern[str]:
    """The mark of a field: one of its names at the start of a line, with a colon behind it."""
    return re.compile(
        rf"{_MARGIN}(?:{names})(?:[ \t]*\d{{1,3}})?[*_]{{0,3}}[ \t]*[:：]"
        r"(?:\*\*(?=[^*\n]*(?:\n|\Z))|__(?=\s|\Z))?[ \t]*",
        re.MULTILINE | re.IGNORECASE,
    )


_INPUT = _field("Input|输入|輸入|入力|입력")
_OUTPUT = _field("Output|输出|輸出|出力|출력")
_CLASS_LABEL = _field(r"Class[ \t]+label|类别标签|類別標籤|クラスラベル|분류 레이블")
_LABEL = _field("Class|Label|类别|標籤|标签|ラベル|분류|레이블")
_HEADING = rf"{_MARGIN}(?:Example|Instance|示例|例子|例|예시|예)[ \t]*"
# "Example 1" alone on its line; without a number where a field follows.
_EXAMPLE = re.compile(
    rf"{_HEADING}(?:(?:#[ \t]*)?\d{{1,3}}[ \t]*(?:[*_.:：)–—-]{{1,7}}[ \t]*)?$"
    rf"|(?:[*_:：]{{1,7}}[ \t]*)?$(?=\n{{1,2}}(?:{_INPUT.pattern}|{_OUTPUT.pattern}|{_CLASS_LABEL.pattern})))",
    re.MULTILINE | re.IGNORECASE,
)
_EXAMPLE_BEFORE_TEXT = re.compile(rf"{_HEADING}\d{{1,3}}[*_]{{0,3}}[:：][*_]{{0,3}}[ \t]*(?=[^\s*_])", _EXAMPLE.flags)
_ANY_PART = re.compile(
    "|".join(part.pattern for part in (_EXAMPLE, _INPUT, _OUTPUT, _CLASS_LABEL, _LABEL)), _EXAMPLE.flags
)
_TASK = re.compile(
    r"(?:\A|\n[ \t]*\n)(?P<task>[ \t]*(?:\*\*)?(?:Task|任务|任務|タスク|작업)(?:[ \t]*\d{1,3})?[ \t]*[:：][^\n]*)"
    rf"|^(?P<headed>[ \t]*Task:[^\n]*)(?=\n(?:{_EXAMPLE.pattern}|{_CLASS_LABEL.pattern}))",
    re.MULTILINE | re.IGNORECASE,
)
# Letters end with "Let me know"; only words about examples or tasks are the model's own.
_ABOUT_EXAMPLES = re.compile(
    rf"(?:{_CHATTER.pattern}|these\b|note\b)[^\n]*\b(?:examples?|instances?|tasks?)\b[^\n]*\Z", re.IGNORECASE
)


def input_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read "Example n" blocks of an input and an "Output:", or a bare "Output:", into instances.

    A mark stands at the start of a line, and Input and Output are followed by a colon: the same words inside prose are
    prose. What stands before the output is the input, whatever its fields are called. A block without an output mark
    is an output alone, unless it is an input. Without any mark nothing is read.
    """
    body, before, after = _own_part(text)
    return _parted([*before, *_examples(body, _OUTPUT), *after], cut=cut)


def output_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read "Class label:" and what follows it into instances: the label is the output, each input one instance.

    Examples in the other order, and with "Output:" for the label, are read as they stand.
    """
    body, before, after = _own_part(text)
    label = next((mark for mark in (_CLASS_LABEL, _LABEL) if mark.search(body)), _OUTPUT)
    first_label, first_input = label.search(body), _INPUT.search(body)
    if label is _OUTPUT or (first_label and first_input and first_input.start() < first_label.start()):
        pieces = _examples(body, label)
    else:
        pieces = _labelled(body, label)
    return _parted([*before, *pieces, *after], cut=cut)


def _own_part(text: str) -> tuple[str, list[Dropped], list[Dropped]]:
    """The part of an answer about the task that was asked for: (it, dropped before it, dropped after it).

    A base model goes on to tasks of its own, and a chat model may repeat the task and close with words to the reader.
    """
    body, before, after = clean(text, _ANY_PART)
    body, closing = _about_examples(body)
    after = [*closing, *after]
    tasks = list(_TASK.finditer(body))
    if tasks and not _ANY_PART.search(body, 0, tasks[0].start()):
        lead = body[: tasks[0].start()].strip()
        if lead and not _CHATTER.match(lead) and not lead.endswith((":", "：")):
            return "", [*before, *_dropped(body, "malformed", "it begins with no part of an example")], after
        before += [*_dropped(lead, "chatter"), *_dropped(tasks[0].group(), "echo")]
        body = body[tasks[0].end() :]
        tasks = list(_TASK.finditer(body))
    if tasks:
        after = [*_dropped(body[tasks[0].start() :], "chatter", "another task follows"), *after]
        body = body[: tasks[0].start()]
    return body, before, after


def _about_examples(body: str) -> tuple[str, list[Dropped]]:
    """Take a last paragraph off that speaks of the examples to the reader."""
    ahead, _, closing = body.strip().rpartition("\n\n")
    return (ahead, _dropped(closing, "chatter")) if ahead and _ABOUT_EXAMPLES.match(closing) else (body.strip(), [])


def _examples(body: str, output: re.Pattern[str]) -> Iterator[Instance | Dropped]:
    body = _heading_lines(body, output)
    marks = list(_EXAMPLE.finditer(body))
    lead = body[: marks[0].start()] if marks else body
    if output.search(lead):
        yield from _pairs(lead, output)
    else:
        yield from _dropped(lead, *(("chatter",) if marks else ("malformed", "no example and no output in it")))
    for mark, piece in zip(marks, _behind(marks, body), strict=True):
        if piece.strip():
            yield from _pairs(_without_rules(piece) if mark is not marks[-1] else piece, output)
        else:
            yield Dropped(mark.group().strip(), "empty_item")


def _heading_lines(body: str, output: re.Pattern[str]) -> str:
    """Give "Example 1: text" a line of its own where an output follows; elsewhere it is part of a text."""
    marks = list(_EXAMPLE_BEFORE_TEXT.finditer(body))
    pieces = [body[: marks[0].start()] if marks else body]
    for mark, piece in zip(marks, _behind(marks, body), strict=True):
        pieces += [mark.group(), "\n" if output.search(piece) else "", piece]
    return "".join(pieces)


def _pairs(block: str, output: re.Pattern[str]) -> Iterator[Instance | Dropped]:
    """The instances of one block: mostly one, more where they follow one another without a heading.

    Further output marks start further instances where the task has no input; behind an input they may be part of the
    answer, such as a program's output.
    """
    start = 0
    while start < len(block):
        found = output.search(block, start)
        given = _without_mark(block[start : found.start() if found else len(block)])
        if not found:
            if start or _INPUT.match(block.lstrip("\n")):
                yield from _dropped(block[start:], "malformed", "an input without an output")
            else:
                yield _instance("", given)
            return
        following = _INPUT.search(block, found.end())
        end = following.start() if following else len(block)
        if given:
            yield _instance(given, block[found.end() : end])
        else:
            answer = block[found.start() : end]
            yield from (_instance("", piece) for piece in _behind(list(output.finditer(answer)), answer))
        start = end


def _labelled(body: str, label: re.Pattern[str]) -> Iterator[Instance | Dropped]:
    marks = list(label.finditer(body))
    yield from _dropped(_EXAMPLE.sub("", body[: marks[0].start()]), "chatter")
    for mark, piece in zip(marks, _behind(marks, body), strict=True):
        said = _EXAMPLE.sub("", piece)
        said = (_without_rules(said) if mark is not marks[-1] else said).strip()
        answer, rest = ("", said) if _INPUT.match(said) else said.partition("\n")[::2]
        inputs = list(_INPUT.finditer(rest.strip()))
        several = _behind(inputs, rest.strip()) if inputs and inputs[0].start() == 0 else [rest]
        yield from (_instance(one, answer) for one in several)


def _without_mark(given: str) -> str:
    return _INPUT.sub("", given.strip(), count=1).strip() if _INPUT.match(given.strip()) else given.strip()


def _instance(given: str, output: str) -> Instance:
    given = given.strip()
    return Instance("" if given.casefold().rstrip(".。") in _NO_INPUT else given, output.strip())


# --- Whole tasks (Alpaca) -------------------------------------------------------------------------------------------

_INSTRUCTION = _field(r"(?:Task[ \t]*)?(?:Instruction|指令|指示|지시|지시문)")


def whole_tasks(text: str, *, continues: bool = False, cut: bool = False) -> Parsed[Candidate]:
    """Read "Instruction / Input / Output" tasks into candidates with one instance each.

    Tasks are told apart by their "Instruction:" marks, not by separators or numbers, so a wrong number or a missing
    "###" neither drops nor merges what follows. `continues` says that the prompt ended with such a mark (base models).
    """
    body, before, after = clean(text, _INSTRUCTION)
    if continues and not _INSTRUCTION.match(body.lstrip("\n")):
        body = "Instruction: " + body.lstrip()
    body, closing = _about_examples(body)
    marks = list(_INSTRUCTION.finditer(body))
    lead = _without_rules(body[: marks[0].start()] if marks else body)
    before += _dropped(lead, *(("chatter",) if marks else ("malformed", "no instruction in it")))
    tasks = [_task(_without_rules(piece), mark) for mark, piece in zip(marks, _behind(marks, body), strict=True)]
    return _parted([*before, *tasks, *closing, *after], cut=cut)


def _task(block: str, mark: re.Match[str]) -> Candidate | Dropped:
    output = _OUTPUT.search(block)
    if not block:
        return Dropped(mark.group().strip(), "empty_item")
    if output is None:
        return Dropped(block, "malformed", "no output in it")
    given = _INPUT.search(block, 0, output.start())
    instruction = _instruction(block[: (given or output).start()])
    if not instruction:
        return Dropped(block, "malformed", "no instruction in it")
    instance = _instance(block[given.end() : output.start()] if given else "", block[output.end() :])
    return Candidate(instruction, (instance,))

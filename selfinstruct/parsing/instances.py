"""Instances: inputs and outputs of a task."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selfinstruct.parsing.common import CHATTER, Parsed, behind, clean, dropped_text, parted, without_rules
from selfinstruct.tasks import NO_INPUT, Dropped, Instance

# Inputs that say that there is none.
_NO_INPUT = NO_INPUT | {"none", "(none)", "n/a", "not applicable", "empty", "(empty)", "无", "無", "なし", "없음"}


_MARGIN = r"^[ \t]*(?:[#>]+[ \t]*|[-•*][ \t]+)?[*_]{0,3}(?:\d{1,3}[.)][ \t]*)?[*_]{0,3}"


def field_mark(names: str) -> re.Pattern[str]:
    """The mark of a field: one of its names at the start of a line, with a colon behind it."""
    return re.compile(
        rf"{_MARGIN}(?:{names})(?:[ \t]*\d{{1,3}})?[*_]{{0,3}}[ \t]*[:：]"
        r"(?:\*\*(?=[^*\n]*(?:\n|\Z))|__(?=\s|\Z))?[ \t]*",
        re.MULTILINE | re.IGNORECASE,
    )


INPUT = field_mark("Input|输入|輸入|入力|입력")
OUTPUT = field_mark("Output|输出|輸出|出力|출력")
_CLASS_LABEL = field_mark(r"Class[ \t]+label|类别标签|類別標籤|クラスラベル|분류 레이블")
_LABEL = field_mark("Class|Label|类别|標籤|标签|ラベル|분류|레이블")
_HEADING = rf"{_MARGIN}(?:Example|Instance|示例|例子|例|예시|예)[ \t]*"
# "Example 1" alone on its line; without a number where a field follows.
_EXAMPLE = re.compile(
    rf"{_HEADING}(?:(?:#[ \t]*)?\d{{1,3}}[ \t]*(?:[*_.:：)–—-]{{1,7}}[ \t]*)?$"
    rf"|(?:[*_:：]{{1,7}}[ \t]*)?$(?=\n{{1,2}}(?:{INPUT.pattern}|{OUTPUT.pattern}|{_CLASS_LABEL.pattern})))",
    re.MULTILINE | re.IGNORECASE,
)
_EXAMPLE_BEFORE_TEXT = re.compile(rf"{_HEADING}\d{{1,3}}[*_]{{0,3}}[:：][*_]{{0,3}}[ \t]*(?=[^\s*_])", _EXAMPLE.flags)
_ANY_PART = re.compile(
    "|".join(part.pattern for part in (_EXAMPLE, INPUT, OUTPUT, _CLASS_LABEL, _LABEL)), _EXAMPLE.flags
)
_TASK = re.compile(
    r"(?:\A|\n[ \t]*\n)(?P<task>[ \t]*(?:\*\*)?(?:Task|任务|任務|タスク|작업)(?:[ \t]*\d{1,3})?[ \t]*[:：][^\n]*)"
    rf"|^(?P<headed>[ \t]*Task:[^\n]*)(?=\n(?:{_EXAMPLE.pattern}|{_CLASS_LABEL.pattern}))",
    re.MULTILINE | re.IGNORECASE,
)
# Letters end with "Let me know"; only words about examples or tasks are the model's own.
_ABOUT_EXAMPLES = re.compile(
    rf"(?:{CHATTER.pattern}|these\b|note\b)[^\n]*\b(?:examples?|instances?|tasks?)\b[^\n]*\Z", re.IGNORECASE
)


def input_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read "Example n" blocks of an input and an "Output:", or a bare "Output:", into instances.

    A mark stands at the start of a line, and Input and Output are followed by a colon: the same words inside prose are
    prose. What stands before the output is the input, whatever its fields are called. A block without an output mark
    is an output alone, unless it is an input. Without any mark nothing is read.
    """
    body, before, after = _own_part(text)
    return parted([*before, *_examples(body, OUTPUT), *after], cut=cut)


def output_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read "Class label:" and what follows it into instances: the label is the output, each input one instance.

    Examples in the other order, and with "Output:" for the label, are read as they stand.
    """
    body, before, after = _own_part(text)
    label = next((mark for mark in (_CLASS_LABEL, _LABEL) if mark.search(body)), OUTPUT)
    first_label, first_input = label.search(body), INPUT.search(body)
    if label is OUTPUT or (first_label and first_input and first_input.start() < first_label.start()):
        pieces = _examples(body, label)
    else:
        pieces = _labelled(body, label)
    return parted([*before, *pieces, *after], cut=cut)


def _own_part(text: str) -> tuple[str, list[Dropped], list[Dropped]]:
    """The part of an answer about the task that was asked for: (it, dropped before it, dropped after it).

    A base model goes on to tasks of its own, and a chat model may repeat the task and close with words to the reader.
    """
    body, before, after = clean(text, _ANY_PART)
    body, closing = about_examples(body)
    after = [*closing, *after]
    tasks = list(_TASK.finditer(body))
    if tasks and not _ANY_PART.search(body, 0, tasks[0].start()):
        lead = body[: tasks[0].start()].strip()
        if lead and not CHATTER.match(lead) and not lead.endswith((":", "：")):
            return "", [*before, *dropped_text(body, "malformed", "it begins with no part of an example")], after
        before += [*dropped_text(lead, "chatter"), *dropped_text(tasks[0].group(), "echo")]
        body = body[tasks[0].end() :]
        tasks = list(_TASK.finditer(body))
    if tasks:
        after = [*dropped_text(body[tasks[0].start() :], "chatter", "another task follows"), *after]
        body = body[: tasks[0].start()]
    return body, before, after


def about_examples(body: str) -> tuple[str, list[Dropped]]:
    """Take a last paragraph off that speaks of the examples to the reader."""
    ahead, _, closing = body.strip().rpartition("\n\n")
    return (ahead, dropped_text(closing, "chatter")) if ahead and _ABOUT_EXAMPLES.match(closing) else (body.strip(), [])


def _examples(body: str, output: re.Pattern[str]) -> Iterator[Instance | Dropped]:
    body = _heading_lines(body, output)
    marks = list(_EXAMPLE.finditer(body))
    lead = body[: marks[0].start()] if marks else body
    if output.search(lead):
        yield from _pairs(lead, output)
    else:
        yield from dropped_text(lead, *(("chatter",) if marks else ("malformed", "no example and no output in it")))
    for mark, piece in zip(marks, behind(marks, body), strict=True):
        if piece.strip():
            yield from _pairs(without_rules(piece) if mark is not marks[-1] else piece, output)
        else:
            yield Dropped(mark.group().strip(), "empty_item")


def _heading_lines(body: str, output: re.Pattern[str]) -> str:
    """Give "Example 1: text" a line of its own where an output follows; elsewhere it is part of a text."""
    marks = list(_EXAMPLE_BEFORE_TEXT.finditer(body))
    pieces = [body[: marks[0].start()] if marks else body]
    for mark, piece in zip(marks, behind(marks, body), strict=True):
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
            if start or INPUT.match(block.lstrip("\n")):
                yield from dropped_text(block[start:], "malformed", "an input without an output")
            else:
                yield instance_of("", given)
            return
        following = INPUT.search(block, found.end())
        end = following.start() if following else len(block)
        if given:
            yield instance_of(given, block[found.end() : end])
        else:
            answer = block[found.start() : end]
            yield from (instance_of("", piece) for piece in behind(list(output.finditer(answer)), answer))
        start = end


def _labelled(body: str, label: re.Pattern[str]) -> Iterator[Instance | Dropped]:
    marks = list(label.finditer(body))
    yield from dropped_text(_EXAMPLE.sub("", body[: marks[0].start()]), "chatter")
    for mark, piece in zip(marks, behind(marks, body), strict=True):
        said = _EXAMPLE.sub("", piece)
        said = (without_rules(said) if mark is not marks[-1] else said).strip()
        answer, rest = ("", said) if INPUT.match(said) else said.partition("\n")[::2]
        inputs = list(INPUT.finditer(rest.strip()))
        several = behind(inputs, rest.strip()) if inputs and inputs[0].start() == 0 else [rest]
        yield from (instance_of(one, answer) for one in several)


def _without_mark(given: str) -> str:
    return INPUT.sub("", given.strip(), count=1).strip() if INPUT.match(given.strip()) else given.strip()


def instance_of(given: str, output: str) -> Instance:
    given = given.strip()
    return Instance("" if given.casefold().rstrip(".。") in _NO_INPUT else given, output.strip())

"""From the text of an answer to candidates, labels and instances; shared by the methods.

Nothing vanishes here: each piece of text becomes part of a result or a `Dropped` with its rule.

- `thinking`: reasoning between <think> marks. It is no answer.
- `chatter`: words to the reader before or after the answer.
- `cut`: the last item of an answer that the token limit cut.
- `empty_item`: a number, bullet or heading with nothing behind it.
- `malformed`: text in which none of the expected parts was found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from selfinstruct.tasks import NO_INPUT, Candidate, Dropped, Instance
from selfinstruct.text import capitalize_first, collapse

T = TypeVar("T")


@dataclass
class Parsed(Generic[T]):
    """What was read from one answer, in its order, and what was dropped on the way."""

    items: list[T] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)


# --- What every answer may carry ------------------------------------------------------------------------------------

_THINK = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_THINK_END = re.compile(r"\A.*</(?:think|thinking|reasoning)>", re.DOTALL | re.IGNORECASE)
_FENCED = re.compile(r"\A\s*```[^\n`]*\n(.*?)\n?```\s*\Z", re.DOTALL)


def split_thinking(text: str) -> tuple[str, str]:
    """Part an answer from the reasoning in <think> marks: (answer, reasoning).

    A block that never closes takes all that follows, and a closing mark without an opening one takes all before it
    (servers that put the opening mark into the prompt send such texts).
    """
    taken: list[str] = []

    def take(found: re.Match[str]) -> str:
        taken.append(found.group().strip())
        return ""

    answer = _THINK_END.sub(take, _THINK.sub(take, text))
    return answer.strip("\n"), "\n".join(taken)


def clean(text: str) -> tuple[str, list[Dropped]]:
    """Take reasoning out, unify line ends and unwrap an answer that is one code fence."""
    answer, reasoning = split_thinking(text.replace("\r\n", "\n").replace("\r", "\n"))
    fenced = _FENCED.match(answer)
    dropped = [Dropped(reasoning, "thinking")] if reasoning else []
    return (fenced.group(1) if fenced else answer), dropped


def _behind(marks: Sequence[re.Match[str]], body: str) -> list[str]:
    """The text behind each mark, up to the next one."""
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    return [body[mark.end() : end] for mark, end in zip(marks, ends, strict=False)]


def _plain(line: str) -> str:
    """A line without emphasis marks around its words."""
    return re.sub(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1", r"\2", line)


# --- Lists of instructions ------------------------------------------------------------------------------------------

# "9.", "9)", "(9)", "９．", "Task 9:", "**9.**", "### 9.", "9、"; a number of four digits is a year.
_NUMBER = re.compile(
    r"^(?P<indent>[ \t]*)(?:[#>]+[ \t]*)?(?:\*\*|__)?[ \t]*"
    r"(?:(?P<name>Task|Instruction|Question|Item|任务|指令|タスク|작업|과제|지시)[ \t]*#?[ \t]*)?"
    r"[(（\[]?(?P<number>\d{1,3})[ \t]*"
    r"(?:[.．)）\]:：、。](?!\d)|(?(name)(?=[ \t]*(?:\n|\Z|[-–—]))|(?!))[-–—]?)(?:\*\*|__)?[ \t]*",
    re.MULTILINE | re.IGNORECASE,
)
_BULLET = re.compile(r"^(?P<indent>[ \t]*)[-*•‣·▪○●–][ \t]+", re.MULTILINE)
# How models open and close a list when they speak to the reader; a task seldom begins so.
_CHATTER = re.compile(
    r"\W*(?:sure\b|certainly\b|of course\b|absolutely\b|okay\b|here (?:are|is|you go)\b|here's\b|below (?:are|is)\b|"
    r"i hope\b|i (?:have|'ve)? ?(?:written|prepared|created|listed|made)\b|let me know\b|feel free\b|please note\b|note:|"
    r"would you like\b|if you(?:'d| would)? (?:need|like|want)\b|happy to\b|hope (?:this|these)\b|these (?:tasks|instructions)\b|"
    r"好的|当然|以下是|下面是|希望(?:这些|以上)|如果您需要|물론|도움이 되|はい|以下は|以下に|もちろん)",
    re.IGNORECASE,
)


def numbered_list(text: str, first: int, *, cut: bool = False) -> Parsed[Candidate]:
    """Read a list of instructions, however it is numbered or bulleted.

    `first` is the number that the list was asked to begin with: a base model goes on behind it, so text before the
    first number is an item where the next number follows, and chatter where the list begins anew. Numbers may be
    wrong or all the same. An item runs to the next mark at its indentation or above; further lines belong to it, but a
    last paragraph that speaks to the reader does not. `cut` says that the token limit cut the answer: its last item
    goes. The first letter is put in upper case and white space collapsed.
    """
    body, dropped = clean(text)
    parsed: Parsed[Candidate] = Parsed(dropped=dropped)
    marks = _outermost(list(_NUMBER.finditer(body)))
    lead = body[: marks[0].start()] if marks else body
    leads_into = not marks or _value(marks[0]) == first + 1
    if not marks:
        marks = _outermost(list(_BULLET.finditer(body)))
        if marks:
            lead, leads_into = body[: marks[0].start()], False
    pieces = _lead_items(lead, leads_into, parsed, listed=bool(marks))
    pieces += _behind(marks, body)
    if pieces:
        pieces[-1] = _without_farewell(pieces[-1], parsed)
    for number, piece in enumerate(pieces, 1):
        instruction = capitalize_first(collapse(_plain(piece.strip()).strip("*_").strip()))
        if cut and number == len(pieces):
            parsed.dropped.append(Dropped(instruction, "cut"))
        elif not re.search(r"\w", instruction):
            parsed.dropped.append(Dropped(piece.strip(), "empty_item"))
        else:
            parsed.items.append(Candidate(instruction))
    return parsed


def _value(mark: re.Match[str]) -> int:
    return int(mark["number"])


def _outermost(marks: list[re.Match[str]]) -> list[re.Match[str]]:
    """The marks that are not indented deeper than the first one: deeper ones number the steps of an item."""
    if not marks:
        return []
    depth = len(marks[0]["indent"].expandtabs(4))
    return [mark for mark in marks if len(mark["indent"].expandtabs(4)) <= depth + 1]


def _lead_items(lead: str, leads_into: bool, parsed: Parsed[Candidate], *, listed: bool) -> list[str]:
    """The text before the first mark: an item whose number the prompt had written, or chatter.

    Without any mark in the answer it is the whole of it: a paragraph an item, or a line where each line is a sentence.
    """
    pieces = [piece.strip() for piece in re.split(r"\n[ \t]*\n", lead) if piece.strip()]
    if len(pieces) == 1 and not listed and all(re.search(r"[.?!。？！]\W*$", line) for line in lead.strip().splitlines()):
        pieces = lead.strip().splitlines()
    spoken = [piece for piece in pieces if _CHATTER.match(piece)]
    items = [piece for piece in pieces if piece not in spoken]
    if listed:
        items, spoken = (items[-1:], pieces[:-1]) if leads_into and items[-1:] == pieces[-1:] else ([], pieces)
    parsed.dropped.extend(Dropped(piece, "chatter") for piece in spoken)
    return items


def _without_farewell(piece: str, parsed: Parsed[Candidate]) -> str:
    """Drop closing paragraphs that speak to the reader, such as an offer to write more."""
    paragraphs = re.split(r"\n[ \t]*(?:-{3,}|\*{3,})?[ \t]*\n", piece)
    while len(paragraphs) > 1 and (not paragraphs[-1].strip() or _CHATTER.match(paragraphs[-1].strip())):
        farewell = paragraphs.pop().strip()
        if farewell:
            parsed.dropped.append(Dropped(farewell, "chatter"))
    return "\n\n".join(paragraphs)


# --- Verdicts -------------------------------------------------------------------------------------------------------

_YES = r"yes|yeah|yep|true|是的|是|对|对的|はい|네|예|oui|sí|si|ja|да"
_NO = r"no|nope|not|false|不是|不|否|いいえ|아니요|아니오|아니|non|nein|нет"
_WORD = re.compile(rf"(?<!\w)(?:(?P<no>{_NO})|(?P<yes>{_YES}))(?!\w)", re.IGNORECASE)
_STATED = re.compile(
    rf"(?:answer|classification|verdict|label|答案|回答|답변?|答え)\s*(?:is|:|：|=|은|는|は)*\s*[\"'*]*(?:(?P<no>{_NO})|(?P<yes>{_YES}))(?!\w)",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"(?P<no>\b(?:is not|isn't|not) an? (?:\w+ )?classification)|(?P<yes>\bis an? (?:\w+ )?classification)", re.IGNORECASE
)


def verdict(text: str) -> bool | None:
    """Read a yes or a no from an answer that may be dotted, lower-case, in a sentence or run on; None if it is neither.

    The first word decides where it is one; otherwise what the first lines state ("The answer is: No.", "This is a
    classification task."). Reasoning is left out.
    """
    answer, _ = split_thinking(text)
    answer = unicodedata.normalize("NFKC", answer).strip()
    opening = answer.lstrip("*_#>\"'`([{-:. \n\t")
    for found in (_WORD.match(opening), _STATED.search(answer), _PHRASE.search(answer)):
        if found:
            return found["yes"] is not None
    return None


# --- Instances ------------------------------------------------------------------------------------------------------

_MARK_START = r"^[ \t]*(?:[#>]+[ \t]*)?(?:\*\*|__)?[ \t]*(?:\d{1,3}\.[ \t]+)?"
_MARK_END = r"(?:\*\*|__)?[ \t]*[:：][ \t]*(?:\*\*|__)?[ \t]*"
_EXAMPLE = re.compile(
    rf"{_MARK_START}(?:Example|Instance|示例|例子|例|예시|예)[ \t]*#?[ \t]*\d{{1,3}}[ \t]*(?:\*\*|__)?[ \t]*"
    r"(?:[.:：-][ \t]*)?(?:\*\*|__)?[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_INPUT = re.compile(
    rf"{_MARK_START}(?:Input|输入|輸入|入力|입력)(?:[ \t]*\d{{1,2}})?{_MARK_END}", re.MULTILINE | re.IGNORECASE
)
_OUTPUT = re.compile(
    rf"{_MARK_START}(?:Output|输出|輸出|出力|출력)(?:[ \t]*\d{{1,2}})?{_MARK_END}", re.MULTILINE | re.IGNORECASE
)
_LABEL = re.compile(
    rf"{_MARK_START}(?:Class[ \t]+label|Label|类别标签|类别|标签|ラベル|분류|레이블)(?:[ \t]*\d{{1,2}})?{_MARK_END}",
    re.MULTILINE | re.IGNORECASE,
)
_NEXT_TASK = re.compile(r"^[ \t]*(?:\*\*)?(?:Task|任务|タスク|작업)(?:[ \t]*\d{1,3})?[ \t]*[:：]", re.MULTILINE | re.IGNORECASE)


def input_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read "Example n" blocks of an input and an "Output:", or a bare "Output:", into instances.

    A mark stands at the start of a line, and Input and Output are followed by a colon: the same words inside prose are
    prose. What stands before the output is the input, whatever its fields are called. A block without an output mark
    is an output alone. Without any mark nothing is read.
    """
    body, parsed = _instance_body(text)
    blocks = _blocks(body, parsed)
    if not blocks and _OUTPUT.search(body):
        blocks = [body]
    if not blocks and body.strip():
        parsed.dropped.append(Dropped(body.strip(), "malformed", "no example and no output in it"))
    for block in blocks:
        parsed.items.extend(_pairs(block))
    return _finish(parsed, cut)


def output_first(text: str, *, cut: bool = False) -> Parsed[Instance]:
    """Read "Class label:" and what follows it into instances: the label is the output, each input one instance."""
    body, parsed = _instance_body(text)
    marks = list(_LABEL.finditer(body))
    lead = _EXAMPLE.sub("", body[: marks[0].start()] if marks else body).strip()
    if lead and not marks:
        parsed.dropped.append(Dropped(lead, "malformed", "no class label in it"))
    elif lead:
        parsed.dropped.append(Dropped(lead, "chatter"))
    for piece in _behind(marks, body):
        label, _, rest = piece.strip().partition("\n")
        given = _EXAMPLE.sub("", rest).strip()
        inputs = list(_INPUT.finditer(given))
        several = _behind(inputs, given) if inputs and inputs[0].start() == 0 else [given]
        parsed.items.extend(_instance(one, label) for one in several)
    return _finish(parsed, cut)


def _instance_body(text: str) -> tuple[str, Parsed[Instance]]:
    """The answer up to where a base model goes on to a task of its own."""
    body, dropped = clean(text)
    parsed: Parsed[Instance] = Parsed(dropped=dropped)
    following = _NEXT_TASK.search(body)
    if following and (following.start() > 0 or not re.search(r"\S", body[: following.start()])):
        ahead, rest = body[: following.start()], body[following.start() :]
        if ahead.strip():
            parsed.dropped.append(Dropped(rest.strip(), "chatter", "another task follows"))
            return ahead, parsed
        return rest.partition("\n")[2], parsed  # the task that was asked about, repeated
    return body, parsed


def _blocks(body: str, parsed: Parsed[Instance]) -> list[str]:
    marks = list(_EXAMPLE.finditer(body))
    if not marks:
        return []
    lead = body[: marks[0].start()].strip()
    blocks = []
    if lead and (_OUTPUT.search(lead) or _INPUT.search(lead)):
        blocks.append(lead)
    elif lead:
        parsed.dropped.append(Dropped(lead, "chatter"))
    for mark, piece in zip(marks, _behind(marks, body), strict=True):
        if piece.strip():
            blocks.append(piece.strip())
        else:
            parsed.dropped.append(Dropped(mark.group().strip(), "empty_item"))
    return blocks


def _pairs(block: str) -> list[Instance]:
    """The instances of one block: mostly one, more where they follow one another without a heading.

    Further output marks start further instances where the task has no input; behind an input they may be part of the
    answer, such as a program's output.
    """
    outputs = list(_OUTPUT.finditer(block))
    if not outputs:
        return [_instance("", _without_mark(block))]
    given, output = block[: outputs[0].start()].strip(), block[outputs[0].end() :]
    if not given and not _INPUT.search(output):
        return [_instance("", piece) for piece in _behind(outputs, block)]
    following = _INPUT.search(output)
    rest = output[following.start() :] if following else ""
    first = _instance(_without_mark(given), output[: following.start()] if following else output)
    return [first, *_pairs(rest)] if _OUTPUT.search(rest) else [first]


def _without_mark(given: str) -> str:
    return _INPUT.sub("", given, count=1) if _INPUT.match(given) else given


def _instance(given: str, output: str) -> Instance:
    given = given.strip()
    return Instance("" if given.casefold().rstrip(".") in NO_INPUT else given, output.strip())


def _finish(parsed: Parsed[Instance], cut: bool) -> Parsed[Instance]:
    if cut and parsed.items:
        last = parsed.items.pop()
        parsed.dropped.append(Dropped(f"{last.input}\n{last.output}".strip(), "cut"))
    return parsed


# --- Whole tasks (Alpaca) -------------------------------------------------------------------------------------------

_TASK_INSTRUCTION = re.compile(
    rf"{_MARK_START}(?:Task[ \t]*)?(?:Instruction|指令)(?:[ \t]*\d{{1,3}})?{_MARK_END}", re.MULTILINE | re.IGNORECASE
)
_SEPARATOR = re.compile(r"(?:^[ \t]*(?:#{2,}|-{3,}|\*{3,})[ \t]*(?:(?:Task[ \t]*)?\d{1,3}[.:]?)?[ \t]*$\s*)+\Z", re.MULTILINE)


def whole_tasks(text: str, *, continues: bool = False, cut: bool = False) -> Parsed[Candidate]:
    """Read "Instruction / Input / Output" tasks into candidates with one instance each.

    Tasks are told apart by their "Instruction:" marks, not by separators or numbers, so a wrong number or a missing
    "###" neither drops nor merges what follows. `continues` says that the prompt ended with such a mark (base models).
    """
    body, dropped = clean(text)
    parsed: Parsed[Candidate] = Parsed(dropped=dropped)
    if continues and not _TASK_INSTRUCTION.match(body.lstrip("\n")):
        body = "Instruction: " + body.lstrip()
    marks = list(_TASK_INSTRUCTION.finditer(body))
    lead = _SEPARATOR.sub("", body[: marks[0].start()] if marks else body).strip()
    if lead:
        parsed.dropped.append(Dropped(lead, "chatter" if marks else "malformed", None if marks else "no instruction in it"))
    for number, piece in enumerate(_behind(marks, body), 1):
        block = _SEPARATOR.sub("", piece).strip()
        candidate = _task(block)
        if cut and number == len(marks):
            parsed.dropped.append(Dropped(block, "cut"))
        elif candidate is None:
            parsed.dropped.append(Dropped(block, "malformed" if block else "empty_item", "no output in it"))
        else:
            parsed.items.append(candidate)
    return parsed


def _task(block: str) -> Candidate | None:
    output = _OUTPUT.search(block)
    if output is None:
        return None
    given = _INPUT.search(block, 0, output.start())
    instruction = block[: (given or output).start()]
    instance = _instance(block[given.end() : output.start()] if given else "", block[output.end() :])
    instruction = capitalize_first(collapse(_plain(instruction)))
    return Candidate(instruction, (instance,)) if instruction else None


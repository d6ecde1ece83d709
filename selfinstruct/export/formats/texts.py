"""Formats that write a template's texts: whole ones, a prompt and its completion, or what T5 reads and writes."""

from __future__ import annotations

from collections.abc import Callable

from selfinstruct.export.formats.form import Format, Read, each, has
from selfinstruct.export.formats.rows import Record, Row, Unreadable, joined, parted, text_of
from selfinstruct.export.formats.self_instruct import END_OF_TEXT, read_self_instruct, self_instruct
from selfinstruct.export.formats.template import Template

_MARKS = "where a text of the user ends, if it holds the marks of the template"
_LINES = "where the instruction ends, if it holds a blank line or ends in a line end"


def text(template: Template, name: str = "text") -> Format:
    """One column of whole texts; further turns where the template has them."""
    return Format(
        name,
        template.description or "JSON lines of whole texts",
        records=each(lambda row: {"text": template.text(row)}),
        read=_reading(template, lambda record: text_of(record, "text")),
        fits=has("text"),
        marks="the column text",
        loses=f"ids, and {_MARKS}",
        holds=template.holds,
        joins=_joins(template),
        rank=2,
        takes=("text",),
    )


def autotrain(template: Template) -> Format:
    """The same texts as a CSV file, without the <s> and </s> of LLaMA's around them: AutoTrain adds its own."""
    made = text(template)
    first = "<s>" if template.begin.startswith("<s>") else ""
    last = "</s>" if template.end.endswith("</s>") else ""

    def bare(whole: str) -> str:
        return whole.removeprefix(first).removesuffix(last)

    return Format(
        "autotrain",
        "a CSV file with a column text, as AutoTrain reads it (train.csv in a folder of its own)",
        records=each(lambda row: {"text": bare(template.text(row))}),
        read=_reading(template, lambda record: first + bare(text_of(record, "text")) + last),
        fits=made.fits,
        marks=made.marks,
        ending=".csv",
        loses=made.loses,
        holds=made.holds,
        joins=made.joins,
        takes=made.takes,
    )


def prompt_completion(template: Template) -> Format:
    """A prompt and what follows it, both as the template has them."""
    return Format(
        "prompt-completion",
        "JSON lines of prompt and completion, as trl reads them: only the completion is learned",
        records=each(lambda row: {"prompt": template.prompt(row), "completion": template.answer(row)}),
        read=_reading(template, lambda record: _whole(template, record)),
        fits=lambda record: has("prompt", "completion")(record) and not _is_self_instruct(record),
        marks="the columns prompt and completion",
        loses=f"ids, later turns, and {_MARKS}",
        holds=tuple(name for name in template.holds if name != "turns"),
        joins=_joins(template),
        takes=("prompt", "completion"),
    )


def paper(seed: int) -> Format:
    """Self-Instruct's own prompts and completions."""
    return Format(
        "self-instruct",
        "JSON lines of prompt and completion in the paper's 13 random templates",
        records=lambda rows: self_instruct(rows, seed),
        read=read_self_instruct,
        fits=_is_self_instruct,
        marks=f"the columns prompt and completion, and {END_OF_TEXT} behind it",
        loses="ids, equal rows, white space around texts, a field name in front of an input, line ends in an "
        "instruction, system messages, later turns",
        takes=("prompt", "completion"),
    )


def _text_to_text(row: Row) -> Record:
    return {"input_text": joined(row), "target_text": row["output"]}


def _read_text_to_text(record: Record) -> Read:
    asked = text_of(record, "input_text", "inputs")
    return [{**parted(asked), "output": text_of(record, "target_text", "targets")}]


TEXT_TO_TEXT = Format(
    "text-to-text",
    "JSON lines of input_text and target_text, for encoder-decoders such as T5",
    records=each(_text_to_text),
    read=_read_text_to_text,
    fits=lambda record: has("input_text", "target_text")(record) or has("inputs", "targets")(record),
    marks="the columns input_text and target_text",
    loses=f"ids, system messages, later turns, and {_LINES}",
    joins=True,
    takes=("input_text", "target_text", "inputs", "targets"),
)


def _reading(template: Template, whole: Callable[[Record], str]) -> Callable[[Record], Read]:
    def read(record: Record) -> Read:
        row = template.read(whole(record))
        if row is None:
            raise Unreadable(f"not a text of the template {template.name}")
        return [row]

    return read


def _whole(template: Template, record: Record) -> str:
    return f"{template.begin}{text_of(record, 'prompt')}{text_of(record, 'completion')}{template.end}"


def _is_self_instruct(record: Record) -> bool:
    completion = record.get("completion")
    return "prompt" in record and isinstance(completion, str) and completion.endswith(END_OF_TEXT)


def _joins(template: Template) -> bool:
    """Whether nothing but a blank line stands between instruction and input."""
    row = {"instruction": "\0", "input": "\1"}
    return "\0\n\n\1" in template.prompt(row)

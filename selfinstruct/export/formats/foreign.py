"""Formats of other programs, which are read and not written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfinstruct.export.formats.chat import read_turns
from selfinstruct.export.formats.form import Format, Read, has
from selfinstruct.export.formats.plain import ALPACA
from selfinstruct.export.formats.rows import Record, Row, Unreadable, known, text_of
from selfinstruct.tasks import Task

# Columns that ask and columns that answer, in sets of instructions of many makers.
ASKING = ("instruction", "prompt", "question", "query", "problem")
ANSWERING = ("response", "output", "answer", "generation", "completion", "solution")
CONTEXT = ("input", "context")
SOURCES = ("source", "instruction_source")
WRITTEN = ("generations", "instructions", "instances", "raw_instances", "messages", "conversations", "conversation")
_DISTILABEL_ASKS, _DISTILABEL_TELLS = ("instruction", "prompt", "input"), ("generation", "response", "completion")
_MOST_INSTANCES = 5  # of one task, as Self-Instruct has it


def _read_tasks(record: Record) -> Read:
    instances = record.get("instances")
    if not isinstance(instances, list) or not all(isinstance(one, Mapping) for one in instances):
        raise Unreadable("instances is no list of objects with input and output")
    named, instruction = known(record), text_of(record, "instruction")
    if not instances:
        return [{**named, "instruction": instruction, "input": "", "output": ""}]
    rows = []
    for number, one in enumerate(instances):
        texts = {"input": text_of(one, "input", default=""), "output": text_of(one, "output")}
        ids = {name: f"{task}.{number}" for name, task in named.items()}
        rows.append({**ids, "instruction": instruction, **texts})
    return rows


def _read_raw_instances(record: Record) -> Read:
    """The instances of a recorded answer, by the rules of a run; what these turn down stands among them."""
    from selfinstruct.instances import keep_instances
    from selfinstruct.parsing import input_first, output_first

    instruction, raw = text_of(record, "instruction"), text_of(record, "raw_instances")
    parse = output_first if _is_classification(record, raw) else input_first
    parsed = parse(raw, cut=_was_cut(record))
    kept, dropped = keep_instances(Task("", instruction), parsed, _MOST_INSTANCES)
    rows = [{"instruction": instruction, "input": one.input, "output": one.output} for one in kept]
    if not rows and not dropped:
        raise Unreadable("no instance in raw_instances")
    return [*rows, *(Unreadable(f"{one.reason}: {one.text}") for one in dropped)]


def _is_classification(record: Record, raw: str) -> bool:
    """What the record says, or whether the answer begins with a label."""
    said = record.get("is_classification")
    return said if isinstance(said, bool) else "Class label:" in raw


def _was_cut(record: Record) -> bool:
    """Whether the recorded answer ended at its token limit."""
    try:
        return bool(record["instance_metadata"]["response"]["choices"][0]["finish_reason"] == "length")
    except (TypeError, KeyError, IndexError):
        return False


def _read_instruction(record: Record) -> Read:
    return [
        {**known(record), "instruction": text_of(record, "instruction"), "input": "", "output": "", **_source(record)}
    ]


def _source(record: Record) -> dict[str, str]:
    return next(({"source": record[name]} for name in SOURCES if isinstance(record.get(name), str)), {})


def _read_distilabel(record: Record) -> Read:
    asked = record.get("instructions")
    if isinstance(asked, list):
        return [_if_text(one, {"instruction": one, "input": "", "output": ""}) for one in asked]
    instruction = text_of(record, *_DISTILABEL_ASKS)
    told = record.get("generations")
    if not isinstance(told, list):
        told = [text_of(record, *_DISTILABEL_TELLS)]
    system = {"system": record["system_prompt"]} if isinstance(record.get("system_prompt"), str) else {}
    return [_if_text(one, {"instruction": instruction, "input": "", "output": one, **system}) for one in told]


def _if_text(value: Any, row: Row) -> Row | Unreadable:
    return row if isinstance(value, str) else Unreadable(f"the model's text is {type(value).__name__}")


def _is_distilabel(record: Record) -> bool:
    made = record.keys() & {"distilabel_metadata", "distilabel_meta", "generation_model", "generation_models"}
    told = record.keys() & {"generation", "generations", "instructions"}
    return bool(told) and bool(made or isinstance(record.get("instructions"), list) or "model_name" in record)


def _read_curator(record: Record) -> Read:
    request = record.get("generic_request")
    messages = request.get("messages") if isinstance(request, Mapping) else None
    answer = record.get("response_message")
    if not isinstance(messages, list):
        raise Unreadable("generic_request has no messages")
    if not isinstance(answer, str):
        raise Unreadable(f"response_message is no text ({type(answer).__name__})")
    return read_turns({"messages": [*messages, {"role": "assistant", "content": answer}]}, "messages")


def _read_pairs(record: Record) -> Read:
    asked, told = _columns(record)
    row = {
        "instruction": text_of(record, asked),
        "input": text_of(record, *CONTEXT, default=""),
        "output": text_of(record, told),
    }
    return [{**row, **_source(record), **known(record, "system")}]


def _columns(record: Record) -> tuple[str, str]:
    asked = [name for name in ASKING if name in record]
    told = [name for name in ANSWERING if name in record]
    if len(asked) != 1 or len(told) != 1:
        raise Unreadable(f"one column of {', '.join(ASKING)} and one of {', '.join(ANSWERING)} are needed")
    return asked[0], told[0]


def _is_pair(record: Record) -> bool:
    asked, told = [name for name in ASKING if name in record], [name for name in ANSWERING if name in record]
    usual = (asked, told) in ((["instruction"], ["output"]), (["prompt"], ["completion"]))
    return len(asked) == len(told) == 1 and not usual and not _is_distilabel(record)


REGEN = Format(
    "regen",
    "Stanford's regen.json: Alpaca's fields with the most similar instructions",
    read=ALPACA.read,
    fits=has("instruction", "output", "most_similar_instructions"),
    marks="the columns instruction, output and most_similar_instructions",
    takes=ALPACA.takes,
    rank=0,
)
RAW_INSTANCES = Format(
    "machine-instances",
    "Self-Instruct's machine_generated_instances.jsonl: answers of the model, read anew",
    read=_read_raw_instances,
    fits=has("instruction", "raw_instances"),
    marks="the columns instruction and raw_instances",
    takes=("instruction", "raw_instances", "is_classification", "instance_metadata"),
    rank=0,
)
INSTRUCTIONS = Format(
    "instructions",
    "instructions alone, as seeds, such as Self-Instruct's machine_generated_instructions.jsonl",
    read=_read_instruction,
    fits=lambda record: "instruction" in record and not record.keys() & {*ANSWERING, *WRITTEN},
    marks="the column instruction, and none that answers",
    takes=("id", "instruction", *SOURCES),
    rank=2,
)
TASKS = Format(
    "tasks",
    "tasks with instances: Self-Instruct's seed tasks, tasks.jsonl of a run",
    read=_read_tasks,
    fits=has("instruction", "instances"),
    marks="the columns instruction and instances",
    takes=("id", "instruction", "instances"),
    rank=0,
)
DISTILABEL = Format(
    "distilabel",
    "distilabel's columns: instruction and generation (or generations), or instructions",
    read=_read_distilabel,
    fits=_is_distilabel,
    marks="distilabel's columns for what the model wrote",
    takes=("instructions", *_DISTILABEL_ASKS, "generations", *_DISTILABEL_TELLS, "system_prompt"),
)
CURATOR = Format(
    "curator",
    "curator's recorded responses (responses_0.jsonl); its data sets are pairs, messages or sharegpt",
    read=_read_curator,
    fits=has("generic_request", "response_message"),
    marks="the columns generic_request and response_message",
    takes=("generic_request", "response_message"),
    joins=True,
    rank=0,
)
PAIRS = Format(
    "pairs",
    f"one column that asks ({', '.join(ASKING)}), one that answers ({', '.join(ANSWERING)}), perhaps input or context",
    read=_read_pairs,
    fits=_is_pair,
    marks="one column that asks and one that answers",
    takes=("id", *ASKING, *ANSWERING, *CONTEXT, *SOURCES, "system"),
)

"""Formats with a column for instruction, input and output each."""

from __future__ import annotations

from typing import Any

from selfinstruct.export.formats.form import Format, Read, each, has
from selfinstruct.export.formats.rows import (
    COLUMNS,
    EXTRAS,
    Record,
    Row,
    Unreadable,
    conversation,
    from_conversation,
    known,
    messages_of,
    text_of,
)

TEXTS = COLUMNS[1:]


def _texts(record: Record) -> dict[str, str]:
    return {
        "instruction": text_of(record, "instruction"),
        "input": text_of(record, "input", default=""),
        "output": text_of(record, "output"),
    }


def _read_rows(record: Record) -> Read:
    row: dict[str, Any] = {"id": str(record["id"]), **_texts(record)}
    turns = record.get("turns") or []
    if not isinstance(turns, list):
        raise Unreadable(f"turns holds {type(turns).__name__}, not a list of turns")
    if turns:
        from_conversation(messages_of([*conversation(row), *turns]))
    return [{**row, **{name: value for name, value in record.items() if name not in row and value is not None}}]


def _read_alpaca(record: Record) -> Read:
    return [{**_texts(record), **known(record, "source", "system")}]


def _alpaca(row: Row) -> Record:
    return {name: row[name] for name in TEXTS}


def _is_row(record: Record) -> bool:
    return record.get("id") is not None and has(*TEXTS)(record)


def _rows(name: str, about: str, ending: str) -> Format:
    return Format(
        name,
        about,
        read=_read_rows,
        fits=_is_row,
        marks="the columns id, instruction, input and output",
        records=iter,
        ending=ending,
        loses="nothing",
        holds=EXTRAS,
    )


JSONL = _rows("jsonl", "the rows: id, instruction, input, output", ".jsonl")
PARQUET = _rows("parquet", "the rows as a Parquet file", ".parquet")
DATASETS = _rows("datasets", "the rows as a folder for datasets.load_from_disk", "")
ALPACA = Format(
    "alpaca",
    "a JSON array of instruction, input and output, as Stanford's train.py and its heirs read it",
    records=each(_alpaca),
    read=_read_alpaca,
    fits=lambda record: has("instruction", "output")(record) and not _is_row(record),
    marks="the columns instruction and output",
    takes=(*COLUMNS, "source", "system"),
    ending=".json",
    loses="ids, system messages, later turns",
)

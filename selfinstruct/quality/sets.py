"""From what people have to the rows that the rules see, and back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.quality.rules import Row
from selfinstruct.records import Block, Dataset, InMemory, Records, open_records
from selfinstruct.run import Run

if TYPE_CHECKING:
    import datasets

Source: TypeAlias = "Run | str | os.PathLike[str] | Iterable[Mapping[str, Any]] | datasets.Dataset"


def records_of(source: Source) -> Records:
    """The records of a run, of what `open_records` opens, of a `datasets.Dataset`, or of rows in memory.

    Raises:
        SettingsError: the set cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return open_records(source)
    if isinstance(source, Run):
        return InMemory(source.dataset, str(source.path))
    if hasattr(source, "select_columns"):  # a datasets.Dataset
        return Dataset(source, "the data set")
    if not isinstance(source, Iterable):
        raise SettingsError(f"rows are a run, a path or several mappings, not {type(source).__name__}")
    rows: list[Any] = list(source)
    return InMemory(rows, "the rows")


def blocks(records: Records) -> Iterator[tuple[int, Block, Sequence[Mapping[str, Any]]]]:
    """The blocks of a set: the number of the first row, the block, and its rows as mappings."""
    start = 1
    for block in records.blocks():
        try:
            rows = block.rows()
        except orjson.JSONDecodeError as error:
            where = f"{records.name}, among the rows {start:,} to {start + len(block) - 1:,}"
            raise SettingsError(f"{where}: not JSON: {error}; a set is one JSON object a line, or one array") from error
        yield start, block, rows
        start += len(block)


def examples(row: Any, number: int, name: str) -> list[Row]:
    """The examples that a row holds: itself in the shape of Alpaca, its instances in that of Self-Instruct.

    Raises:
        SettingsError: it has no such columns, or they hold no text.
    """
    if not isinstance(row, Mapping):
        raise SettingsError(f"{name}, row {number:,}: a row is an object with columns, this is {type(row).__name__}")
    own = None if row.get("id") is None else str(row["id"])
    if "instances" not in row:
        return [_example(row, row, number, own, name)]
    held = row["instances"]
    return [_example(row, one, number, f"{own or number}.{at}", name) for at, one in enumerate(held)]


def _example(row: Mapping[str, Any], one: Any, number: int, id: str | None, name: str) -> Row:
    if isinstance(one, Mapping) and "instruction" in row and "output" in one:
        asked, given, said = row["instruction"], one.get("input"), one["output"]
        if all(isinstance(text, str | None) for text in (asked, given, said)):
            return Row(asked or "", given or "", said or "", number, id)
    columns = ", ".join(map(str, row)) or "none"
    raise SettingsError(
        f"{name}, row {number:,}: lint reads the columns instruction, input and output, or instruction and instances, "
        f"and these are {columns}; `selfinstruct import` and `selfinstruct export` bring a set into that form"
    )


def with_texts(row: Mapping[str, Any], before: Sequence[Row], after: Sequence[Row | None]) -> dict[str, Any] | None:
    """A row with the texts of its examples changed and without those that were dropped; None where none is left."""
    left = [one for one in after if one is not None]
    if before and not left:
        return None
    changed = dict(row)
    if left and left[0].instruction != before[0].instruction:
        changed["instruction"] = left[0].instruction
    if "instances" not in row:
        for old, new in zip(before, left, strict=True):
            changed.update({field: text for field, text in new.fields if text != dict(old.fields)[field]})
        return changed
    changed["instances"] = [
        {**one, "input": new.input, "output": new.output}
        for one, new in zip(row["instances"], after, strict=True)
        if new is not None
    ]
    return changed

"""From what people have to the rows that the rules see, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.quality.rules import FIELDS, Row
from selfinstruct.records import Block, Records


def blocks(records: Records) -> Iterator[tuple[int, Block, Sequence[Mapping[str, Any]]]]:
    """The blocks of a set: the number of the first row, the block, and its rows as mappings."""
    start = 1
    for block in records.blocks():
        yield start, block, block.rows()
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
    if held is not None and not isinstance(held, list):
        raise SettingsError(f"{name}, row {number:,}: instances holds {type(held).__name__}, not a list")
    return [_example(row, one, number, f"{own or number}.{at}", name) for at, one in enumerate(held or ())]


def _example(row: Mapping[str, Any], one: Any, number: int, id: str | None, name: str) -> Row:
    if not isinstance(one, Mapping) or "instruction" not in row or "output" not in one:
        columns = ", ".join(map(str, row)) or "none"
        raise SettingsError(
            f"{name}, row {number:,}: lint reads the columns instruction, input and output, or instruction and "
            f"instances, and these are {columns}; `selfinstruct import` and `selfinstruct export` bring a set into "
            "that form"
        )
    texts = {"instruction": row["instruction"], "input": one.get("input"), "output": one["output"]}
    for field in FIELDS:
        if not isinstance(texts[field], str | None):
            raise SettingsError(
                f"{name}, row {number:,}: {field} holds {type(texts[field]).__name__}, not text; `selfinstruct import "
                "--rejected FILE` sorts such rows out"
            )
    return Row(**{field: text or "" for field, text in texts.items()}, number=number, id=id)


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
        for one, new in zip(row["instances"] or (), after, strict=True)
        if new is not None
    ]
    return changed

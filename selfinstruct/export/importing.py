"""A set of any format, written as rows; what cannot be read is counted, and written with its reason."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.export.formats import Row
from selfinstruct.export.readers import Unread, in_blocks, read_set
from selfinstruct.records import InMemory, Source, check_outputs, writing
from selfinstruct.records.blocks import Rows
from selfinstruct.records.sources import BLOCK

REJECTED = ("row", "reason", "record")


@dataclass(frozen=True)
class Imported:
    """What `import_set` did: `rejected` records or parts of one could not be read, `unanswered` rows have no output."""

    source: str
    format: str
    why: str
    rows: int
    rejected: int
    unanswered: int
    conversations: int
    first: str | None
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.rows:,} rows of {self.source} ({self.format}, {self.why})"]
        if self.rejected:
            lines.append(f"  {self.rejected:,} could not be read, the first: {self.first}")
        if self.unanswered:
            lines.append(f"  {self.unanswered:,} have no output: they are seeds, not training data")
        if self.conversations:
            lines.append(f"  {self.conversations:,} go on after the first answer (column turns)")
        if self.left_out:
            lines.append(f"  columns left out: {', '.join(self.left_out)}")
        return "\n".join(lines)


def import_set(
    source: Source,
    output: str | os.PathLike[str],
    format: str | None = None,
    *,
    template: str | os.PathLike[str] | None = None,
    whole: bool = False,
    as_tasks: bool = False,
    rejected: str | os.PathLike[str] | None = None,
) -> Imported:
    """Write the rows of a set in any known format to a file (.jsonl, .json, .parquet), the unreadable ones to another.

    `as_tasks` writes a task for each instruction, with its rows as instances, which is the shape of seeds. The file of
    what was `rejected` has the number of the record, the reason, and the record as JSON.

    Raises:
        SettingsError: there is no such set, its format cannot be told, nothing in it can be read, or a file cannot be
            written.
    """
    rows = read_set(source, format, template=template, whole=whole)
    outputs = [Path(output), *([Path(rejected)] if rejected is not None else [])]
    check_outputs(outputs, [rows])
    counts = _Counts()
    with ExitStack() as stack:
        taken = _Rejected(stack, outputs[1] if rejected is not None else None)
        passed = counts.counting(rows.rows(taken))
        tasks = InMemory(list(grouped(passed)), rows.name) if as_tasks else None
        keep = stack.enter_context(writing(outputs[0], (tasks or rows).schema))
        for block in tasks.blocks() if tasks else in_blocks(passed, rows.columns):
            keep(block)
        taken.finish()
    told = rows.detected
    return Imported(
        rows.name, told.format.name, told.why, counts.rows, taken.number, counts.unanswered, counts.conversations,
        taken.first, told.left_out,
    )  # fmt: skip


@dataclass
class _Counts:
    rows: int = 0
    unanswered: int = 0
    conversations: int = 0

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.rows += 1
            self.unanswered += not row["output"]
            self.conversations += bool(row.get("turns"))
            yield row


class _Rejected(Unread):
    """The same, written where a file is named for it."""

    def __init__(self, stack: ExitStack, path: Path | None) -> None:
        super().__init__()
        self._held: list[dict[str, Any]] = []
        self._write = stack.enter_context(writing(path, _rejected_schema)) if path is not None else None

    def __call__(self, number: int, record: Any, reason: str) -> None:
        super().__call__(number, record, reason)
        if self._write is not None:
            values = (number, reason, orjson.dumps(record, default=str).decode())
            self._held.append(dict(zip(REJECTED, values, strict=True)))
            if len(self._held) == BLOCK:
                self.finish()

    def finish(self) -> None:
        """Write what is held."""
        if self._write is not None:
            self._write(Rows(self._held))
            self._held = []


def _rejected_schema() -> Any:
    import pyarrow as pa  # type: ignore[import-untyped]

    return pa.schema(list(zip(REJECTED, (pa.int64(), pa.string(), pa.string()), strict=True)))


def grouped(rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """A task for each instruction, with its rows as instances, in the order of their first rows."""
    tasks: dict[str, dict[str, Any]] = {}
    for row in rows:
        new = {"id": row["id"], "instruction": row["instruction"], "instances": []}
        task = tasks.setdefault(row["instruction"], new)
        if row["output"]:
            task["instances"].append({"input": row["input"], "output": row["output"]})
    yield from tasks.values()

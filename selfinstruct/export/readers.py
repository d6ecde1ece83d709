"""Sets of any format, from any place, as rows: what `selfinstruct import` writes and `selfinstruct export` begins with.

>>> rows = read_set([{"prompt": "Name a river.", "response": "The Rhine."}])
>>> [row["output"] for row in rows.rows()], str(rows.detected)
(['The Rhine.'], 'pairs, by one column that asks and one that answers')
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeAlias

from selfinstruct.errors import SettingsError
from selfinstruct.export.detect import Detected, detect, every
from selfinstruct.export.formats import COLUMNS, EXTRAS, Row, Unreadable
from selfinstruct.export.formats.form import Read
from selfinstruct.export.formats.rows import joined
from selfinstruct.records import Block, Records, Source, open_records
from selfinstruct.records.blocks import Rows, inferred
from selfinstruct.records.sources import BLOCK

Reject: TypeAlias = Callable[[int, Any, str], None]

OPTIONAL = ("source", *EXTRAS)


def read_set(
    source: Source,
    format: str | None = None,
    *,
    template: str | os.PathLike[str] | None = None,
    whole: bool = False,
) -> RowSet:
    """The rows of a set in any format that is known, told by its first records where `format` does not say it.

    Texts of prompts are read with a `template`, by its name or from a file. Where a format writes instruction and input
    as one text, what stands behind the first blank line is taken for the input; `whole` leaves it with the instruction.

    Raises:
        SettingsError: there is no such set, or its format cannot be told.
    """
    records = open_records(source, "rows")
    return RowSet(records, detect(records, format, template), whole=whole)


class RowSet:
    """A set as rows, which are read again each time.

    Rows have the columns id, instruction, input and output, and, as far as the set knows them, a `source`, a `system`
    message, and further `turns`. Rows without an id are numbered within the name of the set, and an id that stands
    twice goes on with ~2. A set that has the shape of rows keeps its other columns as well.
    """

    def __init__(self, records: Records, detected: Detected, *, whole: bool = False) -> None:
        self.name, self.path, self.detected = records.name, records.path, detected
        self._records, self._whole = records, whole and detected.format.joins

    def rows(self, reject: Reject | None = None) -> Iterator[Row]:
        """The rows, one by one. What cannot be read goes to `reject`: its number, the record, and the reason.

        Raises:
            SettingsError: nothing at all can be read.
        """
        stem, taken, unread = Path(self.name).stem, Names(), Unread()
        any_row = False
        for number, record in enumerate(every(self._records), 1):
            read = self._read(record)
            for place, each in enumerate(read):
                if isinstance(each, Unreadable):
                    unread(number, record, str(each))
                    (reject or _pass_over)(number, record, str(each))
                else:
                    any_row = True
                    name = f"{stem}-{number}" if len(read) == 1 else f"{stem}-{number}.{place}"
                    yield {**each, "id": taken.free(each.get("id") or name)}
        if unread.number and not any_row:
            raise SettingsError(
                f"{self.name}: nothing in it can be read as {self.detected}; {unread.first}. Name another format "
                "(format, --format)"
            )

    def _read(self, record: Any) -> Read:
        if not isinstance(record, Mapping):
            return [Unreadable(f"a record is an object with columns, this is {type(record).__name__}")]
        try:
            read = self.detected.format.read(record)
        except Unreadable as error:
            return [error]
        if not self._whole:
            return read
        return [each if isinstance(each, Unreadable) else _whole(each) for each in read]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that any row has; this reads the set."""
        found = dict.fromkeys([*COLUMNS, *OPTIONAL])
        seen = {name for row in self.rows() for name in _noted(row, found)}
        return tuple(name for name in found if name in seen or name in COLUMNS)

    def blocks(self) -> Iterator[Block]:
        return in_blocks(self.rows(), self.columns)

    def schema(self) -> Any:
        return inferred(self.blocks(), self.name)


def _pass_over(number: int, record: Any, reason: str) -> None:
    """What cannot be read has been told elsewhere."""


class Unread:
    """What could not be read: how many records or parts of one, and the first of them."""

    def __init__(self) -> None:
        self.number = 0
        self.first: str | None = None

    def __call__(self, number: int, record: Any, reason: str) -> None:
        self.number += 1
        self.first = self.first or f"row {number}: {shorten(reason, 160)}"


def _whole(row: Row) -> Row:
    return {**row, "instruction": joined(row), "input": ""}


def _noted(row: Row, found: dict[str, None]) -> Row:
    found.update(dict.fromkeys(row))
    return row


def in_blocks(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[Block]:
    """Rows in blocks, with every column in each row, so that a reader that looks at the first rows knows them all."""
    held = iter(rows)
    while batch := list(islice(held, BLOCK)):
        yield Rows([{name: row.get(name) for name in columns} for row in batch])


class Names:
    """Names that are given once."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def free(self, name: str, otherwise: str | None = None) -> str:
        """The name, or the other one where it is taken; what is taken all the same goes on with ~2."""
        made = base = name if name not in self._times else otherwise or name
        while made in self._times:
            self._times[base] += 1
            made = f"{base}~{self._times[base]}"
        self._times[made] = 1
        return made

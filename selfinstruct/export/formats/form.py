"""What a format is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from selfinstruct.export.formats.rows import Record, Row, Unreadable

Read: TypeAlias = Sequence[Row | Unreadable]
Write: TypeAlias = Callable[[Iterable[Row]], Iterator[Record]]


@dataclass(frozen=True)
class Format:
    """A way of writing rows as records, and of reading records as rows.

    `records` is None of a format that is read only. `read` gives the rows of a record, without an id where the record
    has none; it raises `Unreadable`, or gives it for a part of the record.

    - `fits` tells by its columns whether a record may be of this format, and `marks` says what these are. A later
      `rank` counts only where nothing of an earlier one fits.
    - `ending` says how a file of it is written.
    - `loses` says what does not come back as it was, and `holds` which of `EXTRAS` are written.
    - `joins` says whether instruction and input are written as one text.
    - `takes` are the columns that are read, where not all are.
    """

    name: str
    about: str
    read: Callable[[Record], Read]
    fits: Callable[[Record], bool]
    marks: str
    records: Write | None = None
    ending: str = ".jsonl"
    loses: str = "ids"
    holds: tuple[str, ...] = ()
    joins: bool = False
    takes: tuple[str, ...] | None = None
    rank: int = 1


def each(write: Callable[[Row], Record]) -> Write:
    """The records of rows that are written one by one."""
    return lambda rows: map(write, rows)


def has(*names: str) -> Callable[[Record], bool]:
    """Whether a record has all these columns."""
    return lambda record: all(name in record for name in names)

"""What format a set is of, told by its first records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats import (
    FORMATS,
    READ_ONLY,
    TOLD_APART,
    WITH_TEMPLATES,
    Format,
    Record,
    Row,
    Unreadable,
    format_named,
)
from selfinstruct.export.formats.template import packaged
from selfinstruct.records import Records

SAMPLE = 100  # records that say what a set is


@dataclass(frozen=True)
class Detected:
    """What a set was taken for, and why, and its columns that are not read."""

    format: Format
    why: str
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.format.name}, {self.why}"


def detect(records: Records, name: str | None = None, template: str | os.PathLike[str] | None = None) -> Detected:
    """The format of a set, and why; a `name` that is given is believed.

    Of texts, the template that reads the most of them is taken.

    Raises:
        SettingsError: it may be of none or of several; the message shows the columns and the formats.
    """
    sample = [record for record in islice(every(records), SAMPLE) if isinstance(record, Mapping)]
    found = _told(records.name, sample, name, None if template is None else Path(template))
    takes = found.format.takes
    columns = dict.fromkeys(name for record in sample for name in record)
    return replace(found, left_out=tuple(name for name in columns if takes is not None and name not in takes))


def _told(name: str, sample: Sequence[Record], given: str | None, template: Path | None) -> Detected:
    if given is not None:
        found = _by_template(given, sample) if given in WITH_TEMPLATES and template is None else None
        return found or Detected(format_named(given, template), "as asked for")
    fitting = _only_one(name, sample)
    if fitting.name not in WITH_TEMPLATES:
        return Detected(fitting, f"by {fitting.marks}")
    if template is not None:
        return Detected(format_named(fitting.name, template), f"by {fitting.marks}")
    found = _by_template(fitting.name, sample)
    if found is None and fitting.name == "prompt-completion":
        return Detected(READ_ONLY["pairs"], "by its prompts and completions, which are of no known template")
    if found is None:
        raise SettingsError(
            f"{name}: its texts are of no known template ({', '.join(packaged())}); give a file with it "
            "(template, --template)"
        )
    return found


def every(records: Records) -> Iterator[Any]:
    """The records of a set, one by one."""
    for block in records.blocks():
        yield from block.rows()


def _only_one(name: str, sample: Sequence[Record]) -> Format:
    if not sample:
        raise SettingsError(f"{name}: holds no record, so there is nothing to read")
    fitting = [one for one in map(format_named, TOLD_APART) if any(map(one.fits, sample))]
    first = [one for one in fitting if one.rank == min(each.rank for each in fitting)]
    if len(first) == 1:
        return first[0]
    columns = f"its first record has the columns {', '.join(sample[0]) or 'none'}"
    if first:
        names = " or ".join(one.name for one in first)
        raise SettingsError(f"{name}: may be {names}; {columns}. Say which one it is (`selfinstruct import --format`)")
    raise SettingsError(
        f"{name}: of no known format; {columns}. Rename them, or say what it is (`selfinstruct import --format`): "
        f"{', '.join((*FORMATS, *READ_ONLY))}"
    )


def _by_template(name: str, sample: Sequence[Record]) -> Detected | None:
    """The template that reads the most of some records; among equals, the one that leaves the least to the output."""
    tried = []
    for each in packaged():
        made = format_named(name, each)
        read = [row for record in sample for row in _read(made, record)]
        if read:
            score = len(read), -sum(len(row["output"]) for row in read)
            tried.append((score, Detected(made, f"by its texts, which are of the template {each}")))
    return max(tried, key=lambda one: one[0])[1] if tried else None


def _read(format: Format, record: Record) -> list[Row]:
    try:
        return [row for row in format.read(record) if not isinstance(row, Unreadable)]
    except Unreadable:
        return []

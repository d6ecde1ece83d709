"""`fix`: what is certain is repaired, what cannot be saved is dropped, and everything else stays as it is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.directory import LEDGER
from selfinstruct.errors import SettingsError
from selfinstruct.quality.linting import findings_of
from selfinstruct.quality.report import Finding, LintReport
from selfinstruct.quality.rules import Row, Rule, chosen
from selfinstruct.quality.sets import blocks, examples, with_texts
from selfinstruct.records import Block, Source, check_outputs, open_records, writing
from selfinstruct.records.blocks import Rows

MOST_REPAIRS = 50  # of one row; each makes the text shorter or plainer, so this is never reached
# Mojibake holds control characters that its repair needs, so it comes first.
FIRST = "SI406"


@dataclass(frozen=True)
class Change:
    """One field of one row, before and after the repair of a rule."""

    row: int
    id: str | None
    code: str
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Removed:
    """A row, or an instance of one, that was dropped, with the finding that it fell to."""

    row: Row
    finding: Finding


@dataclass(frozen=True, repr=False)
class Fixed:
    """A set after `fix`: the rows in their order, each change, and the rows that were dropped.

    `left` are the findings that remain, with the numbers of the rows as they were given, and `kept` is the number of
    rows that there are now.
    """

    rows: Sequence[Mapping[str, Any]]
    changes: Sequence[Change]
    dropped: Sequence[Removed]
    left: LintReport
    kept: int

    @property
    def counted(self) -> str:
        """What was done, in numbers."""
        return f"repaired {len(self.changes):,}, dropped {len(self.dropped):,}"

    def __repr__(self) -> str:
        return f"Fixed({self.counted}; {len(self.left.findings):,} findings are left)"


def fix(
    source: Source, *, select: str | Iterable[str] | None = None, ignore: str | Iterable[str] | None = None
) -> Fixed:
    """Repair what is certain, and leave the source as it is.

    Sources and codes are those of `lint`. A repair never touches prose on a guess, and fixing twice equals fixing once.

    Raises:
        SettingsError: the set cannot be read, or a code is unknown.

    Example:
        >>> fix([{"instruction": "Name a river.", "input": "No input", "output": "The Elbe.</s>"}]).rows
        [{'instruction': 'Name a river.', 'input': '', 'output': 'The Elbe.'}]
    """
    mender = _Mender(chosen(select, ignore))
    records = open_records(source)
    rows = [
        new
        for start, _, held in blocks(records)
        for number, row in enumerate(held, start)
        if (new := mender.mend(row, number, records.name)) is not None
    ]
    return mender.result(rows)


def fix_file(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    select: str | Iterable[str] | None = None,
    ignore: str | Iterable[str] | None = None,
) -> Fixed:
    """The same from one file to another (.jsonl, .json, .parquet), block by block; `rows` of the result is empty.

    A row in which nothing changes is written as it was read.

    Raises:
        SettingsError: a set cannot be read or written, or the output is the input.
    """
    mender = _Mender(chosen(select, ignore))
    records, path = open_records(source), Path(output)
    check_outputs([path], [records])
    if (Path(source) / LEDGER).is_file() and path.resolve().is_relative_to(Path(source).resolve()):
        raise SettingsError(f"{path}: lies in a run, which is never changed; choose a name outside of {source}")
    with writing(path, records.schema) as write:
        for start, block, held in blocks(records):
            write(_mended(block, held, start, mender, records.name))
    return mender.result([])


def _mended(block: Block, held: Sequence[Mapping[str, Any]], start: int, mender: _Mender, name: str) -> Block:
    new = [mender.mend(row, number, name) for number, row in enumerate(held, start)]
    places = [place for place, row in enumerate(new) if row is not None]
    if all(new[place] is held[place] for place in places):
        return block.take(places)
    return Rows([row for row in new if row is not None])


class _Mender:
    """Mends rows one after the other, and remembers what it did."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._repairs = sorted(
            (rule for rule in rules if rule.repair), key=lambda rule: (rule.code != FIRST, rule.code)
        )
        self._changes: list[Change] = []
        self._dropped: list[Removed] = []
        self._left: list[Finding] = []
        self._rows = self._kept = 0

    def mend(self, row: Any, number: int, name: str) -> Mapping[str, Any] | None:
        """The row with its texts repaired; the very same where nothing is to be done, None where it is dropped."""
        before = examples(row, number, name)
        after = [self._repaired(one) for one in before]
        self._rows += len(before)
        for one in after:
            self._left += findings_of(one, self._rules) if one is not None else []
        mended = row if after == before else with_texts(row, before, after)
        self._kept += mended is not None
        return mended

    def _repaired(self, row: Row) -> Row | None:
        for _ in range(MOST_REPAIRS):
            for rule in self._repairs:
                flaw = rule.check(row) if rule.check is not None else None
                if flaw is not None and flaw.drop:
                    self._dropped.append(Removed(row, Finding.of(row, rule, flaw)))
                    return None
                if flaw is not None and flaw.instead is not None:
                    before = getattr(row, flaw.field)
                    self._changes.append(Change(row.number, row.id, rule.code, flaw.field, before, flaw.instead))
                    row = flaw.applied(row)
                    break
            else:
                return row
        return row

    def result(self, rows: Sequence[Mapping[str, Any]]) -> Fixed:
        """All that was done."""
        return Fixed(rows, self._changes, self._dropped, LintReport(self._left, self._rows), self._kept)

"""Sets put together: each row says which set it came from, and near-duplicates may be dropped on the way.

>>> import tempfile; folder = tempfile.mkdtemp()
>>> a = [{"instruction": "Name a river.", "output": "The Rhine."}]
>>> b = [{"prompt": "Name a river!", "response": "The Nile."}]
>>> concat([a, b], f"{folder}/all.jsonl", dedup=True).kept
1
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from selfinstruct.dedup import Decisions, Measure, Protected
from selfinstruct.dedup_files import DUPLICATE
from selfinstruct.directory import DATASET
from selfinstruct.errors import SettingsError
from selfinstruct.export.formats import COLUMNS, Row
from selfinstruct.export.readers import Names, RowSet, in_blocks, read_set
from selfinstruct.records import Block, Source, check_free, check_outputs, extended, writing
from selfinstruct.records.blocks import inferred

SOURCE = "source"


@dataclass(frozen=True)
class Concatenated:
    """What `concat` did: the rows of each set, how many are `kept` of all, and how many records could not be read."""

    rows: Mapping[str, int]
    kept: int
    unreadable: Mapping[str, int]
    measure: Measure | None = None

    @property
    def dropped(self) -> int:
        """The number of rows that were dropped as near-duplicates."""
        return sum(self.rows.values()) - self.kept

    def __str__(self) -> str:
        sets = ", ".join(f"{number:,} of {name}" for name, number in self.rows.items())
        lines = [f"{self.kept:,} rows: {sets}"]
        if self.measure is not None:
            lines.append(f"  {self.dropped:,} dropped as similar to an earlier row ({self.measure})")
        lines += [f"  {number:,} records of {name} could not be read" for name, number in self.unreadable.items()]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "rows": dict(self.rows),
            "kept": self.kept,
            "dropped": self.dropped,
            "unreadable": dict(self.unreadable),
        }


def concat(
    sets: Sequence[Source],
    output: str | os.PathLike[str],
    *,
    dedup: bool = False,
    max_rouge: float = 0.7,
    tokenizer: str = "words",
    rejected: str | os.PathLike[str] | None = None,
) -> Concatenated:
    """Write the rows of several sets, of any format that `selfinstruct.export.readers` knows, to one file.

    Rows come in the order of the sets. Their column `source` has the name of the file or run, or what stood there
    before. The first row of an id keeps it; a later one of another set has the name of its source in front, such as
    "b.jsonl/b0-1.0", and one that is taken all the same goes on with ~2. With `dedup` a row is dropped whose
    instruction has a ROUGE-L of `max_rouge` or above to that of an earlier kept row, as `selfinstruct dedup` decides;
    `rejected` is a file for these rows with their partners.

    Raises:
        SettingsError: a set cannot be read, or a file cannot be written.
    """
    if isinstance(sets, str | os.PathLike) or not sets:
        raise SettingsError("concat takes a list of sets, one at least")
    if rejected is not None and not dedup:
        raise SettingsError("nothing is dropped without dedup (--dedup), so there is nothing to write as rejected")
    measure = Measure(max_rouge=max_rouge, tokenizer=tokenizer) if dedup else None
    outputs = [Path(output), *([Path(rejected)] if rejected is not None else [])]
    opened = [read_set(one) for one in sets]
    check_outputs(outputs, opened)
    joined = _Joined(opened)
    if measure is None:
        with writing(outputs[0], joined.schema) as keep:
            for block in joined.blocks():
                keep(block)
        return joined.summary(sum(joined.counted.values()), None)
    texts = Protected((name, [row["instruction"] for row in one.rows()]) for name, one in joined.sets)
    decisions = measure.decide(texts.texts, ())
    _write(joined, texts, decisions, *outputs)
    return joined.summary(int(decisions.kept.sum()), measure)


class _Joined:
    """The rows of several sets, read again each time; the counts are those of the last time."""

    def __init__(self, sets: Sequence[RowSet]) -> None:
        self.sets = list(zip(_names(sets), sets, strict=True))
        self._columns = tuple(dict.fromkeys([*COLUMNS, SOURCE, *(name for one in sets for name in one.columns)]))
        self.counted: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()

    def blocks(self) -> Iterator[Block]:
        return in_blocks(self._rows(), self._columns)

    def schema(self) -> Any:
        return inferred(self.blocks(), "the sets")

    def summary(self, kept: int, measure: Measure | None) -> Concatenated:
        return Concatenated(dict(self.counted), kept, dict(self._unreadable), measure)

    def _rows(self) -> Iterator[Row]:
        taken = Names()
        self.counted, self._unreadable = Counter({name: 0 for name, _ in self.sets}), Counter()
        for name, one in self.sets:
            for row in one.rows(partial(self._pass_over, name)):
                self.counted[name] += 1
                free = taken.free(row["id"], f"{name}/{row['id']}")
                yield {**row, "id": free, SOURCE: row.get(SOURCE) or name}

    def _pass_over(self, name: str, number: int, record: Any, reason: str) -> None:
        self._unreadable[name] += 1


def _names(sets: Sequence[RowSet]) -> list[str]:
    """What the sets are called in the column: their file or run, or, where two are alike, what was given."""
    short = [_short(one) for one in sets]
    taken = Names()
    return [taken.free(one.name if short.count(name) > 1 else name) for one, name in zip(sets, short, strict=True)]


def _short(one: RowSet) -> str:
    if one.path is None:
        return one.name
    return one.path.resolve().parent.name if one.path.name == DATASET else one.path.name


def _write(joined: _Joined, texts: Protected, decisions: Decisions, output: Path, rejected: Path | None = None) -> None:
    """Read the rows again and write each of them where it belongs."""
    start = 0
    with ExitStack() as stack:
        keep = stack.enter_context(writing(output, joined.schema))
        drop = stack.enter_context(writing(rejected, lambda: _rejected_schema(joined))) if rejected else None
        for block in joined.blocks():
            kept = decisions.kept[start : start + len(block)]
            fallen = (~kept).nonzero()[0]
            keep(block.take(kept.nonzero()[0].tolist()))
            if drop and len(fallen):
                drop(block.take(fallen.tolist()).adding(_partners((fallen + start).tolist(), texts, decisions)))
            start += len(block)


def _partners(places: Sequence[int], texts: Protected, decisions: Decisions) -> dict[str, list[Any]]:
    """What the file of dropped rows says of them: places are told by set and row there, counted from 1."""
    partners = decisions.partner[places].tolist()
    located = [texts.locate(partner) for partner in partners]
    values = (
        [texts.locate(place)[1] + 1 for place in places],
        decisions.scores[places].tolist(),
        [texts.texts[partner] for partner in partners],
        [name for name, _ in located],
        [position + 1 for _, position in located],
    )
    return dict(zip(DUPLICATE, values, strict=True))


def _rejected_schema(joined: _Joined) -> Any:
    schema = joined.schema()
    check_free(schema.names, DUPLICATE)
    return extended(schema, DUPLICATE)

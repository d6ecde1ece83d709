"""The same for files of any size: the rows stream from one file to two others, the kept and the dropped ones."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfinstruct.dedup import Decisions, Measure, Protected, partner_of
from selfinstruct.errors import SettingsError
from selfinstruct.records import Records, check_free, check_outputs, extended, open_records, writing

# What the rejected file adds to a row: its number in its file, counted from 1, and the text that it fell to.
DUPLICATE = {
    "duplicate_row": int,
    "duplicate_score": float,
    "duplicate_of": str,
    "duplicate_of_file": str,
    "duplicate_of_row": int,
}


@dataclass(frozen=True)
class Summary:
    """What `dedup_files` did.

    `repeats` rows were dropped for an earlier row, and for a text of each protected set as many as `against` says;
    `same` of all these have its very words.
    """

    source: str
    measure: Measure
    rows: int
    kept: int
    same: int
    repeats: int
    against: Mapping[str, int]

    @property
    def dropped(self) -> int:
        """The number of rows that were dropped."""
        return self.rows - self.kept

    def __str__(self) -> str:
        share = f"{100 * self.dropped / self.rows:.1f} %" if self.rows else "none"
        reasons = [f"{self.repeats:,} repeat an earlier row"]
        reasons += [f"{number:,} a row of {name}" for name, number in self.against.items()]
        lines = [
            f"{self.kept:,} of {self.rows:,} rows kept ({self.measure})",
            f"  {self.dropped:,} dropped ({share}): {', '.join(reasons)}; {self.same:,} word for word",
        ]
        if self.measure.by == "minhash":
            lines.append("  approximate: some 2 in 100 similar pairs are missed, most of them close to the threshold")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "source": self.source,
            "by": self.measure.by,
            "threshold": self.measure.limit,
            "rows": self.rows,
            "kept": self.kept,
            "dropped": self.dropped,
            "share_dropped": self.dropped / self.rows if self.rows else 0.0,
            "same_words": self.same,
            "repeats": self.repeats,
            "against": dict(self.against),
        }


def dedup_files(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    rejected: str | os.PathLike[str] | None = None,
    field: str = "instruction",
    against: Sequence[str | os.PathLike[str]] = (),
    against_field: str | None = None,
    measure: Measure | None = None,
) -> Summary:
    """Write the kept rows of a set to one file and the dropped ones to another, without holding rows in memory.

    What is held are the texts of the one column. The ending of a file's name says its form: .jsonl, .json (an array)
    or .parquet. A kept row is written as it was read; a dropped one has the columns of `DUPLICATE` at its end.

    Raises:
        SettingsError: a set cannot be read or written, or an output is one of the inputs.
    """
    measure = measure or Measure()
    records = open_records(source)
    others = [open_records(each) for each in against]
    outputs = [Path(output), *([Path(rejected)] if rejected is not None else [])]
    check_outputs(outputs, [records, *others])
    texts = list(records.texts(field))
    protected = Protected((each.name, each.texts(against_field or field)) for each in others)
    decisions = measure.decide(texts, protected.texts)
    found = _Found(records.name, texts, protected, decisions)
    _write(records, found, *outputs)
    named = Counter(found.protected(place) for place in found.places(kept=False))
    return Summary(
        source=records.name,
        measure=measure,
        rows=len(texts),
        kept=int(decisions.kept.sum()),
        same=int((decisions.scores[~decisions.kept] == 1).sum()),
        repeats=named[None],
        against={each.name: named[each.name] for each in others},
    )


@dataclass(frozen=True)
class _Found:
    """The decisions on the rows of a file."""

    name: str
    texts: Sequence[str]
    against: Protected
    decisions: Decisions

    def places(self, *, kept: bool, start: int = 0, stop: int | None = None) -> list[int]:
        """The positions of the kept or the dropped rows, from `start` to `stop`."""
        places: list[int] = (self.decisions.kept[start:stop] == kept).nonzero()[0].tolist()
        return [start + place for place in places]

    def protected(self, place: int) -> str | None:
        """The protected set that a row fell to, or None where it fell to an earlier row."""
        return partner_of(place, self.decisions, self.texts, self.against)[0]

    def columns(self, places: Sequence[int]) -> dict[str, list[Any]]:
        """What the rejected file says of these rows."""
        partners = [partner_of(place, self.decisions, self.texts, self.against) for place in places]
        values = (
            [place + 1 for place in places],
            self.decisions.scores[places].tolist(),
            [text for _, text, _ in partners],
            [name or self.name for name, _, _ in partners],
            [position + 1 for _, _, position in partners],
        )
        return dict(zip(DUPLICATE, values, strict=True))


def _write(records: Records, found: _Found, output: Path, rejected: Path | None = None) -> None:
    """Read the rows again and write each of them where it belongs."""
    start = 0
    with ExitStack() as stack:
        keep = stack.enter_context(writing(output, records.schema))
        drop = stack.enter_context(writing(rejected, lambda: _rejected_schema(records))) if rejected else None
        for block in records.blocks():
            stop = start + len(block)
            if stop > len(found.texts):
                break
            kept = found.places(kept=True, start=start, stop=stop)
            dropped = found.places(kept=False, start=start, stop=stop)
            keep(block.take([place - start for place in kept]))
            if drop and dropped:
                drop(block.take([place - start for place in dropped]).adding(found.columns(dropped)))
            start = stop
        else:
            if start == len(found.texts):
                return
        raise SettingsError(f"{records.name}: changed while it was read; nothing was written, start again")


def _rejected_schema(records: Records) -> Any:
    schema = records.schema()
    check_free(schema.names, DUPLICATE)
    return extended(schema, DUPLICATE)

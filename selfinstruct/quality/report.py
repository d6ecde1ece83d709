"""What `lint` found: findings, their counts, and how many rows they are in."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from selfinstruct.quality.keys import mask_keys
from selfinstruct.quality.rules import Flaw, Row, Rule

SHOWN = 10  # findings in a notebook


@dataclass(frozen=True)
class Finding:
    """What a rule found in a row; `row` counts from 1, and secrets in `reason` and `excerpt` are masked."""

    row: int
    id: str | None
    code: str
    name: str
    field: str
    reason: str
    excerpt: str
    fixable: bool

    @classmethod
    def of(cls, row: Row, rule: Rule, flaw: Flaw) -> Finding:
        """The finding of a rule's flaw."""
        reason = mask_keys(flaw.reason)  # a judge may quote one
        return cls(row.number, row.id, rule.code, rule.name, flaw.field, reason, flaw.excerpt, flaw.fixable)

    def __str__(self) -> str:
        where = f"row {self.row}" + (f" ({self.id})" if self.id else "")
        mark = " [*]" if self.fixable else ""
        shown = f": {self.excerpt}" if self.excerpt else ""
        return f"{where}: {self.code}{mark} {self.name}: {self.field} {self.reason}{shown}"


@dataclass(frozen=True, repr=False)
class LintReport:
    """The findings on a set, in the order of its rows.

    `rows` is how many rows were looked at (instances, where a row is a task with several), `judged` how many of them a
    language model decided about, and `undecided` the numbers of those where its answer was neither yes nor no.
    """

    findings: Sequence[Finding]
    rows: int
    judged: int = 0
    undecided: Sequence[int] = field(default_factory=tuple)

    @property
    def counts(self) -> Counter[str]:
        """How many findings there are of each code."""
        return Counter(one.code for one in self.findings)

    @property
    def names(self) -> dict[str, str]:
        """The name of each code that was found."""
        return {one.code: one.name for one in self.findings}

    @property
    def flawed(self) -> int:
        """The number of rows with a finding."""
        return len({(one.row, one.id) for one in self.findings})

    @property
    def fixable(self) -> int:
        """The number of findings that `fix` repairs."""
        return sum(one.fixable for one in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {
            "rows": self.rows,
            "flawed": self.flawed,
            "fixable": self.fixable,
            "judged": self.judged,
            "undecided": list(self.undecided),
            "counts": dict(sorted(self.counts.items())),
            "findings": [vars(one) for one in self.findings],
        }

    def __repr__(self) -> str:
        most = ", ".join(f"{code} {self.names[code]} {number:,}" for code, number in self.counts.most_common(5))
        rest = f", and {len(self.counts) - 5} other rules" if len(self.counts) > 5 else ""
        judged = f", {self.judged:,} judged" if self.judged else ""
        judged += f" ({len(self.undecided):,} undecided)" if self.undecided else ""
        return f"LintReport({self.flawed:,} of {self.rows:,} rows have a flaw{judged}: {most or 'none'}{rest})"

    def _repr_html_(self) -> str:
        """The counts and the first findings for a notebook."""
        left = "style='text-align:left;vertical-align:top'"
        cells = [
            (one.row, one.code, one.name, f"{one.field} {one.reason}", one.excerpt) for one in self.findings[:SHOWN]
        ]
        body = "".join(
            "<tr>" + "".join(f"<td {left}>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in cells
        )
        heads = "".join(f"<th {left}>{name}</th>" for name in ("row", "code", "rule", "reason", "excerpt"))
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>" if cells else ""
        more = len(self.findings) - len(cells)
        rest = f"<p>and {more:,} more in <code>.findings</code></p>" if more else ""
        return f"<p><b>{html.escape(repr(self))}</b></p>{table}{rest}"

"""The scores of several models as one table, with intervals, and what each score is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from selfinstruct.train.evaluation.metrics import Floats, intervals
from selfinstruct.train.named import labels

# Name of the score -> how the table calls it, and what it is multiplied with there.
SCORES = {
    "exact_match": ("exact match, %", 100.0),
    "rouge_l": ("ROUGE-L", 100.0),
    "chrf": ("chrF++", 100.0),
    "bertscore": ("BERTScore", 100.0),
    "stopped": ("stopped by itself, %", 100.0),
    "words": ("words of an answer", 1.0),
}


@dataclass(frozen=True)
class Figure:
    """A mean with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """The same for JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def said(self, scale: float, *, sign: bool = False) -> str:
        """The figure as text, such as "12.3 [10.1, 14.6]"."""
        form = "+.1f" if sign else ".1f"
        value, low, high = (format(scale * one, form) for one in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]"


@dataclass(frozen=True)
class Column:
    """One model's figures by score; `less` names the model whose figures were taken off, if any."""

    name: str
    figures: Mapping[str, Figure]
    less: str | None = None


def columns(scores: Mapping[str, Mapping[str, Floats]], seed: int = 0) -> list[Column]:
    """The columns of some models, and of the differences of the last model to each of the others.

    `scores` has for each model, by the name of the score, the scores (N,) of the answers in one order.
    """
    *others, tuned = scores
    rows: dict[tuple[str, str | None], Mapping[str, Floats]] = {(name, None): scores[name] for name in scores}
    for other in others:
        rows[tuned, other] = {score: scores[tuned][score] - scores[other][score] for score in scores[tuned]}
    names = list(scores[tuned])
    low, high = intervals(np.stack([row[score] for row in rows.values() for score in names]), seed)
    ends = iter(zip(low.tolist(), high.tolist(), strict=True))
    return [
        Column(name, {score: Figure(float(row[score].mean()), *next(ends)) for score in names}, less)
        for (name, less), row in rows.items()
    ]


def markdown(made: Sequence[Column], more: Mapping[str, Sequence[str]]) -> str:
    """The columns as a Markdown table; `more` are further rows, of plain texts, one for each model."""
    called = labels([one.name for one in made if one.less is None])
    heads = ["", *(f"{called[one.name]} - {called[one.less]}" if one.less else called[one.name] for one in made)]
    rows = [heads]
    for score, (what, scale) in SCORES.items():
        if score in made[0].figures:
            rows.append([what, *(one.figures[score].said(scale, sign=one.less is not None) for one in made)])
    rows += [[what, *texts, *[""] * (len(made) - len(texts))] for what, texts in more.items()]
    widths = [max(3, *(len(row[place].replace("|", "\\|")) for row in rows)) for place in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(_line(row, widths) for row in (rows[0], rule, *rows[1:]))


def _line(cells: Sequence[Any], widths: Sequence[int]) -> str:
    first, *others = (str(cell).replace("|", "\\|") for cell in cells)
    aligned = [first.ljust(widths[0]), *(one.rjust(width) for one, width in zip(others, widths[1:], strict=True))]
    return f"| {' | '.join(aligned)} |"

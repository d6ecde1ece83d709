"""Statistics and pictures of any set or run: the paper's Table 1 and figures as text, as values and as one HTML file.

What stands where, in the order in which data flows:

    material.py     what is read: tasks and rows of a run, a file, a Hub id or rows in memory
    lexical.py      lengths and lexical diversity
    verbs.py        root verbs and their objects; english.py, words that carry grammar
    topics.py       groups by shared words
    novelty.py      ROUGE-L to the nearest of a reference, and to the nearest other
    funnel.py       from answers to rows, yield over time, calls, tokens and time
    statistics.py   all figures of a set; ranking.py, counts in the order in which they are shown
    summary.py      the figures as text; figures.py, the geometry of the pictures
    page.py         the HTML page, from templates/
    review.py       sheets for raters, and Cohen's kappa
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from selfinstruct.directory import SETTINGS, RunDirectory
from selfinstruct.errors import SettingsError
from selfinstruct.report.material import Material, Source, read_material
from selfinstruct.report.novelty import PAIRS
from selfinstruct.report.page import Contents, framed, render
from selfinstruct.report.review import Review, quality_sheet, rating_sheet, read_review
from selfinstruct.report.statistics import Details, Statistics, measure
from selfinstruct.report.summary import summary

__all__ = ["Report", "Review", "Statistics", "quality_sheet", "rating_sheet", "read_material", "read_review", "report"]

IN_A_NOTEBOOK = 400  # rows of each kind


@dataclass(frozen=True, repr=False, eq=False)
class Report:
    """The figures of a set, its page, and the sheets for raters. Printed, it is the figures as text."""

    material: Material
    reference: Material | None
    seed: int = 0
    pairs: int = PAIRS
    reviews: tuple[Review, ...] = ()

    @cached_property
    def _measured(self) -> tuple[Statistics, Details]:
        return measure(self.material, self.reference, pairs=self.pairs, seed=self.seed)

    @property
    def statistics(self) -> Statistics:
        """All figures."""
        return self._measured[0]

    def html(self, *, rows: int | None = None) -> str:
        """The page as text; `rows` limits the rows and rejections in it to a random sample of so many each."""
        contents = Contents(*self._measured, self.material, self.reference, self.reviews)
        return render(contents, rows=rows, seed=self.seed)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page.

        Raises:
            SettingsError: it cannot be written there.
        """
        path = Path(path)
        if (path.parent / SETTINGS).is_file():
            raise SettingsError(f"{path}: lies in the folder of a run, which stays as it is; choose another place")
        return _written(path, self.html())

    def review_sheet(self, path: str | os.PathLike[str], number: int = 200) -> Path:
        """Write the quality sheet for raters: `number` random rows with the paper's three questions.

        Raises:
            SettingsError: a sheet stands there already, which may hold answers.
        """
        return save_sheet(path, quality_sheet(self.material, number, self.seed))

    def to_dict(self) -> dict[str, Any]:
        """The figures, and what raters said, as JSON values."""
        return {**self.statistics.to_dict(), "reviews": [each.to_dict() for each in self.reviews]}

    def __str__(self) -> str:
        return "\n\n".join([summary(self.statistics), *map(str, self.reviews)])

    def __repr__(self) -> str:
        return f"Report({self.material.name!r}: {len(self.material.tasks):,} tasks, {len(self.material.rows):,} rows)"

    def _repr_html_(self) -> str:
        return framed(self.html(rows=IN_A_NOTEBOOK))


def report(
    source: Source,
    *,
    against: Source | None = None,
    output: str | os.PathLike[str] | None = None,
    reviewed: Sequence[str | os.PathLike[str]] = (),
    pairs: int = PAIRS,
    seed: int = 0,
) -> Report:
    """Look at a run or any set: counts, lengths, verbs and nouns, topics, languages, similarity, and what it took.

    `source` is a run (or its path), a file, a Hub id, a `datasets.Dataset` or rows with an instruction, in the
    Self-Instruct or the Alpaca shape. `against` is the set that it is compared with; a run is compared with its seeds.
    `output` is where the page goes, an HTML file that needs nothing else. `reviewed` are filled sheets of
    one or two raters. At most `pairs` pairs are compared for each kind of similarity: where there are more, a random
    sample (`seed`) is measured, and the report says so.

    >>> report([{"instruction": "Name a river.", "output": "Po"}]).statistics.profile.verbs.top
    (('name', 1, (('river', 1),)),)

    Raises:
        SettingsError: a set or a sheet cannot be read, or the page not be written.
    """
    if pairs < 1:
        raise SettingsError(f"pairs is the number of pairs to compare, 1 or more, not {pairs}")
    material = read_material(source)
    made = Report(
        material,
        read_material(against, "the reference") if against is not None else _seeds(material),
        seed,
        pairs,
        (read_review(reviewed),) if reviewed else (),
    )
    if output is not None:
        made.save(output)
    return made


def _seeds(material: Material) -> Material | None:
    """The seeds of a run, without the tasks of an earlier one that it began with."""
    if material.run is None:
        return None
    seeds = [task for task in RunDirectory(material.run.location).read_seeds() if task.request is None]
    return read_material(seeds, "its seeds")


def save_sheet(path: str | os.PathLike[str], text: str) -> Path:
    """Write a sheet for raters in the UTF-8 that spreadsheets recognise; never over another one.

    Raises:
        SettingsError: something stands there already, or it cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise SettingsError(f"{path}: stands there already and may hold a rater's answers; choose another name with -o")
    return _written(path, "\ufeff" + text)


def _written(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path

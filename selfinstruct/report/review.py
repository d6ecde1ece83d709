"""Judging by hand, as the paper does: sheets for raters (CSV), and what they say once they are filled in.

The quality sheet asks three questions of some rows of a set (the paper's section 3.5); the rating sheet grades a
model's answers to tasks from A to D (section 5.4). Two raters of one sheet are compared by Cohen's kappa.
"""

from __future__ import annotations

import csv
import io
import os
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, Literal

from selfinstruct.errors import SettingsError
from selfinstruct.pool import sample
from selfinstruct.records import open_records
from selfinstruct.records.sources import LONGEST
from selfinstruct.report.material import Material
from selfinstruct.text import collapse

QUESTIONS = {
    "valid task? (yes/no)": "the instruction describes a task that makes sense",
    "input fits? (yes/no)": "the input suits the instruction, or none is needed and there is none",
    "output right? (yes/no)": "the output is a correct and acceptable answer",
}
GRADES = {
    "A": "valid and satisfying",
    "B": "acceptable, with minor errors",
    "C": "relevant, with significant errors",
    "D": "irrelevant or invalid",
}
GRADE = f"grade: {', '.join(f'{letter} {means}' for letter, means in GRADES.items())}"
ANSWERED_IN = ("response", "prediction", "completion", "output")
_YES_NO = {"yes": "yes", "y": "yes", "1": "yes", "true": "yes", "no": "no", "n": "no", "0": "no", "false": "no"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Judgement:
    """The answers to one question, and how often each rater gave each: `counts` has a row for each rater.

    `kappa` is Cohen's, over the rows that both raters answered; None for one rater, and where both always gave the
    same single answer, for which it is not defined.
    """

    question: str
    answers: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    kappa: float | None = None

    def share(self, rater: int, *answers: str) -> float:
        """The share of a rater's answers that are one of these, 0 to 1."""
        row = self.counts[rater]
        return sum(row[self.answers.index(answer)] for answer in answers) / max(1, sum(row))


@dataclass(frozen=True)
class Review:
    """Filled sheets of one or two raters: `kind` is "quality" or "rating"."""

    kind: Literal["quality", "rating"]
    raters: tuple[str, ...]
    judgements: tuple[Judgement, ...]

    def to_dict(self) -> dict[str, Any]:
        """Counts, shares and agreement as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join([", ".join(self.raters), *(f"  {line}" for each in self.judgements for line in _said(each))])


def _said(each: Judgement) -> list[str]:
    kappa = "" if each.kappa is None else f"; Cohen's kappa {each.kappa:.2f}"
    if each.answers == ("yes", "no"):
        shares = ", ".join(
            f"{each.share(n, 'yes'):.1%} of {sum(row)}" if sum(row) else "no answers yet"
            for n, row in enumerate(each.counts)
        )
        return [f"{each.question}: {shares}{kappa}"]
    lines = []
    for number, row in enumerate(each.counts):
        if not sum(row):
            lines.append("no answers yet")
            continue
        counted = ", ".join(f"{answer} {count}" for answer, count in zip(each.answers, row, strict=True))
        shares = f"A {each.share(number, 'A'):.1%}, A or B {each.share(number, 'A', 'B'):.1%}"
        lines.append(f"{counted} of {sum(row)}: {shares}{kappa if number else ''}")
    return lines


def quality_sheet(material: Material, number: int, seed: int) -> str:
    """Some random rows with the three questions, as CSV."""
    rows = sample(material.rows, number, Random(seed))
    head = ["id", "instruction", "input", "output", *QUESTIONS, "note"]
    lines = [
        [row.id, material.tasks[row.task].instruction, row.instance.input, row.instance.output, "", "", "", ""]
        for row in rows
    ]
    return _written([head, *lines])


def rating_sheet(material: Material, predictions: str | os.PathLike[str]) -> str:
    """Each task with the reference answer and what a model answered, as CSV.

    Raises:
        SettingsError: the predictions cannot be read, or lack a task.
    """
    answers = _predictions(predictions)
    lines = []
    for row in material.rows:
        instruction = material.tasks[row.task].instruction
        held = answers[_key(instruction, row.instance.input)]
        if not held:
            raise SettingsError(
                f"{predictions}: no answer to {row.id} of {material.name} ({instruction[:60]!r}); its rows need the "
                "instruction and the input of each task as they stand there"
            )
        lines.append([row.id, instruction, row.instance.input, row.instance.output, held.popleft(), "", ""])
    return _written([["id", "instruction", "input", "reference", "answer", GRADE, "note"], *lines])


def _predictions(path: str | os.PathLike[str]) -> defaultdict[tuple[str, str], deque[str]]:
    found: defaultdict[tuple[str, str], deque[str]] = defaultdict(deque)
    records = open_records(path)
    for number, row in enumerate(chain.from_iterable(block.rows() for block in records.blocks()), 1):
        name = next((each for each in ANSWERED_IN if isinstance(row.get(each), str)), None)
        if name is None or not isinstance(row.get("instruction"), str):
            raise SettingsError(
                f"{path}, row {number}: needs an instruction and an answer ({', '.join(ANSWERED_IN)}); its columns are "
                f"{', '.join(row)}"
            )
        found[_key(row["instruction"], row.get("input") or "")].append(row[name].strip())
    return found


def _key(instruction: str, given: str) -> tuple[str, str]:
    return collapse(instruction), collapse(given)


def _written(rows: Sequence[Sequence[str]]) -> str:
    """CSV; a cell that a spreadsheet would take as a formula gets an apostrophe, which it does not show."""
    text = io.StringIO()
    csv.writer(text).writerows([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in row] for row in rows)
    return text.getvalue()


def read_review(paths: Sequence[str | os.PathLike[str]]) -> Review:
    """Read one filled sheet, or those of two raters.

    Raises:
        SettingsError: a sheet cannot be read, is another one than the first, or has an answer that is none.
    """
    if not 1 <= len(paths) <= 2:
        raise SettingsError("one or two filled sheets are read: Cohen's kappa compares two raters")
    sheets = [_read(Path(path)) for path in paths]
    if any(sheet.keys() != sheets[0].keys() for sheet in sheets):
        raise SettingsError(f"{paths[0]} and {paths[1]}: not the same sheet; two raters fill in copies of one")
    kind: Literal["quality", "rating"] = "rating" if GRADE in sheets[0] else "quality"
    answers = tuple(GRADES) if kind == "rating" else ("yes", "no")
    if kind == "quality":
        sheets = [{**sheet, "all three": _all_three(sheet)} for sheet in sheets]
    names = {GRADE: "grade", **{question: question.removesuffix(" (yes/no)") for question in QUESTIONS}}
    return Review(
        kind,
        _names([Path(path) for path in paths]),
        tuple(_judged(names.get(each, each), answers, [sheet[each] for sheet in sheets]) for each in sheets[0]),
    )


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    """The raters by the names of their files, with the folders where these are equal."""
    names = tuple(path.name for path in paths)
    return names if len(set(names)) == len(names) else tuple(f"{path.parent.name}/{path.name}" for path in paths)


def _all_three(sheet: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Whether a row passes every question, for the rows that have all answers."""
    held = [sheet[question] for question in QUESTIONS]
    rows = [row for row in held[0] if all(row in answers for answers in held)]
    return {row: "yes" if all(answers[row] == "yes" for answers in held) else "no" for row in rows}


def _judged(question: str, answers: tuple[str, ...], given: Sequence[Mapping[str, str]]) -> Judgement:
    counts = tuple(tuple(list(each.values()).count(answer) for answer in answers) for each in given)
    pairs = [(one, given[1][row]) for row, one in given[0].items() if row in given[1]] if len(given) == 2 else []
    return Judgement(question, answers, counts, cohens_kappa(pairs))


def cohens_kappa(pairs: Sequence[tuple[str, str]]) -> float | None:
    """The agreement of two raters beyond chance, 1 where they always agree (Cohen 1960).

    It is None where there are no pairs, or where both always give the same single answer.

    >>> cohens_kappa([("yes", "yes"), ("no", "no"), ("yes", "no"), ("no", "no")])
    0.5
    """
    if not pairs:
        return None
    number = len(pairs)
    answers = {answer for pair in pairs for answer in pair}
    observed = sum(one == two for one, two in pairs) / number
    by_chance = sum(
        sum(one == answer for one, _ in pairs) * sum(two == answer for _, two in pairs) for answer in answers
    )
    chance = by_chance / number**2
    return None if by_chance == number**2 else (observed - chance) / (1 - chance)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The answers of a sheet: question -> row -> answer; what is not filled in is left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8; save the sheet as 'CSV UTF-8'") from error
    first = text.partition("\n")[0]
    csv.field_size_limit(LONGEST)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    questions = [name for name in (*QUESTIONS, GRADE) if name in (rows.fieldnames or ())]
    if "id" not in (rows.fieldnames or ()) or questions not in ([*QUESTIONS], [GRADE]):
        raise SettingsError(
            f"{path}: not a sheet of `selfinstruct report`: keep its first line as it is (--review N makes a quality "
            "sheet, --rate PREDICTIONS a rating sheet)"
        )
    found: dict[str, dict[str, str]] = {question: {} for question in questions}
    try:
        for number, row in enumerate(rows, 2):
            for question in questions:
                if (answer := (row[question] or "").strip()) != "":
                    found[question][row["id"]] = _answer(answer, question, f"{path}, row {number}")
    except csv.Error as error:
        raise SettingsError(f"{path}, about line {rows.line_num}: cannot be read as CSV ({error})") from error
    return found


def _answer(text: str, question: str, where: str) -> str:
    read = text.upper() if question == GRADE else _YES_NO.get(text.lower(), "")
    if read not in (GRADES if question == GRADE else ("yes", "no")):
        expected = "A, B, C or D" if question == GRADE else "yes or no"
        raise SettingsError(f"{where}: {text!r} is no answer to {question.partition(':')[0]!r}; write {expected}")
    return read

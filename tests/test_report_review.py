"""Sheets for raters: what they hold, what is read back, and the agreement of two raters."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from reference import FOLDER, needs_reference

from selfinstruct.cli import cli
from selfinstruct.errors import SettingsError
from selfinstruct.report import report, save_sheet
from selfinstruct.report.material import read_material
from selfinstruct.report.review import GRADE, QUESTIONS, cohens_kappa, quality_sheet, rating_sheet, read_review

ROWS = [
    {
        "id": f"row{number}",
        "instruction": f"Say {number}.",
        "input": "=1+1" if number == 3 else "",
        "output": str(number),
    }
    for number in range(30)
]


def _filled(path, text, answers, delimiter=","):
    """A sheet with the answers of a rater, one list a question, saved as a spreadsheet saves it."""
    rows = list(csv.DictReader(io.StringIO(text)))
    for question, given_answers in answers.items():
        for row, answer in zip(rows, given_answers, strict=False):
            row[question] = answer
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_text("\ufeff" + out.getvalue(), encoding="utf-8")
    return path


def test_the_quality_sheet_holds_random_rows_once():
    """As many as were asked for, the same for one seed; all rows where they are fewer."""
    material = read_material(ROWS)
    sheet = quality_sheet(material, 12, seed=1)
    ids = [row["id"] for row in csv.DictReader(io.StringIO(sheet))]
    assert len(set(ids)) == len(ids) == 12
    assert sheet == quality_sheet(material, 12, seed=1) != quality_sheet(material, 12, seed=2)
    assert quality_sheet(material, 200, seed=1).count("\r\n") == 31


def test_no_cell_is_a_formula():
    """A spreadsheet would run "=..." that a model wrote."""
    assert ",'=1+1," in quality_sheet(read_material(ROWS), 30, seed=0)


def test_a_filled_sheet_gives_percentages(tmp_path):
    """Yes and no in the spellings that people use; rows without an answer do not count; "all three" is derived."""
    first, second, third = QUESTIONS
    answers = {first: ["yes"] * 9 + ["no"], second: ["Y", "n", "1", "0", "TRUE", "no"], third: ["yes"] * 4 + ["no"] * 4}
    review = read_review([_filled(tmp_path / "a.csv", quality_sheet(read_material(ROWS), 12, 0), answers)])
    valid, fits, right, every = review.judgements
    assert (valid.share(0, "yes"), sum(valid.counts[0])) == (0.9, 10)
    assert (fits.share(0, "yes"), sum(fits.counts[0])) == (0.5, 6)
    assert (right.share(0, "yes"), sum(right.counts[0])) == (0.5, 8)
    assert every.counts == ((2, 4),), "of the six rows that have all three answers"
    assert "valid task?: 90.0% of 10" in str(review)


def test_two_raters_are_compared(tmp_path):
    """Cohen's kappa of each question, over the rows that both answered; other delimiters are read, too."""
    text = quality_sheet(read_material(ROWS), 10, 0)
    first = next(iter(QUESTIONS))
    one = _filled(tmp_path / "a.csv", text, {first: ["yes"] * 5 + ["no"] * 5})
    two = _filled(tmp_path / "b.csv", text, {first: ["yes"] * 4 + ["no"] * 5}, delimiter=";")
    judged = read_review([one, two]).judgements[0]
    assert judged.counts == ((5, 5), (4, 5))
    assert judged.kappa == pytest.approx((8 / 9 - (5 * 4 + 4 * 5) / 81) / (1 - (5 * 4 + 4 * 5) / 81))
    assert "Cohen's kappa 0.78" in str(read_review([one, two]))


def test_kappa_of_a_textbook_table():
    """20 and 15 agreements, 5 and 10 disagreements in 50: 0.4 (observed 0.7, by chance 0.5)."""
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.4)


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("ABCD")), max_size=30))
def test_kappa_is_symmetric_and_at_most_1(pairs):
    """Which rater comes first changes nothing; 1 is full agreement; without a choice it is not defined."""
    found, other = cohens_kappa(pairs), cohens_kappa([(two, one) for one, two in pairs])
    if not pairs or len({answer for pair in pairs for answer in pair}) == 1:
        assert found is other is None
    else:
        assert found == pytest.approx(other)
        assert (found == pytest.approx(1)) == all(one == two for one, two in pairs)


def _graded(path, counts):
    """A rating sheet with so many A, B, C and D, in random order."""
    grades = [grade for grade, number in zip("ABCD", counts, strict=True) for _ in range(number)]
    Random(0).shuffle(grades)
    tasks = read_material([{"instruction": f"Task {n}.", "output": str(n)} for n in range(len(grades))])
    answers = path.with_suffix(".jsonl")
    answers.write_text("".join(f'{{"instruction": "Task {n}.", "response": " {n}"}}\n' for n in range(len(grades))))
    return _filled(path, rating_sheet(tasks, answers), {GRADE: grades})


def test_the_papers_grades_give_its_percentages(tmp_path):
    """112, 49, 66 and 25 of 252: 44.4 % A, 63.9 % A or B; 128, 45, 61 and 18 give 68.7 %."""
    ours = read_review([_graded(tmp_path / "ours.csv", (112, 49, 66, 25))])
    assert ours.kind == "rating"
    assert "A 112, B 49, C 66, D 25 of 252: A 44.4%, A or B 63.9%" in str(ours)
    assert "A or B 68.7%" in str(read_review([_graded(tmp_path / "theirs.csv", (128, 45, 61, 18))]))


@needs_reference
def test_a_rating_sheet_of_the_252_tasks():
    """Every task stands there once, with its reference answer and what the model said."""
    tasks = read_material(FOLDER / "user_oriented_instructions.jsonl")
    sheet = rating_sheet(tasks, FOLDER / "predictions" / "davinci-self-instruct_predictions.jsonl")
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert len({row["id"] for row in rows}) == 252
    assert sum(bool(row["answer"]) for row in rows) > 240


def test_a_task_without_an_answer_is_named(tmp_path):
    """A sheet that silently lacks tasks would flatter the model."""
    answers = tmp_path / "answers.jsonl"
    answers.write_text('{"instruction": "Say 0.", "response": "0"}\n')
    with pytest.raises(SettingsError, match=r"no answer to row1 .*'Say 1\.'"):
        rating_sheet(read_material(ROWS), answers)


def test_a_sheet_is_never_overwritten(tmp_path):
    """It may hold an afternoon of somebody's work."""
    path = report(ROWS).review_sheet(tmp_path / "sheet.csv", 5)
    with pytest.raises(SettingsError, match="may hold a rater's answers"):
        save_sheet(path, "other")
    assert path.read_text(encoding="utf-8-sig").startswith("id,instruction")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,instruction\n1,x\n", "not a sheet"),
        (b"", "not a sheet"),
        (b"id,note\n\xff\n", "not UTF-8"),
        (f'id,"{GRADE}"\n1,E\n'.encode(), "row 2: 'E' is no answer to 'grade'; write A, B, C or D"),
        (f"id,{','.join(QUESTIONS)}\n1,perhaps,,\n".encode(), "row 2: 'perhaps' is no answer .*; write yes or no"),
    ],
)  # fmt: skip
def test_a_sheet_that_cannot_be_read_says_why(tmp_path, content, message):
    """File, row, and what to write there."""
    path = tmp_path / "sheet.csv"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=message):
        read_review([path])


def test_a_sheet_with_a_whole_book_in_a_cell_is_read(tmp_path):
    """csv takes 131,072 characters by itself; what the program wrote it could not read."""
    rows = [{"instruction": "Sum it up.", "input": "word\n" * 40_000, "output": "Words."}]
    path = save_sheet(tmp_path / "a.csv", quality_sheet(read_material(rows), 1, 0).replace(",,,,", ",yes,yes,yes,"))
    assert read_review([path]).judgements[0].counts == ((1, 0),)


def test_the_sheet_is_told_to_a_script(tmp_path, monkeypatch):
    """--json printed nothing, and of the folder v1.5 the name was v1."""
    monkeypatch.chdir(tmp_path)
    Path("v1.5").mkdir()
    Path("v1.5", "dataset.jsonl").write_text(json.dumps(ROWS[0]), encoding="utf-8")
    made = CliRunner().invoke(cli, ["report", "v1.5", "--review", "1", "--json"])
    assert json.loads(made.stdout) == {"sheet": "v1.5-review.csv"}
    assert Path("v1.5-review.csv").is_file()


def test_sheets_of_two_kinds_are_not_compared(tmp_path):
    """Nor three raters: Cohen's kappa has two."""
    quality = _filled(tmp_path / "a.csv", quality_sheet(read_material(ROWS), 5, 0), {})
    rating = _graded(tmp_path / "b.csv", (1, 1, 1, 1))
    with pytest.raises(SettingsError, match="not the same sheet"):
        read_review([quality, rating])
    with pytest.raises(SettingsError, match="two raters"):
        read_review([quality] * 3)


def test_a_sheet_that_nobody_has_filled_has_no_share(tmp_path):
    """0.0% of 0 reads like a verdict."""
    sheet = _filled(tmp_path / "empty.csv", quality_sheet(read_material(ROWS), 5, seed=1), {})
    said = str(read_review([sheet]))
    assert said.count("no answers yet") == len(QUESTIONS) + 1, "each question, and all of them together"
    assert "%" not in said

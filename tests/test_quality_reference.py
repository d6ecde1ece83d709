"""Lint on tasks of other people, where these are there: what is found is what a reader objects to, and no more."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from reference import FOLDER, needs_reference, rows

from selfinstruct.quality import lint

pytestmark = needs_reference
LABELLED = "labelled_alpaca_libre_v1.jsonl"


@pytest.fixture(scope="module")
def labelled():
    """The labelled rows, and the codes found in each."""
    found = defaultdict(set)
    for one in lint(FOLDER / LABELLED).findings:
        found[one.row].add(one.code)
    return [(row, found[number]) for number, row in enumerate(rows(LABELLED), 1)]


def test_the_seeds_of_self_instruct_are_clean():
    """People wrote them by hand: whatever is found there is a false alarm."""
    report = lint(FOLDER / "seed_tasks.jsonl")
    assert list(map(str, report.findings)) == []
    assert report.rows == 175


def test_the_252_tasks_are_clean_but_for_a_number_that_rings():
    """The one finding is a shop's real telephone number in the text to classify."""
    (only,) = lint(FOLDER / "user_oriented_instructions.jsonl").findings
    assert (only.row, only.code) == (236, "SI502")


def test_rows_labelled_as_errors_hold_merged_tasks_without_an_output(labelled):
    """201 rows which that program could not read: another task stands in the input, and the output is empty."""
    errors = [codes for row, codes in labelled if row["instruction"] == "ERROR"]
    assert Counter(map(frozenset, errors)) == {frozenset({"SI201", "SI208"}): 201}


def test_no_other_row_has_merged_tasks(labelled):
    """The rule does not take labels in prose for tasks."""
    assert [row for row, codes in labelled if "SI208" in codes and row["instruction"] != "ERROR"] == []


def test_every_empty_output_and_every_spelling_of_no_input_is_found(labelled):
    """And nothing else is taken for one: 237 and 380 rows."""
    for code, field, is_flawed in (
        ("SI201", "output", lambda text: not text.strip()),
        ("SI101", "input", lambda text: text.strip(" <>.").lower().startswith(("noinput", "no input needed,"))),
    ):
        assert [row[field] for row, codes in labelled if code in codes] == [
            row[field] for row, _ in labelled if is_flawed(row[field])
        ]


def test_pictures_and_links_that_its_word_list_turned_down_are_found(labelled):
    """Of the 109 rows with a forbidden word most only have a plot; in these something is missing."""
    missing = {"SI102", "SI103", "SI104"}
    numbers = [
        number for number, (row, codes) in enumerate(labelled, 1) if row["status"] == "blacklist" and codes & missing
    ]
    assert numbers == [177, 418, 783, 788, 799, 854, 909, 1135, 1247, 1262, 1308, 1528, 1854, 1974]


def test_rows_labelled_ok_have_few_other_findings_each_read_by_a_person(labelled):
    """61 of 1,202, without the spellings of no input: empty, cut off, links that nobody can open, a wrong sum."""
    counts = Counter(code for row, codes in labelled if row["status"] == "ok" for code in codes)
    assert counts == {
        "SI101": 250, "SI102": 8, "SI103": 2, "SI104": 2, "SI201": 29, "SI202": 3, "SI204": 1, "SI205": 15, "SI301": 1,
    }  # fmt: skip


def test_what_a_good_model_wrote_is_nearly_clean():
    """The answers of text-davinci-003 to the 252 tasks; a base model's run on, and most of them are found."""
    reports = {}
    for model in ("text-davinci-003", "davinci"):
        answers = rows(f"predictions/{model}_predictions.jsonl")
        texts = [{**row, "input": row["input"] or "", "output": row["response"]} for row in answers]
        reports[model] = lint(texts)
    assert reports["text-davinci-003"].counts == {"SI502": 1}
    assert reports["davinci"].flawed > 200

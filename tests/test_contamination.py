"""Test sets stay out: protected tasks are recognised, and a run cannot lose its protection unnoticed."""

from __future__ import annotations

import json

import pytest
from test_bootstrap import Scripted

import selfinstruct as si
from selfinstruct.contamination import Contamination, read_protected
from selfinstruct.tasks import Instance, Task

PROTECTED = [
    Task("t1", "Sort the given list of ten numbers in ascending order."),
    Task(
        "t2",
        "Summarize the article.",
        (
            Instance(
                "The bridge over the wide river was closed on Monday because of a heavy storm from the north.",
                "Closed.",
            ),
        ),
    ),
]


@pytest.mark.parametrize(
    ("instruction", "rule"),
    [
        ("Sort the given list of ten numbers in descending order!", "contamination"),
        (
            "Explain this: the bridge over the wide river was closed on Monday because of a heavy rain",
            "contamination_ngram",
        ),
        ("The bridge over the wide river was closed in May because of a heavy storm, wasn't it?", None),
        ("Sort your socks by colour and tell me how many are left over.", None),
    ],
)
def test_both_tests_find_their_own_kind(instruction, rule):
    """ROUGE-L finds rewordings of the instruction, word n-grams find quoted inputs."""
    found = Contamination(PROTECTED, 0.7, ngram=13).check(instruction)
    assert (found and found.rule) == rule


def test_the_length_of_the_ngram_is_a_setting():
    """Eight words in a row are another usual bound, and 0 turns the test off."""
    quoted = "Say again: the wide river was closed on Monday because, well, you know."
    assert Contamination(PROTECTED, ngram=13).check(quoted) is None
    assert Contamination(PROTECTED, ngram=8).check(quoted).detail == "the wide river was closed on monday because"
    assert Contamination(PROTECTED, ngram=0).check("x " * 40) is None


@pytest.fixture
def protected_file(tmp_path):
    """The first tasks that the scripted model will propose."""
    first = si.generate(tmp_path / "first", llm=Scripted(), num_tasks=5, progress=False)
    path = tmp_path / "test_set.jsonl"
    path.write_text("".join(json.dumps({"instruction": task.instruction}) + "\n" for task in first.tasks))
    return path


def test_a_run_turns_protected_tasks_down(tmp_path, protected_file):
    """They stand among the rejections with the protected task that they repeat."""
    run = si.generate(tmp_path / "run", llm=Scripted(), num_tasks=20, against=str(protected_file), progress=False)
    protected = {task.instruction for task in read_protected([protected_file])}
    assert not protected & {task.instruction for task in run.tasks}
    found = [row for row in run.rejected if row.rule == "contamination"]
    assert protected <= {row.text for row in found}
    assert all(row.neighbour.startswith("test_set/") for row in found)


def test_a_run_keeps_its_protection_wherever_it_is(tmp_path, protected_file):
    """The protected tasks are kept in the run, so that it can be moved, opened and gone on with without the file."""
    si.generate(tmp_path / "run", llm=Scripted(), num_tasks=5, against=str(protected_file), progress=False)
    moved = tmp_path / "elsewhere"
    (tmp_path / "run").rename(moved)
    copy = tmp_path / "copy.jsonl"
    protected_file.rename(copy)
    run = si.generate(moved, llm=Scripted(), num_tasks=20, progress=False)
    assert run.rejections["contamination"] > 0
    assert si.generate(moved, llm=Scripted(), against=str(copy), progress=False).tasks == run.tasks
    assert run.refilter(max_rouge=0.7).tasks[:20] == run.tasks


def test_another_test_set_is_refused_on_a_resume(tmp_path, protected_file):
    """What was admitted depends on it."""
    si.generate(tmp_path / "run", llm=Scripted(), num_tasks=5, against=str(protected_file), progress=False)
    protected_file.write_text('{"instruction": "Something else entirely, this time"}\n')
    with pytest.raises(si.SettingChanged, match="against was"):
        si.generate(tmp_path / "run", llm=Scripted(), num_tasks=7, against=str(protected_file), progress=False)

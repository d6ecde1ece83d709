"""Splits: no near-duplicate across the border, the same rows again, and a word where ties hold too much together."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import combinations

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq
from reference import FOLDER, instructions, needs_reference

import selfinstruct as si
from selfinstruct.cli import cli
from selfinstruct.contamination import grams
from selfinstruct.errors import SettingsError
from selfinstruct.join import finder
from selfinstruct.split import choose, near_groups, shared_grams, split
from selfinstruct.text import words
from selfinstruct.train.evaluation.heldout import find_overlaps, read_training
from selfinstruct.train.evaluation.sets import read_questions

TEXTS = [
    "Sort a list of numbers.",
    "Name a river in France.",
    "Sort the list of numbers!",
    "Translate the sentence into German.",
    "Sort the list of letters!",
    "...",
    "Name a river in France.",
    "...",
    "???",
]


def saved(path, texts):
    path.write_text("".join(json.dumps({"instruction": text, "output": str(n)}) + "\n" for n, text in enumerate(texts)))
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rouge(a, b):
    """ROUGE-L F, exactly; texts without words are like nothing."""
    a, b = words(a), words(b)
    return Fraction(2 * LCSseq.similarity(a, b), len(a) + len(b)) if a and b else 0


def brute(texts, threshold):
    """Groups by every pair."""
    label = list(range(len(texts)))
    for a, b in combinations(range(len(texts)), 2):
        if texts[a] == texts[b] or rouge(texts[a], texts[b]) >= Fraction(str(threshold)):
            low, high = sorted((label[a], label[b]))
            label = [low if each == high else each for each in label]
    numbers = {}
    return [numbers.setdefault(each, len(numbers)) for each in label]


def test_groups_are_chains_of_similar_texts():
    """The third is like the first and the fifth, which are not alike; texts without words are like themselves."""
    assert near_groups(TEXTS) == [0, 1, 0, 2, 0, 3, 1, 3, 4]
    assert near_groups(TEXTS, 0.95) == [0, 1, 2, 3, 4, 5, 1, 5, 6]
    assert near_groups([]) == []


WORDS = st.lists(
    st.sampled_from(["sort", "the", "list", "of", "numbers", "letters", "name", "a", "河", "流"]), max_size=7
).map(" ".join)


@pytest.mark.parametrize("steps", [{}, {"BLOCK": 4, "CROWD": 1, "SURE": 2}], ids=["as it is", "crowded"])
@given(texts=st.lists(WORDS, max_size=25), threshold=st.sampled_from([0.3, 0.5, 0.7, 1]))
@settings(max_examples=150, deadline=None)
def test_groups_are_those_of_every_pair(steps, texts, threshold):
    """As good as comparing all with all, also where so many are alike that not all pairs are looked for."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in steps.items():
            patch.setattr(finder, name, value)
        assert near_groups(texts, threshold) == brute(texts, threshold)


def test_texts_that_are_all_alike_are_not_all_compared(monkeypatch):
    """3,000 of a kind are 4.5 million pairs, 10,000 took gigabytes; one to tie each is enough, and ties between kinds."""
    listed = []
    verified = finder.Finder._verified
    monkeypatch.setattr(
        finder.Finder, "_verified", lambda self, *given: [listed.append(len(given[1])), verified(self, *given)][1]
    )
    kinds = ("Solve the word problem about apples and give the number, case {}", "Translate sentence {} of the letter")
    texts = [kind.format(number) for number in range(3000) for kind in kinds]
    assert near_groups(texts) == [0, 1] * 3000
    assert sum(listed) < 64 * len(texts)


PARTS = st.lists(st.sampled_from(["ab", "cd", "ef", "河", "x"]), max_size=16).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(rows=st.lists(st.lists(PARTS, max_size=3), max_size=8), number=st.integers(1, 13))
def test_words_in_a_row_tie_what_they_tie_by_every_pair(rows, number):
    """The hashed windows that spare most rows a closer look miss none, and no pair is without a common run."""
    of = [{gram for text in row for gram in grams(text, number)} for row in rows]
    first = {gram: row for row in reversed(range(len(rows))) for gram in of[row]}
    tied = {(row, first[gram]) for row in range(len(rows)) for gram in of[row]}
    assert shared_grams(rows, number) == sorted((row, early) for row, early in tied if early != row)


PASSAGE = "the old mill by the river opens its doors at nine on every second sunday"  # 15 words
RUN = " ".join(PASSAGE.split()[1:14])


@pytest.mark.parametrize(
    ("row", "tied"),
    [
        ({"instruction": "Shorten this.", "input": f"Note: {RUN}!", "output": "Mill."}, True),
        ({"instruction": "Write it down.", "output": f"So {RUN.upper()}?"}, True),
        ({"instruction": f"Correct it: {RUN}", "output": "-"}, True),
        ({"instruction": "Shorten this.", "input": RUN.rsplit(" ", 1)[0], "output": "Mill."}, False),
        ({"instruction": "Shorten", "input": RUN.split(" ", 1)[0], "output": RUN.split(" ", 1)[1]}, False),
    ],
)
def test_thirteen_words_in_a_row_keep_rows_together(tmp_path, row, tied):
    """In whatever texts they stand; twelve, or thirteen over two texts, are none."""
    rows = [
        {"id": "0", "instruction": "Describe the place.", "input": "", "output": PASSAGE},
        {"id": "1", "instruction": "Name a river.", "input": "", "output": "The Loire."},
        {"id": "2", "input": "", **row},
    ]
    made = split(rows, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=1)
    assert (made.groups, made.largest) == ((2, 2) if tied else (3, 1))
    assert "and no row shares 13 words in a row" in str(made)
    made = split(rows, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=1, ngram=0)
    assert (made.groups, made.ngram) == (3, 0)
    assert "words in a row" not in str(made)


def test_ties_of_both_kinds_make_one_chain(tmp_path):
    """The first is like the second by its words, the second has a passage of the third."""
    rows = [
        {"instruction": "Sort a list of numbers.", "input": "", "output": "Done."},
        {"instruction": "Sort the list of numbers!", "input": "", "output": PASSAGE},
        {"instruction": "Name a mill.", "input": RUN, "output": "Old."},
        {"instruction": "Count to ten.", "input": "", "output": "One."},
    ]
    made = split(rows, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=1)
    assert (made.groups, made.largest) == (2, 3)
    assert [row["instruction"] for row in lines(tmp_path / "b.jsonl")] == ["Count to ten."]


def test_conversations_are_read_as_evaluate_reads_them(tmp_path):
    """Words in a row of any turn tie, though the column that is compared is another one."""
    said = [
        ["Describe it.", PASSAGE],
        ["Name a river.", "The Loire."],
        ["Talk.", "Of what?", f"Of this: {RUN}", "Yes."],
    ]
    rows = [
        {
            "title": f"Title {number} {number * 7}",
            "messages": [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)],
        }
        for number, texts in enumerate(said)
    ]
    made = split(rows, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=1, field="title", max_rouge=1)
    assert (made.groups, made.largest, made.ngram) == (2, 2, 13)
    assert lines(tmp_path / "b.jsonl") == rows[1:2]


def test_of_a_set_in_no_known_format_the_field_alone_is_compared(tmp_path):
    """Nobody could evaluate on it, and nothing is said about words in a row."""
    rows = [{"title": f"{name} river", "body": PASSAGE} for name in ("Loire", "Rhine", "Danube")]
    made = split(rows, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=1, field="title")
    assert (made.groups, made.ngram) == (3, 0)
    assert "words in a row" not in str(made)


@pytest.mark.parametrize("seed", [42, 1])
def test_a_test_set_is_held_out_as_evaluate_asks_for_it(tmp_path, seed):
    """`split`, `train` and `evaluate` one after the other ended with questions that stand in the training data."""
    si.generate(tmp_path / "run", model="demo", num_tasks=500, progress=False)
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    made = split(tmp_path / "run", train, test, seed=seed)
    assert find_overlaps(read_questions(test), read_training([train])) == []
    assert find_overlaps(read_questions(train), read_training([test])) == []
    assert made.test == made.wanted
    split(tmp_path / "run", train, test, seed=seed, ngram=0)
    assert {one.rule for one in find_overlaps(read_questions(test), read_training([train]))} == {"ngram"}


@given(groups=st.lists(st.integers(0, 20), min_size=2, max_size=60), seed=st.integers(0, 5), share=st.floats(0.1, 0.9))
def test_chosen_groups_are_whole_and_have_room(groups, seed, share):
    """No row more than was asked for, and none less where single rows are left."""
    wanted = int(share * len(groups))
    chosen = choose(groups, wanted, seed)
    rows = sum(group in chosen for group in groups)
    assert rows <= wanted
    left = [groups.count(group) for group in set(groups) - chosen]
    assert not left or min(left) > wanted - rows
    assert choose(groups, wanted, seed) == chosen


def test_both_sides_together_are_the_set_in_order(tmp_path):
    """Every row once, as it was, with its own columns."""
    source = saved(tmp_path / "in.jsonl", TEXTS)
    made = split(source, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=2)
    train, test = lines(tmp_path / "a.jsonl"), lines(tmp_path / "b.jsonl")
    assert (made.train, made.test) == (len(train), len(test)) == (7, 2)
    assert sorted([*train, *test], key=lambda row: int(row["output"])) == lines(source)
    for side in (train, test):
        assert [int(row["output"]) for row in side] == sorted(int(row["output"]) for row in side)


def test_the_seed_alone_decides(tmp_path):
    """The same rows on every machine; another seed gives others."""
    source = saved(tmp_path / "in.jsonl", [f"Task {n} of {n * 7} about {n * n}" for n in range(200)])
    sides = []
    for seed in (1, 1, 2):
        split(source, tmp_path / "a.jsonl", tmp_path / "b.jsonl", max_rouge=1, seed=seed)
        sides.append((tmp_path / "b.jsonl").read_bytes())
    assert sides[0] == sides[1] != sides[2]
    assert [row["output"] for row in lines(tmp_path / "b.jsonl")][:3] == ["16", "21", "32"]


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".parquet"])
def test_every_form_and_rows_in_memory(tmp_path, ending):
    """The names of the files say the form."""
    rows = [{"instruction": text, "output": text} for text in TEXTS]
    made = split(rows, tmp_path / f"a{ending}", tmp_path / f"b{ending}", fraction=0.3)
    assert made.train + made.test == len(TEXTS)
    again = split(tmp_path / f"a{ending}", tmp_path / "c.jsonl", tmp_path / "d.jsonl", fraction=0.3)
    assert again.train + again.test == made.train


def test_a_group_that_holds_too_much_is_told(tmp_path):
    """A test set that is drawn from the rest alone stands for little."""
    chain = [" ".join(map(str, range(n, n + 10))) for n in range(30)]
    source = saved(tmp_path / "in.jsonl", [*chain, "Name a river.", "Sort the list.", "Count to ten."])
    made = split(source, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=5)
    assert (made.test, made.largest, made.groups) == (3, 30, 4)
    assert "one group of similar rows holds 30 of the 33 rows (91%)" in made.warnings[0]
    assert "the test set has 3 rows and not 5" in made.warnings[1]
    with pytest.raises(SettingsError, match="a side would have no row, because 30 of 30 rows are tied"):
        split(saved(tmp_path / "in.jsonl", chain), tmp_path / "a.jsonl", tmp_path / "c.jsonl", size=5)
    assert not (tmp_path / "c.jsonl").exists()
    assert split(source, tmp_path / "a.jsonl", tmp_path / "b.jsonl", size=5, max_rouge=1).warnings == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 0}, "fraction lies between 0 and 1"),
        ({"size": 9}, "leaves nothing on one side"),
        ({"size": 0}, "leaves nothing on one side"),
        ({"max_rouge": 0}, "max_rouge lies above 0"),
        ({"tokenizer": "letters"}, "tokenizer is one of words, rouge"),
        ({"ngram": -1}, "ngram is a number of words in a row"),
        ({"field": "text"}, "no column 'text'"),
    ],
)
def test_wrong_options_are_told(tmp_path, options, message):
    """With what may be typed."""
    source = saved(tmp_path / "in.jsonl", TEXTS)
    with pytest.raises(SettingsError, match=message):
        split(source, tmp_path / "a.jsonl", tmp_path / "b.jsonl", **options)
    with pytest.raises(SettingsError, match="is read here"):
        split(source, source, tmp_path / "b.jsonl")
    with pytest.raises(SettingsError, match="named for two outputs"):
        split(source, tmp_path / "b.jsonl", tmp_path / "b.jsonl")


def test_the_command_names_a_folder_or_two_files(tmp_path):
    """Warnings go to standard error, counts to standard output."""
    source = saved(tmp_path / "in.jsonl", TEXTS)
    said = CliRunner().invoke(cli, ["split", str(source), "-o", str(tmp_path / "parts")], standalone_mode=False)
    assert "8 rows to train, 1 to test, in 5 groups" in said.stdout
    assert "one group of similar rows holds 3 of the 9 rows (33%)" in said.stderr
    assert len(lines(tmp_path / "parts" / "train.jsonl")) == 8
    files = ["--train", str(tmp_path / "a.jsonl"), "--test", str(tmp_path / "b.jsonl")]
    said = CliRunner().invoke(cli, ["split", str(source), *files, "--json"], standalone_mode=False)
    facts = json.loads(said.stdout)
    assert (facts["train"], facts["test"], facts["groups"], len(facts["warnings"])) == (8, 1, 5, 1)
    for arguments in ([], files[:2], ["-o", str(tmp_path), *files[:2]]):
        failed = CliRunner().invoke(cli, ["split", str(source), *arguments], standalone_mode=False)
        assert isinstance(failed.exception, SettingsError)


@needs_reference
def test_no_near_duplicate_crosses_the_border_in_real_instructions(tmp_path):
    """Checked by the join from the other side: nothing of the test set falls to the training set."""
    from selfinstruct.join import join

    name = "labelled_alpaca_libre_v1.jsonl"
    split(FOLDER / name, tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    train, test = ([row["instruction"] for row in lines(tmp_path / side)] for side in ("a.jsonl", "b.jsonl"))
    assert len(train) + len(test) == len(instructions(name))
    fallen = join(test, against=train)
    assert (fallen.protected == -1).all()
    assert not set(train) & set(test)

"""The figures of a report, each against a count by hand, a brute force, or what the paper and its data say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import FOLDER, needs_reference
from rouge_score.rouge_scorer import RougeScorer

import selfinstruct as si
from selfinstruct.errors import SettingsError
from selfinstruct.languages import UNSURE, languages
from selfinstruct.pool import sample
from selfinstruct.report import figures, report
from selfinstruct.report.funnel import Growth, steps
from selfinstruct.report.lexical import WINDOW, describe, mattr
from selfinstruct.report.material import read_material
from selfinstruct.report.novelty import nearest, nearest_other, summarise
from selfinstruct.report.topics import topics
from selfinstruct.report.verbs import MODEL, VerbNoun, Verbs, count, read_by_rule, read_parsed, reader, verb_noun
from selfinstruct.tasks import Rejected

LABELLED = Path(__file__).parent / "golden" / "verbs.jsonl"
ROWS = [
    {"instruction": "Name a river.", "input": "", "output": "the Po"},
    {"instruction": "Add the two numbers.", "input": "2 and 3", "output": "5"},
    {"instruction": "Add the two numbers.", "input": "4 and 4", "output": "8"},
    {"instruction": "Translate the word to French.", "input": "cat", "output": "chat"},
]


# Reading ----------------------------------------------------------------------------------------------------------


def test_rows_of_one_instruction_are_one_task():
    """Table 1 counts instructions, not rows; each row keeps an id of its own."""
    read = read_material(ROWS)
    assert [task.instruction for task in read.tasks] == list(dict.fromkeys(row["instruction"] for row in ROWS))
    assert [row.task for row in read.rows] == [0, 1, 1, 2]
    assert len({row.id for row in read.rows}) == 4
    assert [one.output for one in read.tasks[1].instances] == ["5", "8"]


def test_ids_that_repeat_are_no_error():
    """Sets of other people number their rows by task, or not at all."""
    read = read_material([{**row, "id": 7} for row in ROWS])
    assert len({row.id for row in read.rows}) == 4


def test_a_set_without_instructions_says_what_its_columns_are():
    """The message names the row and the columns, for a file, too."""
    with pytest.raises(SettingsError, match=r"the rows, row 2: no text in the column 'instruction'; .*prompt"):
        read_material([ROWS[0], {"prompt": "Name a river."}])


def test_the_forms_of_a_set_read_alike(tmp_path):
    """A file, rows, tasks and a datasets.Dataset give the same figures."""
    import datasets

    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    shapes = [ROWS, path, str(path), datasets.Dataset.from_list(ROWS), read_material(ROWS).tasks]
    found = [report(shape).statistics.profile for shape in shapes]
    assert {one.counts.rows for one in found} == {4}
    assert {one.counts.instructions for one in found} == {3}
    assert all((one.input, one.output) == (found[0].input, found[0].output) for one in found)


# Table 1 ----------------------------------------------------------------------------------------------------------


def test_table_1_counts():
    """Instructions, rows, with and without input, and mean lengths, against a count by hand."""
    profile = report(ROWS).statistics.profile
    counts = profile.counts
    assert (counts.instructions, counts.rows, counts.with_input, counts.without_input) == (3, 4, 3, 1)
    assert counts.classification is None, "the set does not tell"
    assert profile.instruction.mean == pytest.approx((3 + 4 + 5) / 3)
    assert profile.input.mean == pytest.approx((3 + 3 + 1) / 3), "rows without an input are left out"
    assert profile.output.mean == pytest.approx((2 + 1 + 1 + 1) / 4)


def test_classification_is_counted_where_the_set_tells_it():
    """A column of booleans, as in the Self-Instruct shape."""
    rows = [{**row, "is_classification": row["instruction"].startswith("Name")} for row in ROWS]
    assert report(rows).statistics.profile.counts.classification == 1


@needs_reference
def test_the_original_seeds_have_the_published_lengths():
    """175 tasks, 26 of them classification, 50 without input; the paper's words are those between spaces."""
    profile = report(FOLDER / "seed_tasks.jsonl").statistics.profile
    assert (profile.counts.instructions, profile.counts.classification) == (175, 26)
    assert (profile.counts.rows, profile.counts.without_input) == (175, 50)
    found = (profile.instruction.mean, profile.input.mean, profile.output.mean)
    assert found == pytest.approx((13.0, 35.5, 42.9), rel=0.03)


# Words ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 6), max_size=90), st.integers(1, 60))
def test_mattr_is_that_of_every_window(sequence, window):
    """The closed form against counting each window."""
    windows = [sequence[at : at + window] for at in range(len(sequence) - window + 1)]
    expected = sum(len(set(each)) for each in windows) / len(windows) / window if windows else None
    found = mattr(np.array(sequence, np.int64), window)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_lengths_are_binned_without_loss():
    """Every text stands in one bin, the longest in the last; texts without words count, too."""
    lengths, variety = describe(["", "one", *["a b c"] * 40, "word " * 5000])
    assert (lengths.texts, lengths.longest, sum(lengths.histogram)) == (43, 5000, 43)
    assert lengths.histogram[-1] == 1
    assert variety.distinct == 5


def test_a_text_shorter_than_the_window_has_no_mattr():
    """None, not a number that looks like one."""
    assert describe(["word " * (WINDOW - 1)])[1].mattr is None
    assert describe(["word " * WINDOW])[1].mattr == pytest.approx(1 / WINDOW)


def test_chinese_characters_are_words():
    """A mean of one word for a Chinese sentence would say nothing."""
    assert describe(["将句子翻译成英文"])[0].mean == 8


# Verbs ------------------------------------------------------------------------------------------------------------


def _labelled():
    seeds = {task.id: task.instruction for task in si.read_seeds(si.packaged_seeds())}
    rows = [json.loads(line) for line in LABELLED.read_text().splitlines()]
    return [(seeds[row["id"]], (row["verb"], row["noun"]) if row["verb"] else None) for row in rows]


def test_the_rule_agrees_with_labels_by_hand():
    """At least nine in ten of the 60 that it was not written on, and both kinds occur often."""
    held_out = _labelled()[40:]
    assert len(held_out) == 60
    assert sum(label is not None for _, label in held_out) == 30
    agreed = sum(
        found == label for found, (_, label) in zip(read_by_rule(text for text, _ in held_out), held_out, strict=True)
    )
    assert agreed >= 54


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("Write a short story about a cat.", ("write", "story")),
        ("Please suggest three recipes with tofu.", ("suggest", "recipe")),
        ("Could you translate the poem into Greek?", ("translate", "poem")),
        ("Given the list, find its longest word.", ("find", "word")),
        ("Based on the reviews, write a summary.", ("write", "summary")),
        ("You run a shop. Draft a letter to your landlord.", ("draft", "letter")),
        ("Compare and contrast the two plans.", ("compare", "plan")),
        ("Give the tenant a reason.", ("give", "reason")),
        ("Diagnose this plant's trouble.", ("diagnose", "trouble")),
        ("Outline the pros and cons of a tax.", ("outline", "pro")),
        ("Write a short thank-you note.", ("write", "note")),
        ("Explain why the sky is blue.", None),
        ("What is the capital of Peru?", None),
        ("Candle wax has dripped on the cloth.", None),
        ("Tell Aisha about it.", None),
        ("翻译这个句子。", None),
        ("", None),
        ("Leila works for a student-run print shop. Write a reply to her customer.", ("write", "reply")),
        ("Dario runs a bakery.", None),
    ],
)  # fmt: skip
def test_verbs_and_objects(instruction, expected):
    """What an instruction asks for, and None where it asks in another way."""
    assert verb_noun(instruction) == expected


@given(st.text(max_size=60))
def test_any_text_can_be_read(text):
    """Marks, quotes and half sentences raise nothing."""
    found = verb_noun(text)
    assert found is None or (found.verb and found.noun)


def test_the_sunburst_has_the_papers_size():
    """20 verbs with 4 nouns each; ties stand in alphabetical order, so that pages are equal."""
    pairs = [VerbNoun(f"verb{n:02}", f"noun{m}") for n in range(25) for m in range(6)] + [None] * 10
    found = count(pairs, "test")
    assert (found.read, found.found, found.distinct, found.shown) == (160, 150, 150, 80)
    assert [verb for verb, _, _ in found.top] == [f"verb{n:02}" for n in range(20)]
    assert found.top[0] == ("verb00", 6, (("noun0", 1), ("noun1", 1), ("noun2", 1), ("noun3", 1)))


def test_a_parse_is_read_as_the_paper_does():
    """The verb nearest to the root that has a noun as its object, in the first sentence."""
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import Doc

    words = ["You", "can", "try", "to", "write", "poems", ".", "Add", "numbers", "."]
    document = Doc(
        spacy.blank("en").vocab,
        words=words,
        pos=["PRON", "AUX", "VERB", "PART", "VERB", "NOUN", "PUNCT", "VERB", "NOUN", "PUNCT"],
        heads=[2, 2, 2, 4, 2, 4, 2, 7, 7, 7],
        deps=["nsubj", "aux", "ROOT", "aux", "xcomp", "dobj", "punct", "ROOT", "dobj", "punct"],
        lemmas=["you", "can", "try", "to", "write", "poem", ".", "add", "number", "."],
    )
    assert read_parsed(document) == ("write", "poem")


def test_the_method_is_named():
    """A reader of the figures must know whether a parser or a rule made them."""
    assert reader()[1].startswith(("rule and dictionary", f"spaCy {MODEL}"))


# Languages and topics ---------------------------------------------------------------------------------------------


def test_languages_of_the_packaged_seeds():
    """English and Chinese, nothing else; digits alone are not guessed at."""
    for code in ("en", "zh"):
        texts = [task.instruction for task in si.read_seeds(si.packaged_seeds(code))]
        found = languages(texts)
        assert set(found) <= {code, UNSURE}
        assert found.count(code) >= 0.9 * len(found)
    assert languages(["12 + 34", ""]) == [UNSURE, UNSURE]


def test_topics_find_planted_groups():
    """Three vocabularies that share nothing fall into groups that mix none of them, the same on each call."""
    random = Random(5)
    themes = [[f"{theme}{letter}" for letter in "abcdefghijkl"] for theme in ("kitch", "spac", "footb")]
    kinds = [number % 3 for number in range(360)]
    texts = [" ".join(sample(themes[kind], 3, random)) for kind in kinds]
    found, numbers = topics(texts)
    assert (found, numbers) == topics(texts)
    assert sum(group.size for group in found.groups) + found.ungrouped == 360
    for number, group in enumerate(found.groups):
        assert len({kind for kind, each in zip(kinds, numbers, strict=True) if each == number}) == 1
        assert any(set(group.words) <= set(theme) for theme in themes)


def test_few_instructions_are_not_grouped():
    """Groups of a handful would be noise; their words are still counted."""
    found, numbers = topics(["Name a river.", "Name the longest rivers.", "写一首关于河流的诗"])
    assert found.groups == ()
    assert numbers == [-1, -1, -1]
    assert dict(found.keywords)["river"] == 2
    assert dict(found.keywords)["河流"] == 1


# Similarity -------------------------------------------------------------------------------------------------------


def _random_texts(number, seed):
    random = Random(seed)
    return [" ".join(f"w{int(random.random() * 15)}" for _ in range(int(random.random() * 9))) for _ in range(number)]


def test_nearest_is_that_of_rouge_score():
    """The best of all others, and of all texts of another set, against the package pair by pair."""
    scorer = RougeScorer(["rougeL"])
    texts, others = _random_texts(40, 1), _random_texts(30, 2)

    def best(text, among):
        return max(scorer.score(one, text)["rougeL"].fmeasure for one in among)

    assert nearest(texts, others).scores == pytest.approx([best(text, others) for text in texts])
    assert nearest_other(texts).scores == pytest.approx(
        [best(text, texts[:place] + texts[place + 1 :]) for place, text in enumerate(texts)]
    )


def test_too_many_pairs_are_sampled_and_said():
    """The sample is random but always the same one, and the figures tell its size."""
    texts = _random_texts(600, 3)
    found = nearest_other(texts, pairs=600 * 150)
    assert len(found.asked) == 150
    assert found == nearest_other(texts, pairs=600 * 150)
    whole = nearest_other(texts)
    assert [whole.scores[place] for place in found.asked] == found.scores
    told = summarise(found, 600, 599)
    assert (told.measured, told.texts, sum(told.histogram)) == (150, 600, 150)
    rows = [{"instruction": f"{text} {number}"} for number, text in enumerate(texts)]
    assert "(a random 100 of 600)" in str(report(rows, pairs=1))


def test_identical_instructions_are_counted():
    """The same words in another spelling are the same; of one text there is no other."""
    reference = [{"instruction": "name a river"}]
    statistics = report(ROWS, against=reference).statistics
    assert statistics.to_reference.identical == 1
    assert statistics.from_reference.mean == 1.0
    assert report(reference).statistics.to_others is None


def test_near_duplicates_are_what_dedup_drops():
    """The report and the command agree."""
    texts = _random_texts(300, 4)
    rows = [{"instruction": text} for text in dict.fromkeys(texts) if text]
    assert report(rows).statistics.near_duplicates == len(si.dedup(rows).dropped) > 0


@needs_reference
def test_the_252_tasks_against_the_175_seeds():
    """The mean over the seeds of the best ROUGE-L to the 252 is 0.339 (the paper says 0.34), one is identical."""
    made = report(FOLDER / "user_oriented_instructions.jsonl", against=FOLDER / "seed_tasks.jsonl")
    assert round(made.statistics.from_reference.mean, 3) == 0.339
    assert made.statistics.from_reference.identical == made.statistics.to_reference.identical == 1
    assert "mean 0.339, 1 identical" in str(made)


# Runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of the demo teacher."""
    return si.generate(tmp_path_factory.mktemp("runs") / "demo", model="demo", num_tasks=120, progress=False)


def test_the_funnel_accounts_for_every_piece(run):
    """What came to a stage is what fell there and what went on; no rejection is lost or counted twice."""
    unreadable = Rejected("b0-0-verdict", "classify", "no_verdict", "Perhaps")
    run = replace(run, rejected=[*run.rejected, unreadable])
    pieces, new, examples, rows, others = steps(run)
    assert pieces.came - sum(number for _, number in pieces.fell) == new.came
    assert new.came - sum(number for _, number in new.fell) == len(run.tasks) == 120
    assert examples.came - sum(number for _, number in examples.fell) == rows.came == len(run.dataset)
    assert others.fell == (("no_verdict", 1 + sum(row.stage == "classify" for row in run.rejected[:-1])),)
    assert sum(number for step in (pieces, new, examples, others) for _, number in step.fell) == len(run.rejected)


def test_growth_counts_each_new_instruction_once(run):
    """Those that got no instance entered the pool, too."""
    growth = report(run).statistics.growth
    assert sum(growth.admitted) == len(run.tasks) + run.rejections["no_instance"]
    assert sum(growth.similar) == run.rejections["rouge"] + run.rejections["duplicate"]
    assert sum(growth.answers) <= run.spent.by_stage["instructions"]


@pytest.mark.parametrize(
    ("admitted", "verdict"),
    [
        ([40] * 10, "steady"),
        ([40, 40, 40, 40, 35, 30, 28, 25, 25, 25], "slowing down"),
        ([40, 30, 20, 10, 8, 8, 7, 7, 6, 6], "saturating"),
        ([40, 30, 20, 10, 8, 4, 2, 0, 0, 0], "saturated"),
        ([1], "too few answers"),
    ],
)  # fmt: skip
def test_growth_says_whether_it_runs_dry(admitted, verdict):
    """In words, from the first and the last fifth."""
    growth = Growth(5, (5,) * len(admitted), tuple(admitted), (0,) * len(admitted), 0.05)
    assert growth.verdict.startswith(verdict)


def test_the_cost_is_that_of_the_run(run):
    """Calls and tokens are those that `status` tells."""
    cost = report(run).statistics.cost
    spent = run.spent
    assert (cost.calls, cost.prompt_tokens, cost.completion_tokens) == (
        spent.calls, spent.prompt_tokens, spent.completion_tokens,
    )  # fmt: skip
    assert 0 <= cost.busy <= sum(stage.seconds for stage in cost.stages) + 1e-6


def test_a_run_is_compared_with_its_seeds(run):
    """Unless another set is named."""
    assert report(run).statistics.reference.counts.instructions == 200
    assert report(run, against=ROWS).statistics.reference.counts.instructions == 3


def test_a_continued_run_counts_only_its_own_yield(run, tmp_path):
    """Tasks that it began with are rows of the set, but nothing that it asked for."""
    second = si.generate(tmp_path / "second", model="demo", num_tasks=10, from_run=run.path, seed=9, progress=False)
    statistics = report(second).statistics
    assert statistics.profile.counts.instructions == 130
    assert statistics.funnel[1].came == 10 + second.rejections["no_instance"]
    assert statistics.reference.counts.instructions == 200, "the seeds, not the carried tasks"


# Pictures ---------------------------------------------------------------------------------------------------------


def test_the_sunburst_goes_round_once():
    """Slices of each ring add up, nouns lie over their verb, and one pair alone is still a visible ring."""
    top = (("write", 9, (("poem", 6), ("story", 3))), ("name", 3, (("river", 3),)))
    slices = figures.sunburst(Verbs("test", 12, 12, 3, 12, top))
    assert [one.number for one in slices if one.noun is None] == [9, 3]
    assert [one.word for one in slices] == ["write", "poem", "story", "name", "river"]
    (verb, noun) = figures.sunburst(Verbs("test", 1, 1, 1, 1, (("name", 1, (("river", 1),)),)))
    line, *_, end = verb.path.split(" ")[1:7]
    assert line.removeprefix("L") != end, "an arc from a point to itself is not drawn"
    assert noun.noun == "river"


def test_bars_stand_on_the_axis_and_under_the_top():
    """In every chart, also where all counts are nought."""
    lengths, _ = describe(["one two three"] * 7 + ["word " * 30])
    empty, _ = describe([])
    for chart in (figures.lengths_chart(lengths, lengths, "other"), figures.lengths_chart(empty, None, "")):
        for bar in chart.bars:
            assert bar.y + bar.height == pytest.approx(chart.base)
            assert 0 <= bar.y <= chart.base
            assert chart.left <= bar.x < chart.right

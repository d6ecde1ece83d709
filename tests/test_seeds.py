"""The seed tasks that come with the package are as varied and as clean as the rules ask of others."""

from functools import cache

import pytest
from reference import instructions, needs_reference

from selfinstruct.filters import check_instances, judge
from selfinstruct.pool import Pool
from selfinstruct.prepare import default_rules
from selfinstruct.settings import Settings
from selfinstruct.similarity import RougeIndex
from selfinstruct.tasks import Candidate, packaged_seeds, read_seeds
from selfinstruct.text import rouge_words, words

LANGUAGES = ("en", "zh")


@cache
def seeds(language):
    return read_seeds(packaged_seeds(language))


@pytest.mark.parametrize(("language", "tasks", "classification"), [("en", 175, 40), ("zh", 60, 10)])
def test_there_are_enough_of_each_kind(language, tasks, classification):
    """As many as the paper's 175, with more classification tasks; between a fifth and a half need no input."""
    found = seeds(language)
    without_input = sum(all(not one.input for one in seed.instances) for seed in found)
    assert len(found) >= tasks
    assert sum(seed.is_classification for seed in found) >= classification
    assert len(found) / 3 <= without_input <= len(found) / 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_none_stands_twice(language):
    """Ids and instructions are unique, and every task has an instance."""
    found = seeds(language)
    assert len({seed.id for seed in found}) == len({" ".join(words(seed.instruction)) for seed in found}) == len(found)
    assert all(seed.instances for seed in found)


def test_english_instructions_have_5_to_60_words():
    """Short and long ones, but no essays."""
    counts = [len(words(seed.instruction)) for seed in seeds("en")]
    assert min(counts) >= 5
    assert max(counts) <= 60


@pytest.mark.parametrize("method", ["self-instruct", "alpaca"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_they_pass_our_own_rules(language, method):
    """One after the other, as if a model had written them: none is turned down."""
    pool, rules = Pool([]), default_rules(Settings(method=method))
    turned_down = {}
    for seed in seeds(language):
        turned_down[seed.id] = judge(Candidate(seed.instruction), pool, rules)
        pool.admit(seed)
    assert {name: reason for name, reason in turned_down.items() if reason} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_their_instances_are_sound(language):
    """Each one passes the rules for instances."""
    assert {seed.id: dropped for seed in seeds(language) if (dropped := check_instances(seed.instances, 5)[1])} == {}


def test_the_labels_of_classification_tasks_are_short():
    """A label is a few words from a fixed set."""
    labels = [one.output for seed in seeds("en") if seed.is_classification for one in seed.instances]
    assert max(len(words(label)) for label in labels) <= 8


@needs_reference
@pytest.mark.parametrize("tokenizer", [words, rouge_words])
@pytest.mark.parametrize("file", ["seed_tasks.jsonl", "user_oriented_instructions.jsonl"])
def test_they_are_our_own(file, tokenizer):
    """None is near an original seed, or near an evaluation task that asks never to be trained on."""
    index = RougeIndex(0.7, tokenizer)
    for instruction in instructions(file):
        index.add(instruction)
    assert [seed.id for language in LANGUAGES for seed in seeds(language) if index.has_near(seed.instruction)] == []

"""Drawing from the pool and looking into it."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.pool import Pool, sample
from selfinstruct.tasks import Task
from selfinstruct.text import rouge_words


class OnlyRandom:
    """A stream that has no other draw than random()."""

    def __init__(self, seed):
        self.random = Random(seed).random


@given(st.lists(st.integers(), unique=True, max_size=30), st.integers(0, 40), st.integers())
def test_sample_is_distinct(members, count, seed):
    """As many as asked for and there are, each at most once, with no other draw than random()."""
    drawn = sample(members, count, OnlyRandom(seed))
    assert len(drawn) == len(set(drawn)) == min(count, len(members))
    assert set(drawn) <= set(members)


def test_sample_is_uniform():
    """Every ordered pair of five is drawn about as often as any other (chi-square, 19 degrees, fixed seed)."""
    random, rounds = Random(7), 20_000
    counts = Counter(tuple(sample(range(5), 2, random)) for _ in range(rounds))
    expected = rounds / 20
    assert len(counts) == 20
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 43.8  # p = 0.001


def test_sample_is_the_same_everywhere():
    """Golden draws: a change here would change the prompts of every run that is resumed."""
    assert sample(range(100), 8, Random("42/0")) == [26, 82, 12, 45, 59, 17, 40, 2]
    assert sample("abcde", 5, Random(1)) == list("aebdc")
    assert sample("abc", 0, Random(1)) == sample("", 3, Random(1)) == []


def test_sample_draws_once_a_member():
    """The stream stands at a known place after it, so that later draws do not move."""
    random, twin = Random(3), Random(3)
    sample(range(10), 4, random)
    for _ in range(4):
        twin.random()
    assert random.random() == twin.random()


SEEDS = [Task("s1", "Sort the numbers."), Task("s2", "翻译这句话。")]


def test_a_view_stays_as_it_was():
    """A prompt sees the pool of its moment, whatever is admitted later."""
    pool = Pool(SEEDS, [Task("c1", "Carried task here.")])
    view = pool.view(1)
    pool.admit(Task("g1", "Another task is here."))
    assert [task.id for task in view.generated] == ["c1"]
    assert [task.id for task in pool.view(2).generated] == ["c1", "g1"]
    assert [task.id for task in pool.view(9).generated[-2:]] == ["c1", "g1"]
    assert view.generated[-1].id == view.generated[0].id == "c1"
    assert (len(view.generated), len(pool), list(view.seeds)) == (1, 4, SEEDS)
    with pytest.raises(IndexError):
        view.generated[1]


def test_the_pool_compares_with_all_members():
    """Seeds, carried and admitted tasks are found by similarity and by their words."""
    pool = Pool(SEEDS, [Task("c1", "Name three uses of a brick.")])
    pool.admit(Task("g1", "List the largest lakes of Africa."))
    assert pool.nearest("Sort the numbers!") == (SEEDS[0], 1.0)
    assert pool.nearest("Name four uses of a brick.")[0].id == "c1"
    assert pool.nearest("List the largest rivers of Africa.")[0].id == "g1"
    assert pool.nearest("翻译那句话。")[0].id == "s2"
    assert pool.nearest("Something else altogether.") is None
    assert pool.same_words("LIST the largest lakes: of Africa").id == "g1"
    assert pool.same_words("List the largest lakes.") is None


def test_threshold_and_tokenizer_are_settings():
    """A pool of ROUGE's own words sees no Chinese, and a higher threshold lets more in."""
    assert Pool(SEEDS, tokenizer=rouge_words).nearest("翻译这句话。") is None
    assert Pool(SEEDS, threshold=0.9).nearest("翻译那句话。") is None
    assert Pool([Task("a", "★★"), Task("b", "☆")]).same_words("★★").id == "a"

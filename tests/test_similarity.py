"""The index against brute force, which compares each text with all others."""

import random
import sys
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq
from reference import instructions, needs_reference
from rouge_score.rouge_scorer import RougeScorer

from selfinstruct.join import join
from selfinstruct.similarity import Neighbour, RougeIndex
from selfinstruct.text import rouge_words, words

SCRIPTS = {
    "latin": ["sort", "list", "write", "été", "a", "poem"],
    "han": list("将句子翻译成"),
    "kana": list("のかなカーを"),
    "hangul": ["다음", "문장을", "요약", "하세요", "시를", "써"],
    "arabic": ["اكتب", "قصيدة", "عن", "البحر", "من", "فضلك"],
    "devanagari": ["अगले", "वाक्य", "का", "अनुवाद", "करो", "हिन्दी"],
    "thai": ["แ", "ป", "ล", "ที่", "นี่", "คำ"],
    "cyrillic": ["сортируй", "список", "чисел", "это", "слово", "ещё"],
}
THRESHOLDS = (0.01, 0.3, 0.33, 1 / 3, 0.5, 0.69, 0.7, 0.71, 0.9, 1.0)


class BruteForce:
    """The same questions, answered from the definition with fractions."""

    def __init__(self, threshold, tokenizer=words):
        self.threshold, self.tokenizer, self.texts = Fraction(str(threshold)), tokenizer, []

    def add(self, text):
        self.texts.append(self.tokenizer(text))

    def nearest(self, text):
        asked, best = self.tokenizer(text), (self.threshold, None)
        for position, other in enumerate(self.texts):
            if asked and other:
                score = Fraction(2 * LCSseq.similarity(asked, other), len(asked) + len(other))
                if score > best[0] or (score == best[0] and best[1] is None):
                    best = (score, position)
        return None if best[1] is None else Neighbour(best[1], float(best[0]))


def agree(index, brute, text):
    """Both give one answer, and the decision alone says the same."""
    expected = brute.nearest(text)
    assert index.nearest(text) == expected
    assert index.has_near(text) == (expected is not None)


SHORT_TEXTS = st.one_of(*(st.lists(st.sampled_from(script), max_size=12).map(" ".join) for script in SCRIPTS.values()))


@settings(max_examples=300)
@given(st.lists(SHORT_TEXTS, max_size=25), st.sampled_from(THRESHOLDS))
@example(["a b c d e f g h i j", "a b c d e f g x y z"], 0.7)
@example(["", "...", ""], 0.7)
@example(["a a a a", "a a a", "a", "a a a a a a a a"], 0.5)
@example(["将句子", "将句子翻", "将 句 子"], 0.7)
def test_it_answers_like_brute_force(texts, threshold):
    """Decision, position (the lowest of equals) and score, in eight scripts, with repeated words and empty texts."""
    index, brute = RougeIndex(threshold), BruteForce(threshold)
    for text in texts:
        agree(index, brute, text)
        index.add(text)
        brute.add(text)
    assert len(index) == len(texts)


def mutated(base, vocabulary, edits, draw):
    """A near copy: some words of it are left out, put in or moved."""
    text = list(base)
    for _ in range(edits):
        at = draw.randrange(len(text) + 1)
        if text and draw.random() < 0.5:
            text.pop(at - 1)
        else:
            text.insert(at, draw.choice(vocabulary))
    return text


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("length", [12, 64, 70, 600])
@pytest.mark.parametrize("vocabulary", [4, 60, 5_000])
def test_long_texts_and_near_copies(threshold, length, vocabulary):
    """Around the threshold, beyond 64 words (one machine word) and beyond 500."""
    draw = random.Random(f"{threshold} {length} {vocabulary}")
    names = [f"w{n}" for n in range(vocabulary)]
    index, brute, texts = RougeIndex(threshold), BruteForce(threshold), []
    for _ in range(120 if length < 100 else 40):
        fresh = not texts or draw.random() < 0.3
        text = (
            [draw.choice(names) for _ in range(length)]
            if fresh
            else mutated(draw.choice(texts), names, draw.randrange(int(length * (1.2 - threshold)) + 2), draw)
        )
        agree(index, brute, " ".join(text))
        index.add(" ".join(text))
        brute.add(" ".join(text))
        texts.append(text)
    assert len(index) == len(texts)


@pytest.mark.parametrize("threshold", [0.33, 0.5, 0.7, 0.9, 1.0])
def test_a_pool_that_grows(threshold):
    """New words keep coming and were unknown to the texts before them; lengths too; some texts are empty or repeat."""
    draw = random.Random(f"{threshold}")
    index, brute, texts = RougeIndex(threshold), BruteForce(threshold), []
    for round_ in range(400):
        known = [f"w{n}" for n in range(5 + round_ // 2)]
        length = draw.choice([0, 1, 2, 5, 8, 8, 9, 13, 20, 70])
        fresh = [known[int(len(known) * draw.random() ** 3)] for _ in range(length)]
        near = mutated(draw.choice(texts), known, draw.randrange(6), draw) if texts else fresh
        texts.append(fresh if draw.random() < 0.4 else near)
        agree(index, brute, " ".join(texts[-1]))
        index.add(" ".join(texts[-1]))
        brute.add(" ".join(texts[-1]))
    for text in texts:
        agree(index, brute, " ".join(text))


@given(
    st.lists(
        st.lists(
            st.sampled_from(["sort", "the", "list", "of", "numbers", "NOW!", "x1", "(a)", "it's"]), max_size=9
        ).map(" ".join),
        min_size=2,
        max_size=6,
    )
)
def test_scores_are_those_of_rouge_score(texts):
    """On ASCII the package that the field measures with gives the same F."""
    scorer = RougeScorer(["rougeL"])
    *pool, asked = texts
    index = RougeIndex(0.01)
    for text in pool:
        index.add(text)
    best = max(scorer.score(text, asked)["rougeL"].fmeasure for text in pool)
    found = index.nearest(asked)
    assert (found.score if found else 0.0) == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize(
    ("threshold", "a", "b", "near"),
    [
        (0.7, "a b c d e f g h i j", "a b c d e f g x y z", True),  # 7/10 exactly
        (0.7, "a b c d e f g h i j k", "a b c d e f g x y z", False),  # 14/21
        (0.7, "a b c d e f g", "a b c d e f g h i j k l m", True),  # 14/20
        (0.3, "a b c d e f g h i j", "a b c 1 2 3 4 5 6 7", True),
        (0.1, "a b c d e f g h i j", "a 1 2 3 4 5 6 7 8 9", True),
        (1.0, "a b c", "A, B: c!", True),
        (1.0, "a b c", "a b c c", False),
        (0.01, "a", "b", False),
        (0.7, "", "", False),
        (0.7, "?", "!", False),
    ],
)
def test_exactly_the_threshold_is_near(threshold, a, b, near):
    """The threshold is the decimal that was written, not the binary fraction near it; nothing is like an empty text."""
    index = RougeIndex(threshold)
    index.add(a)
    assert index.has_near(b) == (index.nearest(b) is not None) == near


@pytest.mark.parametrize("threshold", [0, -0.1, 1.01, 70])
def test_a_threshold_lies_between_0_and_1(threshold):
    """A percentage or a zero is a mistake, and the message holds the value."""
    with pytest.raises(ValueError, match=f"not {threshold}"):
        RougeIndex(threshold)


def test_ties_go_to_the_first():
    """Of equal neighbours the one that was added first is named, whichever is found first."""
    index = RougeIndex(0.5)
    for text in ("x x x x", "a b c z", "c a b z", "a b c y", "a b c z"):
        index.add(text)
    assert index.nearest("a b c q") == Neighbour(1, 0.75)
    assert index.nearest("a b c z") == Neighbour(1, 1.0)


@pytest.mark.parametrize("swap", [False, True])
def test_ties_between_lengths_go_to_the_first(swap):
    """8 of 10 + 10 and 10 of 10 + 15 words are both 4/5, and the length that was looked at first does not matter."""
    near, long = "a b c d e f g h 1 2", "a b c d e f g h i j 1 2 3 4 5"
    index = RougeIndex(0.5)
    for text in (long, near) if swap else (near, long):
        index.add(text)
    assert index.nearest("a b c d e f g h i j") == Neighbour(0, 0.8)


def test_a_better_match_of_a_farther_length_wins():
    """A match at the same length raises the bar for the others, but not above what they can reach."""
    index = RougeIndex(0.5)
    index.add("a b c d e 1 2 3 4 5")
    index.add("a b c d e f g h i j 1 2 3 4")
    index.add("a b c d e f g h i")
    assert index.nearest("a b c d e f g h i j") == Neighbour(2, 18 / 19)


def test_a_new_length_is_found():
    """The lengths that a question looks at are remembered, until one is new."""
    index = RougeIndex(0.5)
    index.add("a b c")
    assert index.nearest("a b c d e") == Neighbour(0, 0.75)
    index.add("a b c d")
    assert index.nearest("a b c d e") == Neighbour(1, 8 / 9)


def test_more_words_than_characters():
    """A word is a character of Unicode inside, of which there are 1,114,112; all further words still differ."""
    index, brute = RougeIndex(0.5), BruteForce(0.5)
    index._ids = dict.fromkeys(map(str, range(sys.maxunicode - 2)), 0)
    texts = ["a b c d e f", "a b c d e g h i", "f g h i", "a b c", "i h g f", "a x b y c", ""]
    for text in texts:
        index.add(text)
        brute.add(text)
    assert {type(text) for text in index._texts} == {str, list}
    for text in [*texts, "a b c d i h", "q a b c", "q r", "h i f g x"]:
        agree(index, brute, text)


@needs_reference
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_real_instructions_decide_as_the_join_does(threshold):
    """29,680 decisions of a stream, and for what falls the score with its partner."""
    names = ("seed_tasks", "user_oriented_instructions", "labelled_alpaca_libre_v1", "instructions_gpt-4o-mini")
    texts = [text for name in names for text in instructions(f"{name}.jsonl")]
    index, kept, scores = RougeIndex(threshold), [], []
    for text in texts:
        found = index.nearest(text)
        kept.append(found is None)
        scores.append(found.score if found else 0.0)
        if found is None:
            index.add(text)
    expected = join(texts, threshold)
    assert expected.kept.tolist() == kept
    assert expected.scores.tolist() == scores


@needs_reference
def test_real_instructions_give_the_known_counts():
    """26,878 rows, greedily: below 7/10 with and without the 175 seeds."""
    for known, expected in ((instructions("seed_tasks.jsonl"), 3_108), ([], 3_109)):
        index, kept = RougeIndex(0.7, rouge_words), 0
        for text in known:
            index.add(text)
        for text in instructions("instructions_gpt-4o-mini.jsonl"):
            if not index.has_near(text):
                index.add(text)
                kept += 1
        assert kept == expected

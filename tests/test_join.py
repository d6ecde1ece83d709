"""The bulk join decides as the incremental index does, and as comparing all with all does."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq
from reference import instructions, needs_reference

from selfinstruct.join import Join, candidates, documents, finder, groups, join
from selfinstruct.similarity import RougeIndex
from selfinstruct.text import rouge_words, words

KEPT = (None, None, 0, 0)


def decisions(result: Join) -> list[tuple[int | None, int | None, int, int]]:
    """(position in `against`, position in the texts, LCS, words of both) of each text."""
    columns = (result.protected, result.partner, result.lcs, result.words)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    found = [(*(None if at < 0 else at for at in row[:2]), *row[2:]) for row in rows]
    assert result.kept.tolist() == [row == KEPT for row in found]
    return found


def brute_force(texts, threshold, tokenizer=words, against=()):
    """The same by comparing each text with all that is kept before it, in whole numbers."""
    limit = Fraction(str(threshold))
    kept = [((at, None), tokenizer(text)) for at, text in enumerate(against)]
    found = []
    for position, text in enumerate(texts):
        tokens = tokenizer(text)
        best, best_lcs, best_sum = None, 0, 1
        for partner, other in kept:
            lcs, both = LCSseq.similarity(tokens, other), len(tokens) + len(other)
            near = lcs > 0 and 2 * lcs * limit.denominator >= limit.numerator * both
            if near and lcs * best_sum > best_lcs * both:
                best, best_lcs, best_sum = partner, lcs, both
        if best is None:
            kept.append(((None, position), tokens))
            found.append(KEPT)
        else:
            found.append((*best, best_lcs, best_sum))
    return found


def one_by_one(texts, threshold, tokenizer=words, against=()):
    """(position in `against`, position in the texts, score) of each text by the incremental index."""
    index = RougeIndex(threshold, tokenizer)
    for text in against:
        index.add(text)
    partners = [(at, None) for at in range(len(against))]
    found = []
    for position, text in enumerate(texts):
        nearest = index.nearest(text)
        if nearest is None:
            index.add(text)
            partners.append((None, position))
            found.append((None, None, 0.0))
        else:
            found.append((*partners[nearest.position], nearest.score))
    return found


def with_scores(result: Join):
    return [(*row[:2], score) for row, score in zip(decisions(result), result.scores.tolist(), strict=True)]


def corpus(seed, *, rows=160, vocabulary=300, longest=24, near=0.6, copies=0.05, spell=lambda number: f"w{number}"):
    """Texts of random words, many of them edits of an earlier one, some empty and some equal."""
    draw = random.Random(seed)

    def word():
        return int(vocabulary * draw.random() ** 2)

    def edited(tokens):
        tokens = list(tokens)
        for _ in range(draw.randrange(1, 2 + len(tokens) // 3)):
            at = draw.randrange(len(tokens) + 1)
            tokens[at : at + draw.randrange(3)] = [word() for _ in range(draw.randrange(3))]
        return tokens

    made = []
    for _ in range(rows):
        kind = draw.random()
        if made and kind < near:
            made.append(edited(draw.choice(made)))
        elif made and kind < near + copies:
            made.append(list(draw.choice(made)))
        else:
            made.append([word() for _ in range(draw.randrange(longest + 1))])
    return [draw.choice([" ", ", "]).join(map(spell, tokens)) for tokens in made]


SMALL_STEPS = {
    finder: {"VERIFIED": 50, "BLOCK": 20, "CROWD": 2, "SURE": 4},
    candidates: {"JOB": 300, "RARE": 3, "PREFIX": 9},
    groups: {"JOB": 300, "SLIDE": 4, "BLOCK": 3, "BATCH": 50},
    documents: {"CHUNK": 200},
}
CROWDED = {finder: {"CROWD": 1, "SURE": 2}}


@pytest.fixture(params=[{}, SMALL_STEPS, CROWDED], ids=["as it is", "small steps", "crowded"])
def steps(request, monkeypatch):
    """Run also in steps so small that few texts take every path: blocks, jobs, two-word keys, all layouts, halves."""
    for module, constants in request.param.items():
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)


SHAPES = {
    "five words": {"vocabulary": 5, "longest": 12},
    "few words": {"vocabulary": 40, "longest": 20},
    "many words": {"vocabulary": 3000, "longest": 30},
    "mostly near": {"vocabulary": 60, "near": 0.9},
    "mostly copies": {"vocabulary": 30, "near": 0.4, "copies": 0.5},
    "short": {"vocabulary": 12, "longest": 4, "near": 0.3},
}


@pytest.mark.parametrize("threshold", [0.33, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_brute_force_and_the_index(steps, shape, threshold):
    """Decisions, partners and scores are those of comparing all with all, and of the index."""
    texts = corpus(f"{shape} {threshold}", **SHAPES[shape])
    result = join(texts, threshold)
    assert decisions(result) == brute_force(texts, threshold)
    assert with_scores(result) == one_by_one(texts, threshold)


@pytest.mark.parametrize("threshold", [0.01, 0.123456789012345678, 1 / 3, 0.65, 0.7000000000000001, 0.999])
def test_equals_brute_force_at_odd_thresholds(steps, threshold):
    """A threshold with sixteen decimals overflows no integer, and one below a single word finds what it should."""
    texts = corpus(f"odd {threshold}", rows=120, vocabulary=30, longest=15)
    assert decisions(join(texts, threshold)) == brute_force(texts, threshold)


@pytest.mark.parametrize("threshold", [0.5, 0.7])
@pytest.mark.parametrize("longest", [200, 700])
def test_equals_brute_force_on_long_texts(steps, longest, threshold):
    """Texts beyond 64 words, beyond the two-word keys and beyond 16 bits are decided alike."""
    texts = corpus(longest, rows=60, vocabulary=longest, longest=longest, near=0.7) + corpus(1, rows=60)
    assert decisions(join(texts, threshold)) == brute_force(texts, threshold)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_protected_texts_come_first(steps, workers, threshold):
    """Protected texts drop what is like them, win ties, and are never dropped themselves, not even copies."""
    against = corpus("protected", rows=60, vocabulary=40)
    against += against[:10]
    texts = corpus("protected", rows=200, vocabulary=40)[30:]
    result = join(texts, threshold, against=against, workers=workers)
    assert decisions(result) == brute_force(texts, threshold, against=against)
    assert (result.protected >= 0).any()
    assert (result.partner >= 0).any()


SCRIPTS = {
    "Han": lambda number: chr(0x4E00 + number),
    "Hangul": lambda number: chr(0xAC00 + number) + chr(0xAC00 + number * 7),
    "Devanagari": lambda number: f"क{chr(0x0915 + number % 30)}ि{number}",
    "emoji between": lambda number: f"w{number} 🎉",
    "mixed": lambda number: ["Word{}", "WÖRT{}", "слово{}", "İ{}", "K{}", "ﬁ{}", "{}"][number % 7].format(number),
    "long": lambda number: "x" * 12 + "y" * (number % 3) + str(number),
    "zeros": lambda number: "0" * (number % 14 + 1) + "a" * (number // 14 % 3),
}


def spelt_in(first, letters):
    """Words of three letters of one script."""
    return lambda number: "".join(chr(first + number // letters**place % letters) for place in range(3))


EIGHT_SCRIPTS = {
    "Latin": spelt_in(ord("a"), 26),
    "Cyrillic": spelt_in(0x0430, 32),
    "Arabic": spelt_in(0x0641, 10),
    "Devanagari": spelt_in(0x0915, 37),
    "Hangul": spelt_in(0xAC00, 90),
    "Han": lambda number: chr(0x4E00 + number),
    "Kana": lambda number: chr(0x30A1 + number % 80),
    "Thai": lambda number: chr(0x0E01 + number % 46),
}


@pytest.mark.parametrize("script", EIGHT_SCRIPTS)
def test_thousands_of_near_duplicates_are_decided_alike(script):
    """Join, index and brute force agree on every decision, partner and score: 10,400 texts in eight scripts."""
    texts = corpus(f"thousands in {script}", rows=1_300, vocabulary=400, spell=EIGHT_SCRIPTS[script])
    result = join(texts)
    assert decisions(result) == brute_force(texts, 0.7)
    assert with_scores(result) == one_by_one(texts, 0.7)
    assert 0.2 < result.kept.mean() < 0.9


@pytest.mark.parametrize("tokenizer", [words, rouge_words, str.split])
@pytest.mark.parametrize("script", SCRIPTS)
def test_takes_the_words_of_the_tokenizer(steps, script, tokenizer):
    """The bulk tokenizer gives the same words in any script, and another tokenizer is used as it is."""
    texts = corpus(script, rows=80, vocabulary=60, spell=SCRIPTS[script])
    texts += corpus("plain", rows=80, vocabulary=60)
    random.Random(1).shuffle(texts)
    assert decisions(join(texts, 0.7, tokenizer)) == brute_force(texts, 0.7, tokenizer)


@given(st.lists(st.text(st.sampled_from("aAzZ059 ,\n\x00é\u00df一"), max_size=40), max_size=12))
@settings(deadline=None)
def test_numbers_are_words(texts):
    """Two words have the same number exactly when they are the same; words that occur once have none."""
    tokenised = [words(text) for text in texts]
    with ThreadPoolExecutor(1) as pool:
        read = documents.read_documents(texts, words, pool)
    count = [word for tokens in tokenised for word in tokens].count
    repeated = [[word for word in tokens if count(word) > 1] for tokens in tokenised]
    numbers = np.split(read.tokens, read.starts[1:]) if texts else []
    pairs = {pair for each in zip(repeated, numbers, strict=True) for pair in zip(*each, strict=True)}
    assert len(pairs) == len({word for word, _ in pairs}) == len({number for _, number in pairs}) == read.vocabulary
    assert read.lengths.tolist() == list(map(len, tokenised))


SENTENCES = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=9).map(" ".join), max_size=40)


@given(SENTENCES, SENTENCES, st.integers(1, 100).map(lambda percent: percent / 100))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_law_equals_brute_force(texts, against, threshold):
    """For any texts and threshold the decisions are those of comparing all with all."""
    assert decisions(join(texts, threshold, against=against)) == brute_force(texts, threshold, against=against)


@given(SENTENCES, st.lists(st.integers(1, 100), min_size=2, max_size=3).map(sorted))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_law_rethreshold_equals_a_new_join(texts, percents):
    """Deciding again at a higher threshold gives what a join at that threshold gives, also twice."""
    result = join(texts, percents[0] / 100)
    for percent in percents[1:]:
        result = result.rethreshold(percent / 100)
        assert decisions(result) == decisions(join(texts, percent / 100))


@pytest.mark.parametrize("all_pairs", [True, False])
def test_rethreshold_of_a_set_full_of_duplicates(monkeypatch, all_pairs):
    """A set that was compared block by block is joined anew, since pairs among what fell are missing."""
    monkeypatch.setattr(finder, "BLOCK", 16)
    texts = corpus("duplicates", rows=300, vocabulary=60, near=0.93)
    result = join(texts, 0.5, all_pairs=all_pairs, against=texts[:5])
    assert result.complete is all_pairs
    for threshold in (0.5, 0.7, 0.8, 1.0):
        assert decisions(result.rethreshold(threshold)) == brute_force(texts, threshold, against=texts[:5])


def test_blocks_find_later_partners_of_copies(monkeypatch):
    """A copy of a text that fell may have a better partner that was kept in between, blocks later."""
    monkeypatch.setattr(finder, "BLOCK", 4)
    old, fell, better = "a b c d e f g h", "a b c d e f x y", "p b c d e f x y"
    near_old = ["a b c d e f g z", "a b c d e f g v", "a b c d e f g u"]
    texts = [old, fell, *near_old, *near_old, better, *near_old, *near_old, fell]
    result = join(texts, 0.7)
    assert not result.complete
    assert decisions(result) == brute_force(texts, 0.7)
    assert (result.partner[1], result.partner[-1]) == (0, texts.index(better))


def test_only_copies_of_protected_texts(monkeypatch):
    """A block in which everything is protected already leaves nothing to compare."""
    monkeypatch.setattr(finder, "BLOCK", 3)
    against = corpus("protected", rows=20)
    texts = [*against, *against, "something else"]
    assert decisions(join(texts, against=against)) == brute_force(texts, 0.7, against=against)


def test_exact_ties_are_too_similar():
    """At exactly the threshold a text falls; floats would have it both ways (13 words of 7 + 13, and so on)."""
    for m in range(1, 40):
        for n in range(m, 60):
            if 7 * (m + n) % 20 == 0 and 7 * (m + n) // 20 <= m:
                lcs = 7 * (m + n) // 20
                shared = [f"s{at}" for at in range(lcs)]
                texts = [shared + [f"{side}{at}" for at in range(size - lcs)] for side, size in (("a", m), ("b", n))]
                near = [" ".join(each) for each in texts]
                less = [near[0], near[1].replace("s0", "b")]
                assert join(near).kept.tolist() == [True, False]
                assert join(less).kept.tolist() == [True, True]


@pytest.mark.parametrize("texts", [[], [""], ["", "!?", "…", ""], ["one"], ["one", "one"], ["one", "", "one", ""]])
def test_few_texts(texts):
    """Nothing, one text and texts without words are decided too."""
    assert decisions(join(texts)) == brute_force(texts, 0.7)
    assert decisions(join(texts, against=texts)) == brute_force(texts, 0.7, against=texts)


def test_more_words_than_characters(monkeypatch):
    """A vocabulary beyond the characters of Unicode is compared by its numbers."""
    monkeypatch.setattr(documents, "_CHARACTERS", 50)
    texts = corpus("numbers", vocabulary=200)
    assert decisions(join(texts)) == brute_force(texts, 0.7)


def test_numbers_in_the_range_of_surrogates():
    """Words numbered 55,296 to 57,343 are no surrogates, which no string may hold."""
    names = [f"v{number}" for number in range(70_000)]
    texts = [" ".join(names[at : at + 10]) for at in range(0, len(names), 10)]
    texts += [" ".join(names[at + 1 : at + 9]) for at in range(0, len(names), 10)]
    result = join(texts, 0.7)
    assert result.partner.tolist() == [-1] * 7000 + list(range(7000))
    assert set(result.lcs[7000:].tolist()) == {8}


@pytest.mark.parametrize("threshold", [0.7, 0.33, 1 / 3, 0.123456789])
def test_simplest_fraction_decides_alike(threshold):
    """The fraction with a small denominator divides the quotients of small numbers as the threshold does."""
    half, most = Fraction(str(threshold)) / 2, 60
    p, q = candidates.simplest(half, most)
    assert q <= most or Fraction(p, q) == half
    for both in range(1, most + 1):
        for lcs in range(both + 1):
            assert (lcs >= half * both) == (q * lcs >= p * both)


def test_packed_numbers_never_overflow_silently(monkeypatch):
    """Numbers that do not fit into one are an error, not a wrong decision."""
    monkeypatch.setattr(candidates, "_width", lambda _: 40)
    with pytest.raises(OverflowError, match="63"):
        join(["a b c d e", "a b c d f"])


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01])
def test_threshold_out_of_range(threshold):
    """A threshold at which everything or nothing would fall is refused."""
    with pytest.raises(ValueError, match="threshold"):
        join(["a"], threshold)


@pytest.mark.parametrize("threshold", [0.69, 1.1])
def test_rethreshold_looks_up_only(threshold):
    """Pairs below the threshold of a join were never looked for."""
    with pytest.raises(ValueError, match=r"0\.7"):
        join(["a"]).rethreshold(threshold)


def test_is_imported_on_demand():
    """The command line starts without numpy."""
    script = "import selfinstruct, sys; assert 'selfinstruct.join' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


@needs_reference
@pytest.mark.parametrize(("with_seeds", "kept"), [(False, 3109), (True, 3108)])
def test_instructions_that_nobody_filtered(with_seeds, kept):
    """26,878 instructions of gpt-4o-mini keep what exact arithmetic keeps, alone and against the 175 seeds."""
    against = instructions("seed_tasks.jsonl") if with_seeds else ()
    result = join(instructions("instructions_gpt-4o-mini.jsonl"), 0.7, rouge_words, against=against)
    assert result.kept.sum() == kept

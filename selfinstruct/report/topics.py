"""What a set is about, roughly: its most frequent content words, and instructions grouped by the words that they share.

The groups come from TF-IDF and spherical k-means. Nobody named them in advance: each is called by the words that weigh
most in it. They show what fills a set and how evenly; they are no categories, and a word with two meanings puts both
into one group. Sets of few instructions are not grouped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from random import Random
from typing import TYPE_CHECKING

from selfinstruct.pool import sample
from selfinstruct.report.english import FUNCTION_WORDS
from selfinstruct.report.ranking import ranked
from selfinstruct.report.verbs import may_be_noun, noun_lemma
from selfinstruct.text import is_unspaced, words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

MOST_GROUPS, EACH, FEWEST = 12, 60, 300  # groups, instructions for each of them, and for any
KEYWORDS = 20
VOCABULARY = 5000
EVERYWHERE = 0.1  # a word in more than this share of the instructions says nothing about one of them
ROUNDS = 20
NAMED_BY = 4


@dataclass(frozen=True)
class Group:
    """Instructions that share words: the words that weigh most, and how many instructions they are."""

    words: tuple[str, ...]
    size: int


@dataclass(frozen=True)
class Topics:
    """The content words in most instructions with the number of these; groups from large to small; what is in none."""

    keywords: tuple[tuple[str, int], ...]
    groups: tuple[Group, ...]
    ungrouped: int


def topics(instructions: Sequence[str], seed: int = 0) -> tuple[Topics, list[int]]:
    """Group instructions; also the number of each one's group, -1 where it has none."""
    import numpy as np

    terms = [list(dict.fromkeys(_terms(text))) for text in instructions]
    vocabulary = _vocabulary(terms)
    numbers = {term: number for number, (term, _) in enumerate(vocabulary)}
    idf = np.array([log(len(terms) / frequency) for _, frequency in vocabulary])
    known = [[numbers[term] for term in each if term in numbers] for each in terms]
    placed = [place for place, each in enumerate(known) if each]
    keywords = ranked(Counter(term for each in terms for term in each), KEYWORDS)
    count = min(MOST_GROUPS, len(placed) // EACH)
    if len(placed) < FEWEST:
        return Topics(keywords, (), len(terms)), [-1] * len(terms)
    group, centres = _cluster(_Matrix([known[place] for place in placed], idf), count, seed)
    sizes = np.bincount(group, minlength=count)
    order = [number for number in np.argsort(-sizes, kind="stable").tolist() if sizes[number]]
    rank = {number: place for place, number in enumerate(order)}
    found = [-1] * len(terms)
    for place, number in zip(placed, group.tolist(), strict=True):
        found[place] = rank[number]
    return Topics(
        keywords,
        tuple(Group(_name(centres[number], vocabulary), int(sizes[number])) for number in order),
        len(terms) - len(placed),
    ), found


def _terms(text: str) -> Iterator[str]:
    """Words with content that may be nouns, in the singular; two characters in a row where a script has no spaces."""
    tokens = words(text)
    yield from (one + two for one, two in pairwise(tokens) if is_unspaced(one[0]) and is_unspaced(two[0]))
    for token in tokens:
        if len(token) > 2 and not is_unspaced(token[0]) and token not in FUNCTION_WORDS and may_be_noun(token):
            yield noun_lemma(token)


def _vocabulary(terms: Sequence[Sequence[str]]) -> Sequence[tuple[str, int]]:
    """The most frequent terms of at least three instructions and not of too many, with the number of these."""
    counts = Counter(term for each in terms for term in each)
    most = max(3, int(len(terms) * EVERYWHERE))
    return ranked(Counter({term: number for term, number in counts.items() if 3 <= number <= most}), VOCABULARY)


class _Matrix:
    """Instructions as unit vectors of the idf weights of their terms, kept as the non-zero entries."""

    def __init__(self, rows: Sequence[Sequence[int]], idf: Floats) -> None:
        import numpy as np

        sizes = np.array([len(row) for row in rows])
        self.terms = np.array([term for row in rows for term in row], np.int64)
        self.starts = np.cumsum(sizes) - sizes
        self.rows = np.repeat(np.arange(len(rows)), sizes)
        weights = idf[self.terms]
        self.weights = weights / np.sqrt(np.add.reduceat(weights**2, self.starts))[self.rows]
        self.width = len(idf)

    def similarity(self, centres: Floats) -> Floats:
        """(rows, centres) the cosine of each row and each unit vector."""
        import numpy as np

        return np.stack([np.add.reduceat(self.weights * centre[self.terms], self.starts) for centre in centres], axis=1)

    def centres(self, group: Ints, count: int) -> Floats:
        """(count, terms) the mean direction of each group."""
        import numpy as np

        places = group[self.rows] * self.width + self.terms
        sums = np.bincount(places, self.weights, count * self.width).reshape(count, self.width)
        lengths: Floats = np.linalg.norm(sums, axis=1, keepdims=True)
        return sums / np.maximum(lengths, 1e-12)


def _cluster(matrix: _Matrix, count: int, seed: int) -> tuple[Ints, Floats]:
    """Spherical k-means, begun with random rows of which each is far from those before."""
    import numpy as np

    candidates = sample(range(len(matrix.starts)), 50 * count, Random(seed))
    nearest = np.zeros(len(matrix.starts))
    chosen: list[int] = []
    for number in range(count):
        place = min(candidates[number::count], key=lambda each: nearest[each])
        chosen.append(place)
        nearest = np.maximum(nearest, matrix.similarity(_row(matrix, place))[:, 0])
    centres = np.concatenate([_row(matrix, place) for place in chosen])
    group = np.full(len(matrix.starts), -1)
    for _ in range(ROUNDS):
        closest = matrix.similarity(centres).argmax(axis=1)
        if (closest == group).all():
            break
        group = closest
        centres = matrix.centres(group, count)
    return group, centres


def _row(matrix: _Matrix, place: int) -> Floats:
    import numpy as np

    row = np.zeros((1, matrix.width))
    held = matrix.rows == place
    row[0, matrix.terms[held]] = matrix.weights[held]
    return row


def _name(centre: Floats, vocabulary: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    return tuple(vocabulary[term][0] for term in centre.argsort()[::-1][:NAMED_BY].tolist() if centre[term] > 0)

"""From similar pairs to decisions: in file order, a text falls to an earlier one that is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from selfinstruct.join.candidates import simplest
from selfinstruct.join.documents import Documents, Ints, SmallInts

Mask = npt.NDArray[np.bool_]

NOBODY = -1
PART = 1 << 18  # pairs that are listed at once


class Pairs(NamedTuple):
    """Similar texts: the earlier, the later, and the number of words in their longest common subsequence."""

    early: Ints
    late: Ints
    lcs: SmallInts

    @classmethod
    def joined(cls, parts: Iterable[Pairs]) -> Pairs:
        """All pairs of some parts."""
        found = list(parts)
        none = np.empty(0, np.int64)
        return cls(
            np.concatenate([none, *(part.early for part in found)]),
            np.concatenate([none, *(part.late for part in found)]),
            np.concatenate([none.astype(np.int32), *(part.lcs for part in found)]),
        )

    def once(self) -> Pairs:
        """Each pair once, in order."""
        return self.where(np.unique(self.early << 32 | self.late, return_index=True)[1])

    def where(self, chosen: Mask | Ints) -> Pairs:
        """The pairs that a mask marks or that stand at some places."""
        return Pairs(self.early[chosen], self.late[chosen], self.lcs[chosen])


class Shape(NamedTuple):
    """What decisions need to know of the rows, which are the protected texts and then the others."""

    protected: int
    lengths: SmallInts  # words of each row
    firsts: Ints  # the first row with the same words; a row without words is its own

    @classmethod
    def of(cls, documents: Documents, protected: int) -> Shape:
        """The shape of some documents, the first of which are protected."""
        return cls(protected, documents.lengths, documents.firsts)

    def distinct(self) -> Mask:
        """Rows that are no copies of an earlier row."""
        mask: Mask = self.firsts == np.arange(len(self.firsts))
        return mask

    def reaching(self, pairs: Pairs, limit: Fraction) -> Pairs:
        """The pairs at or above the limit."""
        p, q = simplest(limit / 2, 2 * int(self.lengths.max(initial=1)))
        words = self.lengths[pairs.early].astype(np.int64) + self.lengths[pairs.late]
        return pairs.where(q * pairs.lcs.astype(np.int64) >= p * words)


@dataclass(frozen=True, eq=False)
class Join:
    """What is kept of N texts, and what each of the others fell to.

    A text falls to the most similar of the protected texts and the earlier kept ones; among equals, to the protected
    one, then to the earliest. Its `partner` is a position in the texts or its `protected` one in `against`; the other
    of the two is -1, and both are where the text is kept.
    """

    threshold: float
    kept: Mask  # (N,)
    partner: Ints  # (N,)
    protected: Ints  # (N,)
    lcs: SmallInts  # (N,) words of the longest common subsequence with the partner, 0 where kept
    words: SmallInts  # (N,) words of the text and its partner together, 0 where kept
    complete: bool  # whether all similar pairs were found, or only those that decided
    _pairs: Pairs
    _shape: Shape
    _again: Callable[[float], Join]

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """(N,) ROUGE-L F of each text that fell with its partner, 0 where kept."""
        return 2 * self.lcs / np.maximum(self.words, 1)

    def rethreshold(self, threshold: float) -> Join:
        """Decide again at a higher threshold, from the pairs found.

        A set full of duplicates is compared with its kept texts only (`complete` is False then). What fell at the
        lower threshold may be kept at the higher one and has pairs of its own, so such a set is joined anew.

        Raises:
            ValueError: the threshold is lower than that of this join, which never looked for such pairs.
        """
        if not Fraction(str(self.threshold)) <= Fraction(str(threshold)) <= 1:
            raise ValueError(f"joined at {self.threshold}: decide again from there up to 1, not at {threshold}")
        if not self.complete:
            return self._again(threshold)
        pairs = self._shape.reaching(self._pairs, Fraction(str(threshold)))
        return decide(pairs, self._shape, threshold, complete=True, again=self._again)


def decide(pairs: Pairs, shape: Shape, threshold: float, *, complete: bool, again: Callable[[float], Join]) -> Join:
    """The decisions that follow from the pairs at or above the threshold."""
    kept = keep(pairs, shape.distinct() | (np.arange(len(shape.firsts)) < shape.protected))
    fallen = np.flatnonzero(~kept)
    partner = np.full(len(kept), NOBODY)
    lcs, words = np.zeros((2, len(kept)), np.int32)
    # 1) A copy of a kept text falls to that text.
    copies = fallen[kept[shape.firsts[fallen]]]
    partner[copies] = shape.firsts[copies]
    lcs[copies] = shape.lengths[copies]
    # 2) The others fall to the most similar text that was there when they came.
    others = fallen[~kept[shape.firsts[fallen]]]
    if len(others):
        partner[others], lcs[others] = _nearest(others, shape.firsts[others], pairs, kept, shape.lengths)
    words[fallen] = shape.lengths[fallen] + shape.lengths[partner[fallen]]
    # 3) Positions among the texts, without the protected ones.
    own = slice(shape.protected, None)
    return Join(
        threshold=threshold,
        kept=kept[own],
        partner=np.maximum(partner[own] - shape.protected, NOBODY),
        protected=np.where(partner[own] < shape.protected, partner[own], NOBODY),
        lcs=lcs[own],
        words=words[own],
        complete=complete,
        _pairs=pairs,
        _shape=shape,
        _again=again,
    )


def keep(pairs: Pairs, candidates: Mask) -> Mask:
    """The candidates that are kept: those without a kept earlier one that is similar."""
    order = np.argsort(pairs.late, kind="stable")
    kept = bytearray(candidates.tobytes())
    for start in range(0, len(order), PART):
        part = order[start : start + PART]
        for early, late in zip(pairs.early[part].tolist(), pairs.late[part].tolist(), strict=True):
            if kept[early]:
                kept[late] = False
    return np.frombuffer(kept, np.bool_)


def _nearest(rows: Ints, docs: Ints, pairs: Pairs, kept: Mask, lengths: SmallInts) -> tuple[Ints, SmallInts]:
    """For each row, a text that fell, the most similar kept text before it and their LCS.

    `docs` are the first rows with the same words: to these the pairs belong.
    """
    # 1) Pairs of a text that fell and a kept one, by the former, then by the latter.
    later_fell, earlier_fell = kept[pairs.early] & ~kept[pairs.late], kept[pairs.late] & ~kept[pairs.early]
    doc = np.concatenate([pairs.late[later_fell], pairs.early[earlier_fell]])
    near = np.concatenate([pairs.early[later_fell], pairs.late[earlier_fell]])
    lcs = np.concatenate([pairs.lcs[later_fell], pairs.lcs[earlier_fell]])
    order = np.lexsort((near, doc))
    doc, near, lcs = doc[order], near[order], lcs[order]
    # 2) For each of them the best so far. Quotients of small integers are equal as floats exactly when they are equal.
    score = lcs / (lengths[doc].astype(np.int64) + lengths[near])
    ascending = np.lexsort((-near, score, doc))
    rank = np.empty(len(doc), np.int64)
    rank[ascending] = np.arange(len(doc))
    best = ascending[np.maximum.accumulate(rank)]
    # 3) Where a row comes in that order: the best before it.
    last = np.searchsorted(doc << 32 | near, docs << 32 | rows) - 1
    return near[best[last]], lcs[best[last]]


def components(ends: Ints, others: Ints, number: int) -> Ints:
    """For each of some points the least one that edges lead to: ever lower labels go over the edges till none does."""
    labels = np.arange(number)
    while len(ends):
        here, there = labels[ends], labels[others]
        apart = here != there
        ends, others, here, there = ends[apart], others[apart], here[apart], there[apart]
        lower = np.minimum(here, there)
        np.minimum.at(labels, here, lower)
        np.minimum.at(labels, there, lower)
        while not np.array_equal(labels, labels[labels]):
            labels = labels[labels]
    return labels

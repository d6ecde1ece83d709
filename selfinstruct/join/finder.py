"""The similar pairs of all documents: at once, or block by block where a set is full of duplicates."""

from __future__ import annotations

from concurrent.futures import Executor
from fractions import Fraction
from math import inf

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from selfinstruct.join.candidates import Crowded, Members, Wanted, likely_pairs
from selfinstruct.join.decisions import Pairs, Shape, components, keep
from selfinstruct.join.documents import Documents, Ints, Mask

VERIFIED = 1 << 18  # pairs whose strings are listed at once
BLOCK = 1 << 14  # texts after which it shows whether a set is full of duplicates
FULL_OF_DUPLICATES = 0.4
CROWD = 64  # likely pairs for each document, beyond which only what is kept is compared with
SURE = 128  # documents that are compared at once however many pairs that gives


class Finder:
    """The similar pairs of some documents, the first of which are protected."""

    def __init__(self, documents: Documents, shape: Shape, half: Fraction, pool: Executor) -> None:
        self._documents, self._half, self._pool = documents, half, pool
        row = np.arange(len(documents))
        self._protected: Mask = row < shape.protected
        self._distinct = shape.distinct() & (documents.lengths > 0)
        # Block by block: what is kept and what fell so far, and the rows to come, copies of protected ones left out.
        self._kept = self._distinct & self._protected
        self._fell = np.zeros(len(row), np.bool_)
        self._rows = np.flatnonzero(~self._protected[documents.firsts] & (documents.lengths > 0))
        self._docs = documents.firsts[self._rows]
        self._copied = np.bincount(documents.firsts, minlength=len(row)) > 1

    def all(self) -> Pairs:
        """All similar pairs but those of two protected documents."""
        return self._similar(np.flatnonzero(self._distinct), self._protected)

    def needed(self) -> tuple[Pairs, bool]:
        """The similar pairs of each document that falls with all that are kept, and whether they are all pairs."""
        first = np.unique(self._docs[:BLOCK])
        try:
            pairs = self._similar(_union(np.flatnonzero(self._kept), first), self._protected, crowd=CROWD)
            if len(self._docs) <= BLOCK:
                return pairs, True
            kept = keep(pairs, self._distinct)
            if kept[first].mean() >= 1 - FULL_OF_DUPLICATES:
                seen = self._protected | (np.arange(len(kept)) <= first[-1])
                rest = self._similar(np.flatnonzero(self._distinct), seen, crowd=CROWD)
                return Pairs.joined([pairs, rest]), True
        except Crowded:
            pass
        return self._by_blocks(), False

    def ties(self) -> Pairs:
        """Similar pairs that tie together what all of them would, over any number of steps.

        Where many are alike there are fewer of them: within a group whose documents are tied no pair is looked for.
        """
        pairs, complete = self.needed()
        if complete:
            return pairs
        found, rows = [pairs], np.flatnonzero(self._distinct)
        labels = components(pairs.early, pairs.late, len(self._documents))
        for label in np.flatnonzero(np.bincount(labels) > SURE):
            inside = labels[rows] == label
            found.append(self._across(rows[inside], rows[~inside]))
            rows = rows[~inside]
        return Pairs.joined([*found, self._similar(rows, np.zeros_like(self._kept))])

    def _by_blocks(self) -> Pairs:
        """Decide block after block, each as large as what is kept.

        A document that fell comes again with its copies, for which something nearer may have been kept meanwhile.
        """
        found = []
        while len(self._rows):
            waiting = ~self._kept[self._docs]
            self._rows, self._docs = self._rows[waiting], self._docs[waiting]
            size = max(BLOCK, int(self._kept.sum()))
            found += self._settle(np.flatnonzero(self._kept), np.unique(self._docs[:size]))
            self._rows, self._docs = self._rows[size:], self._docs[size:]
        return Pairs.joined(found).once()

    def _settle(self, kept: Ints, docs: Ints) -> list[Pairs]:
        """Decide on documents that come after some kept ones."""
        # 1) Many fall to what is kept.
        pairs = self._across(kept, docs)
        for side in (pairs.early, pairs.late):
            self._fell[side[~self._kept[side]]] = True
        fell = self._fell[docs]
        # 2) The others have to be compared with one another.
        found = [pairs, *self._settle_among(docs[~fell])]
        # 3) What is kept of them may be nearer to those that fell.
        return [*found, self._across(docs[self._kept[docs]], docs[fell])]

    def _settle_among(self, docs: Ints) -> list[Pairs]:
        """Decide on documents that no kept one is similar to."""
        try:
            pairs = self._similar(docs, np.zeros_like(self._kept), crowd=CROWD if len(docs) > SURE else inf)
        except Crowded:
            return self._settle_halves(docs[: len(docs) // 2], docs[len(docs) // 2 :])
        candidates = np.zeros_like(self._kept)
        candidates[docs] = True
        kept = keep(pairs, candidates)
        self._kept |= kept
        self._fell |= candidates & ~kept
        return [pairs.where(kept[pairs.early] | kept[pairs.late])]

    def _settle_halves(self, docs: Ints, later: Ints) -> list[Pairs]:
        """Decide on documents, then on later ones, that no kept one is similar to."""
        found = self._settle_among(docs)
        found += self._settle(docs[self._kept[docs]], later)
        # Copies of what fell may follow, and something nearer may have been kept before them.
        return [*found, self._across(later[self._kept[later]], docs[self._fell[docs] & self._copied[docs]])]

    def _across(self, kept: Ints, docs: Ints) -> Pairs:
        """The similar pairs of a kept document and another."""
        old = np.zeros_like(self._kept)
        old[kept] = True
        return self._similar(_union(kept, docs), old, across=True) if len(kept) and len(docs) else Pairs.joined([])

    def _similar(self, rows: Ints, old: Mask, *, across: bool = False, crowd: float = inf) -> Pairs:
        """The similar pairs of rows that are not both old; `across`, those of which one is."""
        members = Members(self._documents, rows, self._half)
        packed = likely_pairs(members, Wanted(old[members.rows], across, crowd * len(rows)), self._pool)
        parts = (packed[start : start + VERIFIED] for start in range(0, len(packed), VERIFIED))
        return Pairs.joined(self._pool.map(lambda part: self._verified(members, part), parts))

    def _verified(self, members: Members, packed: Ints) -> Pairs:
        """Of pairs of members those that are similar."""
        a, b = packed >> 32, packed & 0xFFFFFFFF
        rows, others = members.rows[a], members.rows[b]
        strings = self._documents.strings
        lcs: npt.NDArray[np.int32] = process.cpdist(
            [strings[row] for row in rows.tolist()],
            [strings[row] for row in others.tolist()],
            scorer=LCSseq.similarity,
            dtype=np.int32,
        )
        similar = members.q * lcs.astype(np.int64) >= members.scaled[a] + members.scaled[b]
        return Pairs(np.minimum(rows, others), np.maximum(rows, others), lcs).where(similar)


def _union(rows: Ints, others: Ints) -> Ints:
    return np.sort(np.concatenate([rows, others]))

"""Two ways to find similar texts that are no exact ROUGE-L join: MinHash, which may miss some, and embeddings.

`minhash` is for texts so long that the exact join is slow. Texts whose MinHash signatures agree in a band are
candidates (locality-sensitive hashing; Leskovec et al., Mining of Massive Datasets, chapter 3), and candidates are
compared exactly. So whatever falls is as similar as it is said to be, but some similar pairs are never compared: of
11,347 real instructions at 0.7 it missed 1.6 % of the similar pairs and kept 0.8 % of the duplicates, of texts of 300
words 0.5 % and 0.2 %. On the latter it took a sixth of the time of the exact join, on instructions many times more.

`semantic` sees paraphrases, which share few words: it compares what an encoder makes of the texts. Its cosines are
compared one by one and none is missed, but what a cosine of 0.9 means depends on the encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from selfinstruct.errors import SettingsError
from selfinstruct.join.decisions import NOBODY, Join, Mask, Pairs, Shape, decide
from selfinstruct.join.documents import Documents, Ints, read_documents
from selfinstruct.text import Tokenizer, words

Vectors: TypeAlias = "npt.NDArray[np.float32]"

PERMUTATIONS = 128
MISSED = 0.07  # of the pairs just at the threshold that share the fewest words, at most; of all it is much less
DOUBT = 3  # standard deviations by which the signatures may underestimate
PART = 1 << 16  # pairs that are compared at once
TILE = 1 << 11  # vectors that are multiplied at once


def minhash(
    texts: Sequence[str], threshold: float = 0.7, tokenizer: Tokenizer = words, *, against: Sequence[str] = ()
) -> Join:
    """Decide like `selfinstruct.join.join`, on the similar pairs that MinHash finds.

    Raises:
        SettingsError: datasketch is not installed.
    """
    rows = [*against, *texts]
    with ThreadPoolExecutor(2) as pool:
        documents = read_documents(rows, tokenizer, pool)
    shape = Shape.of(documents, len(against))
    distinct = np.flatnonzero(shape.distinct() & (documents.lengths > 0))
    signatures = _signatures([rows[row] for row in distinct.tolist()], tokenizer)
    limit = Fraction(str(threshold))
    found = _candidates(signatures, documents.lengths[distinct], distinct < len(against), limit)
    parts = (_compared(documents, distinct[early], distinct[late], limit) for early, late in _gathered(found))
    pairs = Pairs.joined(shape.reaching(part, limit) for part in parts)
    return decide(pairs, shape, threshold, complete=True, again=_never)


def bands(threshold: float) -> tuple[int, int]:
    """How many bands of how many permutations find pairs at a ROUGE-L of `threshold`.

    Texts of m and n different words at a ROUGE-L F of t share at least t * (m + n) / 2 of them, so that their Jaccard
    similarity is t / (2 - t) or more: MinHash at a Jaccard threshold of t itself would miss most of them. A pair at a
    similarity of j has no common band with a probability of (1 - j^rows)^bands. Of the choices that miss few enough
    at t / (2 - t), the one with the longest bands gives the fewest candidates.

    >>> bands(0.7)
    (32, 4)
    """
    jaccard = threshold / (2 - threshold)
    rows = max(r for r in range(1, 17) if r == 1 or (1 - jaccard**r) ** (PERMUTATIONS // r) <= MISSED)
    return PERMUTATIONS // rows, rows


def _signatures(texts: Sequence[str], tokenizer: Tokenizer) -> npt.NDArray[np.uint32]:
    """(N, PERMUTATIONS) for each text the least of each permutation of its words' hashes."""
    MinHash = needed("datasketch", "minhash").MinHash  # noqa: N806
    hashes = _Hashes()
    sets = ([hashes[word] for word in dict.fromkeys(tokenizer(text))] for text in texts)
    signatures = np.empty((len(texts), PERMUTATIONS), np.uint32)
    for row, made in zip(signatures, MinHash.generator(sets, num_perm=PERMUTATIONS, hashfunc=int), strict=True):
        row[:] = made.hashvalues
    return signatures


class _Hashes(dict[str, int]):
    """A hash of 32 bits for each word, computed once."""

    def __init__(self) -> None:
        self._hash = import_module("datasketch.hashfunc").sha1_hash32

    def __missing__(self, word: str) -> int:
        self[word] = number = self._hash(word.encode())
        return int(number)


def _candidates(
    signatures: npt.NDArray[np.uint32], lengths: npt.NDArray[np.int32], protected: Mask, limit: Fraction
) -> Iterator[Ints]:
    """(2, pairs) that agree in a band and may be similar, the earlier above the later; each pair comes once.

    A `MinHashLSH` gives the same pairs. It keeps a table for texts that come one by one; here all are there, so that a
    sort of each band puts equal ones side by side, in a tenth of the time.
    """
    number, rows = bands(float(limit))
    jaccard = float(limit / (2 - limit))
    agreeing = PERMUTATIONS * jaccard - DOUBT * (PERMUTATIONS * jaccard * (1 - jaccard)) ** 0.5
    factors = np.random.default_rng(1).integers(1 << 63, size=rows, dtype=np.uint64)
    for band in range(number):
        # Equal bands have equal keys; the few others that do are told apart below.
        keys = (signatures[:, band * rows : (band + 1) * rows] * factors).sum(axis=1, dtype=np.uint64)
        order = np.argsort(keys)
        for at, other in _equal(keys[order]):
            ends = np.sort([order[at], order[other]], axis=0)
            # 1) A text that is too short cannot reach the threshold with a longer one.
            shorter, longer = np.sort(lengths[ends], axis=0)
            ends = ends[:, (shorter >= longer * (jaccard * (1 - 1e-9))) & ~protected[ends].all(axis=0)]
            # 2) What agrees in an earlier band came there, and what agrees too little is not similar.
            same = signatures[ends[0]] == signatures[ends[1]]
            in_band = same[:, : number * rows].reshape(-1, number, rows).all(axis=2)
            first = in_band[:, band] & ~in_band[:, :band].any(axis=1)
            yield ends[:, first & (same.sum(axis=1) >= agreeing)]


def _equal(keys: npt.NDArray[np.uint64]) -> Iterator[tuple[Ints, Ints]]:
    """All places in a sorted row at which its values are equal, some pairs at a time."""
    at = np.arange(len(keys))
    for distance in range(1, len(keys)):
        at = at[: np.searchsorted(at, len(keys) - distance)]
        at = at[keys[at] == keys[at + distance]]
        if not len(at):
            return
        for part in np.split(at, range(PART, len(at), PART)):
            yield part, part + distance


def _gathered(found: Iterable[Ints]) -> Iterator[Ints]:
    """The same pairs in larger parts."""
    waiting: list[Ints] = []
    for pairs in found:
        waiting.append(pairs)
        if sum(each.shape[1] for each in waiting) >= PART:
            yield np.concatenate(waiting, axis=1)
            waiting = []
    if waiting:
        yield np.concatenate(waiting, axis=1)


def _compared(documents: Documents, early: Ints, late: Ints, limit: Fraction) -> Pairs:
    """The pairs with their exact LCS, without those that are clearly below the limit."""
    lcs = process.cpdist(
        [documents.strings[row] for row in early.tolist()],
        [documents.strings[row] for row in late.tolist()],
        scorer=LCSseq.similarity,
        dtype=np.int32,
    )
    near = 2 * lcs >= (float(limit) - 1e-6) * (documents.lengths[early] + documents.lengths[late])
    return Pairs(early, late, lcs).where(near)


def _never(threshold: float) -> Join:
    raise AssertionError("all pairs that were found are kept")


class Encoder(Protocol):
    """What turns N texts into N vectors, such as a model2vec `StaticModel` or a `SentenceTransformer`."""

    def encode(self, texts: list[str], /) -> Any:
        """An array of shape (N, dimensions)."""


@dataclass(frozen=True, eq=False)
class SemanticJoin:
    """What is kept of N texts, and what each of the others fell to; the same as `selfinstruct.join.Join`.

    A text falls to the most similar of the protected texts and the earlier kept ones.
    """

    threshold: float
    kept: Mask  # (N,)
    partner: Ints  # (N,) a position in the texts, or -1
    protected: Ints  # (N,) a position in `against`, or -1
    scores: npt.NDArray[np.float64]  # (N,) the cosine, 0 where kept
    _vectors: Vectors  # (different texts, dimensions)
    _which: Ints  # (against and N,) which of them each row has, -1 for blank ones

    def rethreshold(self, threshold: float) -> SemanticJoin:
        """Decide again at a higher threshold, from the vectors that there are.

        Raises:
            ValueError: the threshold is lower than that of this join.
        """
        if not self.threshold <= threshold <= 1:
            raise ValueError(f"joined at {self.threshold}: decide again from there up to 1, not at {threshold}")
        return _decided(self._vectors, self._which, len(self._which) - len(self.kept), threshold)


def semantic(texts: Sequence[str], threshold: float, encoder: Encoder, *, against: Sequence[str] = ()) -> SemanticJoin:
    """Drop in file order what is at or above a cosine similarity to a protected text or an earlier kept one.

    Equal texts have the similarity 1, and blank ones are like nothing. Each text is compared with all that is kept, in
    float32: up to N * N / 2 products of vectors. (SemHash asks an approximate index, which is faster at millions; but
    it misses neighbours, and of similar texts it does not keep the first.)

    Raises:
        SettingsError: the encoder does not give a finite vector for each text.
    """
    rows = [*against, *texts]
    seen: dict[str, int] = {}
    which = [seen.setdefault(text, len(seen)) if text.strip() else NOBODY for text in rows]
    return _decided(_encoded(encoder, list(seen)), np.array(which, np.int64), len(against), threshold)


def _encoded(encoder: Encoder, texts: list[str]) -> Vectors:
    """(N, dimensions) vectors of length 1, or 0 where the encoder gives 0."""
    if not texts:
        return np.empty((0, 1), np.float32)
    vectors = np.asarray(encoder.encode(texts), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise SettingsError(f"the encoder made an array of shape {vectors.shape} of {len(texts)} texts; one row a text")
    if not np.isfinite(vectors).all():
        raise SettingsError("the encoder made vectors that are not finite (NaN or infinite), which cannot be compared")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def _decided(vectors: Vectors, which: Ints, protected: int, threshold: float) -> SemanticJoin:
    """Go through the rows in order, tile by tile."""
    partner, scores = np.full(len(which), NOBODY), np.zeros(len(which))
    pool = _KeptVectors(vectors)
    for row in range(protected):
        pool.keep(which[row], row)
    own = protected + np.flatnonzero(which[protected:] != NOBODY)
    for tile in np.split(own, range(TILE, len(own), TILE)):
        # 1) All at once with what was kept before this tile; copies of kept texts need no comparison.
        new = tile[pool.keeper[which[tile]] == NOBODY]
        best, nearest = pool.nearest(vectors[which[new]])
        within = np.minimum(vectors[which[new]] @ vectors[which[new]].T, np.float32(1))
        # 2) One by one with what was kept in it.
        kept_here: list[int] = []
        for at, row in enumerate(new.tolist()):
            score, other = best[at], nearest[at]
            if kept_here:
                closest = kept_here[int(within[at, kept_here].argmax())]
                if within[at, closest] > score:
                    score, other = within[at, closest], new[closest]
            if pool.keeper[which[row]] != NOBODY:
                continue
            if score >= np.float32(threshold):
                scores[row], partner[row] = score, other
            else:
                pool.keep(which[row], row)
                kept_here.append(at)
        # 3) Copies fall to the kept text that is the same.
        keeper = pool.keeper[which[tile]]
        copies = tile[(keeper != NOBODY) & (keeper != tile)]
        scores[copies], partner[copies] = 1.0, pool.keeper[which[copies]]
    return SemanticJoin(
        threshold=threshold,
        kept=partner[protected:] == NOBODY,
        partner=np.maximum(partner[protected:] - protected, NOBODY),
        protected=np.where(partner[protected:] < protected, partner[protected:], NOBODY),
        scores=scores[protected:],
        _vectors=vectors,
        _which=which,
    )


class _KeptVectors:
    """The vectors that later texts are compared with; `keeper` says which row keeps each of all vectors, or -1."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self.keeper = np.full(len(vectors), NOBODY)
        self._held, self._rows = np.empty_like(vectors), np.empty(len(vectors), np.int64)
        self._number = 0

    def keep(self, which: int, row: int) -> None:
        """Add a vector, once, for the first row that has it; blank texts have none."""
        if which != NOBODY and self.keeper[which] == NOBODY:
            self.keeper[which] = row
            self._held[self._number], self._rows[self._number] = self._vectors[which], row
            self._number += 1

    def nearest(self, vectors: Vectors) -> tuple[npt.NDArray[np.float32], Ints]:
        """For each vector the highest cosine and the row that has it, the earliest on ties; -1 where there is none."""
        best, rows = np.full(len(vectors), -1, np.float32), np.full(len(vectors), NOBODY)
        for start in range(0, self._number, TILE):
            stop = min(start + TILE, self._number)
            cosines = np.minimum(vectors @ self._held[start:stop].T, np.float32(1))
            closest = cosines.argmax(axis=1)
            found = cosines[np.arange(len(vectors)), closest]
            better = found > best
            best[better], rows[better] = found[better], self._rows[start + closest[better]]
        return best, rows


def load_encoder(model: str) -> Encoder:
    """A static embedding model of the Hub or a folder, opened with model2vec.

    Raises:
        SettingsError: model2vec is not installed, or there is no such model.
    """
    package = needed("model2vec", "semantic")
    try:
        encoder: Encoder = package.StaticModel.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(
            f"{model}: model2vec cannot open it as a static embedding model ({error}); name a folder or a model of the "
            "Hub, such as minishlab/potion-base-8M"
        ) from error
    return encoder


def needed(package: str, extra: str) -> Any:
    """Import a package of an extra.

    Raises:
        SettingsError: it is not installed; the message has the line that installs it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise SettingsError(
            f"{package} is not installed, which this way of comparing needs: pip install 'selfinstruct[{extra}]'"
        ) from error

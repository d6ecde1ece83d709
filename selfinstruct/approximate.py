"""Two ways to find similar texts that are no exact ROUGE-L join: MinHash, which may miss some, and embeddings.

`minhash` is for texts so long that the exact join is slow. Texts whose MinHash signatures agree in a band are
candidates (locality-sensitive hashing; Leskovec et al., Mining of Massive Datasets, chapter 3), and candidates are
compared exactly. So whatever falls is as similar as it is said to be, but some similar pairs are never compared.

`semantic` sees paraphrases, which share few words: it compares what an encoder makes of the texts. Its cosines are
compared one by one and none is missed, but what a cosine of 0.9 means depends on the encoder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import LCSseq

from selfinstruct.errors import SettingsError
from selfinstruct.join.decisions import NOBODY, Join, Mask, Pairs, Shape, decide
from selfinstruct.join.documents import Documents, Ints, read_documents
from selfinstruct.text import Tokenizer, words

PERMUTATIONS = 128
MISSED = 0.07  # of the pairs at the threshold that have the fewest words in common; of all, one in a hundred
DOUBT = 4  # standard deviations by which the signatures may underestimate
PART = 1 << 18  # pairs that are compared at once
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
    found = list(_candidates(signatures, documents.lengths[distinct], distinct < len(against), limit))
    packed = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    parts = np.split(packed, range(PART, len(packed), PART))
    pairs = Pairs.joined(
        shape.reaching(_compared(documents, distinct[part >> 32], distinct[part & 0xFFFFFFFF]), limit) for part in parts
    )
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
    """Pairs that agree in a band and may be similar, as `a << 32 | b` with a < b; many come more than once.

    A `MinHashLSH` gives the same candidates. It keeps a table for texts that come one by one; here all are there, so a
    sort of each band puts equal ones side by side, in a tenth of the time.
    """
    number, rows = bands(float(limit))
    jaccard = float(limit / (2 - limit))
    agreeing = PERMUTATIONS * jaccard - DOUBT * (PERMUTATIONS * jaccard * (1 - jaccard)) ** 0.5
    factors = np.random.default_rng(1).integers(1 << 63, size=rows, dtype=np.uint64)
    for band in np.split(signatures[:, : number * rows], number, axis=1):
        # Equal bands have equal keys; the few others that do are told apart below.
        keys = (band * factors).sum(axis=1, dtype=np.uint64)
        order = np.argsort(keys)
        keys = keys[order]
        at = np.arange(len(keys))
        for distance in range(1, len(keys)):
            at = at[: np.searchsorted(at, len(keys) - distance)]
            at = at[keys[at] == keys[at + distance]]
            if not len(at):
                break
            for part in np.split(at, range(PART, len(at), PART)):
                ends = np.sort([order[part], order[part + distance]], axis=0)
                # A text that is too short cannot reach the threshold with a longer one.
                shorter, longer = np.sort(lengths[ends], axis=0)
                likely = (shorter >= longer * (jaccard * (1 - 1e-9))) & ~protected[ends].all(axis=0)
                a, b = ends[:, likely]
                likely = (signatures[a] == signatures[b]).sum(axis=1) >= agreeing
                yield a[likely] << 32 | b[likely]


def _compared(documents: Documents, early: Ints, late: Ints) -> Pairs:
    lcs = process.cpdist(
        [documents.strings[row] for row in early.tolist()],
        [documents.strings[row] for row in late.tolist()],
        scorer=LCSseq.similarity,
        dtype=np.int32,
    )
    return Pairs(early, late, lcs)


def _never(threshold: float) -> Join:
    raise AssertionError("all pairs that were found are kept")


class Encoder(Protocol):
    """What turns N texts into N vectors, such as a model2vec `StaticModel` or a `SentenceTransformer`."""

    def encode(self, texts: list[str], /) -> Any:
        """An array of shape (N, dimensions)."""


class Cosines(NamedTuple):
    """Texts at or above a cosine similarity: the earlier, the later, and the cosine."""

    early: Ints
    late: Ints
    cosine: npt.NDArray[np.float32]


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
    _pairs: Cosines
    _firsts: Ints
    _number_protected: int

    def rethreshold(self, threshold: float) -> SemanticJoin:
        """Decide again at a higher threshold, from the pairs found.

        Raises:
            ValueError: the threshold is lower than that of this join, which never looked for such pairs.
        """
        if not self.threshold <= threshold <= 1:
            raise ValueError(f"joined at {self.threshold}: decide again from there up to 1, not at {threshold}")
        return _decided(self._pairs, self._firsts, self._number_protected, threshold)


def semantic(texts: Sequence[str], threshold: float, encoder: Encoder, *, against: Sequence[str] = ()) -> SemanticJoin:
    """Drop in file order what is at or above a cosine similarity to a protected text or an earlier kept one.

    Equal texts have the similarity 1, and blank ones are like nothing. Every pair is compared, in float32: N texts are
    N * N / 2 products of vectors, some ten seconds at 50,000 texts and 256 dimensions on two cores. (SemHash asks an
    approximate index, which is faster at millions; but it misses neighbours, and keeps another one of similar texts
    than the first.)

    Raises:
        SettingsError: the encoder does not give a finite vector for each text.
    """
    rows = [*against, *texts]
    seen: dict[str, int] = {}
    firsts = np.array([seen.setdefault(text, row) if text.strip() else row for row, text in enumerate(rows)], np.int64)
    distinct = np.fromiter(seen.values(), np.int64, len(seen))
    vectors = _encoded(encoder, list(seen))
    found = list(_near(vectors, int((distinct < len(against)).sum()), threshold))
    early, late, cosine = (np.concatenate(column) for column in zip(*found, strict=True)) if found else _nothing()
    return _decided(Cosines(distinct[early], distinct[late], cosine), firsts, len(against), threshold)


def _encoded(encoder: Encoder, texts: list[str]) -> npt.NDArray[np.float32]:
    """(N, dimensions) vectors of length 1, or 0 where the encoder gives 0."""
    if not texts:
        return np.empty((0, 1), np.float32)
    vectors = np.asarray(encoder.encode(texts), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(texts):
        raise SettingsError(f"the encoder made an array of shape {vectors.shape} of {len(texts)} texts; one row a text")
    if not np.isfinite(vectors).all():
        raise SettingsError(
            "the encoder made vectors that are not finite (NaN or infinite); such texts cannot be compared"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return unit


def _near(vectors: npt.NDArray[np.float32], protected: int, threshold: float) -> Iterator[Cosines]:
    """All pairs at or above the threshold that are not both protected, tile by tile."""
    for low in range(protected, len(vectors), TILE):
        late = vectors[low : low + TILE]
        for left in range(0, low + len(late), TILE):
            cosines = np.minimum(late @ vectors[left : left + TILE].T, np.float32(1))
            row, column = np.nonzero(cosines >= np.float32(threshold))
            before = left + column < low + row
            row, column = row[before], column[before]
            yield Cosines(left + column, low + row, cosines[row, column])


def _nothing() -> tuple[Ints, Ints, npt.NDArray[np.float32]]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)


def _decided(pairs: Cosines, firsts: Ints, protected: int, threshold: float) -> SemanticJoin:
    """The decisions that follow from the pairs at or above the threshold."""
    row = np.arange(len(firsts))
    order = np.argsort(pairs.late, kind="stable")
    order = order[pairs.cosine[order] >= np.float32(threshold)]
    listed = list(zip(*(column[order].tolist() for column in pairs), strict=True))
    # 1) In file order, whatever is near to something kept falls. Copies of a text fare as it does.
    kept = bytearray(((firsts == row) | (row < protected)).tobytes())
    for early, late, _ in listed:
        if kept[early]:
            kept[late] = False
    # 2) What each one that fell had near it.
    near = defaultdict[int, list[tuple[float, int]]](list)
    for early, late, cosine in listed:
        if kept[early] != kept[late]:
            here, there = (late, early) if kept[early] else (early, late)
            near[here].append((cosine, there))
    # 3) The nearest of those that were there before; a copy of a kept text falls to that text.
    partner, scores = np.full(len(firsts), NOBODY), np.zeros(len(firsts))
    for fell in np.flatnonzero(np.frombuffer(kept, np.bool_) == 0).tolist():
        first = int(firsts[fell])
        if kept[first]:
            scores[fell], partner[fell] = 1.0, first
        else:
            scores[fell], partner[fell] = max(
                ((cosine, there) for cosine, there in near[first] if there < fell), key=lambda one: (one[0], -one[1])
            )
    own = slice(protected, None)
    return SemanticJoin(
        threshold=threshold,
        kept=np.frombuffer(kept, np.bool_)[own],
        partner=np.maximum(partner[own] - protected, NOBODY),
        protected=np.where(partner[own] < protected, partner[own], NOBODY),
        scores=scores[own],
        _pairs=pairs,
        _firsts=firsts,
        _number_protected=protected,
    )


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

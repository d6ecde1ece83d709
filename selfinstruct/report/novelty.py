"""How near texts are to others: the best ROUGE-L F of each, exactly, for all of them or for a sample that is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from selfinstruct.neighbours import as_strings
from selfinstruct.pool import sample
from selfinstruct.text import words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PAIRS = 100_000_000  # compared at most, which takes some seconds
BATCH = 1 << 22  # pairs that stand in memory at once
BINS = 20


class Nearest(NamedTuple):
    """The texts that were asked about, by position, and of each the most similar other: position and ROUGE-L F."""

    asked: list[int]
    partners: list[int]
    scores: list[float]


@dataclass(frozen=True)
class Similarity:
    """The ROUGE-L F of each text to the most similar of `among` others.

    `measured` of `texts` were looked at, a random sample where they are fewer. `identical` have the same words as
    another. `histogram` counts scores by steps of 0.05, the last bin with 1.
    """

    measured: int
    texts: int
    among: int
    mean: float
    median: float
    identical: int
    histogram: tuple[int, ...]


def nearest(texts: Sequence[str], others: Sequence[str], *, pairs: int = PAIRS, seed: int = 0) -> Nearest:
    """For each text the most similar of others, the first of equals; for a sample where there are too many pairs.

    Texts without words are like nothing: their score is 0.
    """
    strings = as_strings([*texts, *others], words)
    asked = _sampled(len(texts), pairs // max(1, len(others)), seed)
    return _nearest(asked, strings[: len(texts)], strings[len(texts) :], themselves=False)


def nearest_other(texts: Sequence[str], *, pairs: int = PAIRS, seed: int = 0) -> Nearest:
    """The same within one set: for each text the most similar of the other ones."""
    strings = as_strings(texts, words)
    asked = _sampled(len(texts), pairs // max(1, len(texts)), seed) if len(texts) > 1 else []
    return _nearest(asked, strings, strings, themselves=True)


def summarise(found: Nearest, texts: int, among: int) -> Similarity | None:
    """The distribution of best scores; None where nothing could be compared."""
    import numpy as np

    if not found.asked or not among:
        return None
    scores = np.array(found.scores)
    bins = np.bincount(np.minimum((scores * BINS + 1e-9).astype(np.int64), BINS - 1), minlength=BINS)
    identical = int((scores == 1.0).sum())
    return Similarity(
        len(scores), texts, among, float(scores.mean()), float(np.median(scores)), identical, tuple(bins.tolist())
    )


def _sampled(number: int, most: int, seed: int) -> list[int]:
    """All positions, or a random sample of them in their order."""
    most = max(most, 100)
    return list(range(number)) if number <= most else sorted(sample(range(number), most, Random(seed)))


def _nearest(asked: list[int], texts: Sequence[str], others: Sequence[str], *, themselves: bool) -> Nearest:
    import numpy as np
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    found = Nearest(asked, [], [])
    lengths = np.array([len(one) for one in others], np.int32)
    size = max(1, BATCH // max(1, len(others)))
    for start in range(0, len(asked) if len(others) else 0, size):
        batch = asked[start : start + size]
        here = [texts[place] for place in batch]
        common = cdist(here, others, scorer=LCSseq.similarity, dtype=np.int32, workers=-1)
        totals = np.array([len(one) for one in here], np.int32)[:, None] + lengths
        scores: npt.NDArray[np.float64] = 2.0 * common / np.maximum(totals, 1)
        if themselves:
            scores[np.arange(len(batch)), batch] = -1.0
        best = scores.argmax(axis=1)
        found.partners.extend(best.tolist())
        found.scores.extend(scores[np.arange(len(batch)), best].tolist())
    return found

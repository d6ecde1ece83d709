"""What the original programs record with each task: its most similar predecessors and the mean over all of them.

No index helps here, because the mean takes every pair: 52,000 tasks are 1.4 billion longest common subsequences, some
minutes on two cores with rapidfuzz's vectorised bit-parallel LCS. So this is made on request only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfinstruct.text import Tokenizer, words

BATCH = 64


@dataclass(frozen=True)
class Neighbourhood:
    """The most similar earlier texts as (position, ROUGE-L F), best first, and the mean F over all earlier ones."""

    most_similar: tuple[tuple[int, float], ...]
    mean: float


def neighbourhoods(
    texts: Sequence[str], positions: Sequence[int], count: int = 10, tokenizer: Tokenizer = words
) -> Iterator[Neighbourhood]:
    """For each of the ascending `positions`, compare the text there with all texts before it.

    Scores are exact: `2 * LCS / (m + n)` on words. Ties go to the earlier text. The first text has no neighbours and
    the mean 0.
    """
    import numpy as np
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    encoded = as_strings(texts, tokenizer)
    lengths = np.array([len(one) for one in encoded])
    for start in range(0, len(positions), BATCH):
        batch = positions[start : start + BATCH]
        earlier = max(batch)
        common = cdist(
            [encoded[i] for i in batch], encoded[:earlier], scorer=LCSseq.similarity, dtype=np.int32, workers=-1
        )
        totals = lengths[list(batch), None] + lengths[None, :earlier]
        scores = 2.0 * common / np.maximum(totals, 1)
        for row, position in zip(scores, batch, strict=True):
            before = row[:position]
            best = np.argsort(-before, kind="stable")[:count]
            yield Neighbourhood(
                tuple((int(i), float(before[i])) for i in best), float(before.mean()) if position else 0.0
            )


def as_strings(texts: Sequence[str], tokenizer: Tokenizer) -> list[str]:
    """Each text as a string with one character a word, which is what the C++ code compares fastest."""
    numbers: dict[str, int] = {}
    strings = []
    for text in texts:
        ids = [numbers.setdefault(word, len(numbers)) for word in tokenizer(text)]
        # Surrogates, which no string should hold, are skipped.
        strings.append("".join(chr(i if i < 0xD800 else i + 0x800) for i in ids))
    return strings

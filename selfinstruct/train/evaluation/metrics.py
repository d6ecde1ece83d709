"""How near an answer comes to the best of its references: one score from 0 to 1 for each answer, and the means."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import regex
from rapidfuzz.distance import LCSseq

from selfinstruct.text import collapse, words

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = npt.NDArray[np.float64]

RESAMPLES = 1000
SHORTEST_STEMMED = 4  # rouge_score stems words of more than three characters


def exact_match(prediction: str, references: Sequence[str]) -> float:
    """1 where the answer equals a reference but for case, punctuation and spacing, else 0.

    As SQuAD and Super-NaturalInstructions compare, in any script. Two things differ, because there a wrong number and
    any two answers of signs alone count as right: the sign and the point of a number count, and of an answer that is
    all punctuation everything does.

    >>> exact_match("  Yes, it is. ", ["yes it is"]), exact_match("-5", ["5"]), exact_match("<", [">"])
    (1.0, 0.0, 0.0)
    """
    answer = _plain(prediction)
    return float(any(answer == _plain(reference) for reference in references))


# A minus in front of a number and a decimal point are part of it; a comma before three digits parts thousands.
_OF_A_NUMBER = r"(?<!\w)-(?=\.?\d)|(?<![\p{L}.])\.(?=\d)|(?<=\d),(?=\d)(?!\d{3}(?!\d))"
_PUNCTUATION = regex.compile(rf"(?:{_OF_A_NUMBER})(*SKIP)(*FAIL)|[\p{{P}}$+<=>^`|~]")


def _plain(text: str) -> str:
    text = collapse(unicodedata.normalize("NFKC", text).lower())
    return collapse(_PUNCTUATION.sub("", text)) or text


def rouge_l(prediction: str, references: Sequence[str], *, stem: bool = True) -> float:
    """ROUGE-L F with the best reference, on stemmed words (Lin 2004; so does Super-NaturalInstructions).

    On ASCII texts it equals `rouge_score` with its stemmer. That package drops every other letter; here the words are
    those of `selfinstruct.text.words`, in any script, and only ASCII words are stemmed.
    """
    answer = _stemmed(prediction) if stem else words(prediction)
    return max(_rouge_f(answer, _stemmed(one) if stem else words(one)) for one in references)


def _rouge_f(answer: Sequence[str], reference: Sequence[str]) -> float:
    if not answer or not reference:
        return 0.0
    return 2 * LCSseq.similarity(answer, reference) / (len(answer) + len(reference))


def _stemmed(text: str) -> list[str]:
    stem = _stem()
    return [stem(word) if word.isascii() and len(word) >= SHORTEST_STEMMED else word for word in words(text)]


@cache
def _stem() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer

    stemmer = PorterStemmer()
    return lru_cache(1 << 16)(stemmer.stem)


def chrf(prediction: str, references: Sequence[str]) -> float:
    """ChrF++ with the best reference (Popović 2017): sacrebleu's, characters up to 6 and words up to 2 in a row."""
    return float(_chrf_metric().sentence_score(prediction, list(references)).score) / 100


def corpus_chrf(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The chrF++ of all answers as one text, which is what papers print; it is not the mean of the answers' own."""
    most = max(map(len, references))
    # sacrebleu takes the first references of all answers, then the second ones; an empty text is none to it.
    streams = [[several[min(place, len(several) - 1)] for several in references] for place in range(most)]
    return float(_chrf_metric().corpus_score(list(predictions), streams).score) / 100


@cache
def _chrf_metric() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF(word_order=2)


def intervals(scores: Floats, seed: int = 0, resamples: int = RESAMPLES) -> tuple[Floats, Floats]:
    """The 95 % bootstrap interval of the mean of each row of scores (R, N): two arrays (R,).

    Every row is resampled with the same draws. So a row of differences between two models has the interval of the
    paired test (Koehn 2004), in which what makes a question hard for both cancels out.

    >>> low, high = intervals(np.array([[0.0, 1.0] * 50]))
    >>> bool(0.38 < low[0] < 0.45 and 0.55 < high[0] < 0.62)
    True
    """
    means = np.stack([scores[:, draw].mean(axis=1) for draw in _draws(scores.shape[1], seed, resamples)])
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return low, high


def _draws(number: int, seed: int, resamples: int) -> Iterator[npt.NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    return (random.integers(number, size=number) for _ in range(resamples))

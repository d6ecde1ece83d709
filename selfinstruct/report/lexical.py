"""How long texts are and how varied their words: lengths in words, and the moving-average type-token ratio."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selfinstruct.text import words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WINDOW = 50  # words; Covington and McFall (2010) compare texts of any length by the same window
BINS = 20
STEPS = (1, 2, 3, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


@dataclass(frozen=True)
class Lengths:
    """Words of texts, as `selfinstruct.text.words` counts them.

    `histogram` counts the texts by `step` words: the first bin holds those of 0 to `step` - 1 words, the last one
    also all longer texts.
    """

    texts: int
    mean: float
    median: float
    p90: float
    longest: int
    step: int
    histogram: tuple[int, ...]


@dataclass(frozen=True)
class Variety:
    """How varied the words of texts are.

    `mattr` is the share of different words in 50 words in a row, the mean over all such windows with the texts put one
    behind the other (0 to 1; higher is more varied, and sets of any size compare); None below 50 words.
    """

    words: int
    distinct: int
    mattr: float | None


def describe(texts: Iterable[str]) -> tuple[Lengths, Variety]:
    """Measure the lengths and the variety of the words of some texts."""
    import numpy as np

    numbers: dict[str, int] = {}
    sequence, sizes = array("i"), array("i")
    for text in texts:
        tokens = words(text)
        sizes.append(len(tokens))
        sequence.extend([numbers.setdefault(token, len(numbers)) for token in tokens])
    found = Variety(len(sequence), len(numbers), mattr(np.array(sequence, np.int64)))
    return _lengths(np.array(sizes, np.int64)), found


def mattr(words: npt.NDArray[np.int64], window: int = WINDOW) -> float | None:
    """The mean share of different words over all windows of a sequence of numbered words; None where it is shorter.

    A word is new in a window exactly where its occurrence before lies outside, so that each word is counted once for
    all the windows in which it is new.
    """
    import numpy as np

    windows = len(words) - window + 1
    if windows < 1:
        return None
    places = np.arange(len(words))
    order = np.argsort(words, kind="stable")
    again = np.flatnonzero(words[order][1:] == words[order][:-1])
    before = np.full(len(words), -1)
    before[order[again + 1]] = order[again]
    first = np.maximum(before + 1, np.maximum(places - window + 1, 0))
    last = np.minimum(places, windows - 1)
    return float(np.maximum(last - first + 1, 0).sum() / windows / window)


def _lengths(sizes: npt.NDArray[np.int64]) -> Lengths:
    import numpy as np

    if not len(sizes):
        return Lengths(0, 0.0, 0.0, 0.0, 0, 1, (0,) * BINS)
    usual = float(np.percentile(sizes, 98))
    step = next((each for each in STEPS if each * BINS > usual), STEPS[-1])
    bins = np.bincount(np.minimum(sizes // step, BINS - 1), minlength=BINS)
    middle, p90 = np.percentile(sizes, [50, 90])
    return Lengths(
        len(sizes), float(sizes.mean()), float(middle), float(p90), int(sizes.max()), step, tuple(bins.tolist())
    )

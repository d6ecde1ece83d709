"""Which of many texts may have a passage in common, told by hashed windows of words, so that few need a closer look."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from selfinstruct.join.documents import Documents, Ints, Mask

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def sharing(documents: Documents, rows: Ints, number: int) -> Mask:
    """For each row up to the last one whether it may share `number` words in a row with another row.

    `rows` (N,) says in ascending order which row each text is of. All rows that share so many are found; now and then
    one more is, because words that occur once are left out of documents, and because hashes meet.
    """
    found = np.zeros(int(rows.max(initial=-1)) + 1, np.bool_)
    texts = np.repeat(np.arange(len(documents)), documents.sizes)
    windows = max(0, len(texts) - number + 1)
    inside = texts[:windows] == texts[len(texts) - windows :]
    hashes = _hashed(documents, number, windows)[inside]
    of = rows[texts[:windows][inside]]
    # Rows of equal windows stand side by side and in order, so that each of several has another one next to it.
    order = np.argsort(hashes, kind="stable")
    hashes, of = hashes[order], of[order]
    beside = (hashes[1:] == hashes[:-1]) & (of[1:] != of[:-1])
    found[of[1:][beside]] = found[of[:-1][beside]] = True
    return found


def _hashed(documents: Documents, number: int, windows: int) -> npt.NDArray[np.uint64]:
    hashes = np.zeros(windows, np.uint64)
    for at in range(number if windows else 0):
        hashes *= _FACTOR
        hashes += documents.tokens[at : at + windows].astype(np.uint64)
    return hashes

"""Compare documents that share a key, all pairs of a group at once, with a few comparisons of whole arrays.

A pair of m and n words is similar when LCS >= h * (m + n), h being half the threshold. With h = p / q in whole
numbers, and with upper bounds in the place of the LCS, that gives for the documents a and b, sharing a word:

- `rest` words from the shared word on in rare-to-common order:  q * rest(a) - p * m >= p * n, and the same for b;
- `at`, its place in the text:  p * m - q * at(a) <= q * (size(b) - at(b)) - p * n, and with a and b exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from selfinstruct.join.documents import Ints, Mask, offsets

Array = npt.NDArray[Any]

JOB = 1 << 18  # entries that one step of one worker compares
SLIDE = 40  # entries up to which groups of one size are compared together
BLOCK = 128  # entries of a larger group that are compared with the rest of it at once
BATCH = 1 << 17  # pairs that are given at once


class Sides(NamedTuple):
    """Of each entry, multiplied by q."""

    asked: Array  # p * length
    rest: Array  # what the words from the shared one on leave for the partner
    after: Array  # what the words from its place on leave
    before: Array  # what the words before its place do not give


def pairs_within(sides: Sides, counts: Ints, old: Mask | None = None) -> Iterator[tuple[Ints, Ints]]:
    """Pairs of entries that pass the bounds, of groups of `counts` entries that stand in a row, shortest first.

    With `old`, large groups give only pairs of an old entry and a new one.
    """
    return _batches(_pairs(sides, counts, old))


def _pairs(sides: Sides, counts: Ints, old: Mask | None) -> Iterator[tuple[Ints, Ints]]:
    starts = offsets(counts)[:-1]
    small, large = (counts > 1) & (counts <= SLIDE), counts > SLIDE
    for size in np.unique(counts[small]).tolist():
        of_size = starts[counts == size]
        step = max(1, JOB // 8 // size)
        for part in range(0, len(of_size), step):
            yield from _slide(sides, of_size[part : part + step], size)
    for start, count in zip(starts[large].tolist(), counts[large].tolist(), strict=True):
        if old is None:
            yield from _broadcast(sides, start, count)
        else:
            yield from _broadcast_across(sides, start, old[start : start + count])


def _slide(sides: Sides, starts: Ints, size: int) -> Iterator[tuple[Ints, Ints]]:
    """Compare the members of equal groups: laid side by side, all pairs at distance d are two slices."""
    places = (np.arange(size)[:, None] + starts).ravel()
    laid = Sides(*(column[places] for column in sides))
    for distance in range(1, size):
        shift = distance * len(starts)
        near = Sides(*(column[:-shift] for column in laid))
        far = Sides(*(column[shift:] for column in laid))
        hits = np.flatnonzero(_within(near, far))
        if len(hits):
            yield places[hits], places[hits + shift]


def _broadcast(sides: Sides, start: int, count: int) -> Iterator[tuple[Ints, Ints]]:
    """Compare a large group block by block, each with what follows it up to the longest that can be a partner."""
    group = Sides(*(column[start : start + count] for column in sides))
    for first in range(0, count, BLOCK):
        last = min(first + BLOCK, count)
        # Whatever their words, b asks for too much of the longest a from here on: rest(a) <= its size.
        near = Sides(*(column[first:last, None] for column in group))
        stop = int(np.searchsorted(group.asked, near.rest.max(), side="right"))
        far = Sides(*(column[first:stop] for column in group))
        if stop <= first:
            continue
        passed = _within(near, far)
        passed &= np.arange(last - first)[:, None] < np.arange(stop - first)
        a, b = np.divmod(np.flatnonzero(passed), stop - first)
        yield a + (start + first), b + (start + first)


def _broadcast_across(sides: Sides, start: int, old: Mask) -> Iterator[tuple[Ints, Ints]]:
    """Compare the old and the new of a large group."""
    fewer, more = sorted((np.flatnonzero(old) + start, np.flatnonzero(~old) + start), key=len)
    far = Sides(*(column[more] for column in sides))
    step = max(BLOCK, JOB // len(more))
    for first in range(0, len(fewer), step):
        part = fewer[first : first + step]
        a, b = np.divmod(np.flatnonzero(_within(Sides(*(column[part, None] for column in sides)), far)), len(more))
        yield part[a], more[b]


def _within(a: Sides, b: Sides) -> Mask:
    passed: Mask = a.rest >= b.asked
    passed &= b.rest >= a.asked
    passed &= a.after >= b.before
    passed &= b.after >= a.before
    return passed


def _batches(pairs: Iterator[tuple[Ints, Ints]]) -> Iterator[tuple[Ints, Ints]]:
    """Put small arrays together up to some size."""
    held: list[tuple[Ints, Ints]] = []
    size = 0
    for pair in pairs:
        held.append(pair)
        size += len(pair[0])
        if size >= BATCH:
            yield _together(held)
            held, size = [], 0
    if held:
        yield _together(held)


def _together(held: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    return np.concatenate([a for a, _ in held]), np.concatenate([b for _, b in held])

"""A set parted in two, such as training and test rows, with no near-duplicate of one in the other.

Rows are tied whose instructions have a ROUGE-L at or above a threshold, or are the same; what is tied, over any number
of steps, stays on one side.

>>> near_groups(["Sort a list of numbers.", "Name a river.", "Sort the list of numbers!"])
[0, 1, 0]
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from selfinstruct.errors import SettingsError
from selfinstruct.records import Records, Source, check_outputs, open_records, writing
from selfinstruct.text import TOKENIZERS

MUCH = 0.1  # the share of all rows from which a single group is told of


def near_groups(
    texts: Sequence[str], max_rouge: float = 0.7, *, tokenizer: str = "words", workers: int = 2
) -> list[int]:
    """A group number for each text: two texts share it where a chain of similar texts leads from one to the other.

    Texts are similar at a ROUGE-L of `max_rouge` or above, exactly, and where they are the same. Groups are numbered
    in the order of their first texts.

    Raises:
        SettingsError: the threshold or the tokenizer cannot be used.
    """
    if not 0 < max_rouge <= 1:
        raise SettingsError(f"max_rouge lies above 0 and up to 1, not {max_rouge}")
    if tokenizer not in TOKENIZERS:
        raise SettingsError(f"tokenizer is one of {', '.join(TOKENIZERS)}, not {tokenizer!r}")

    import numpy as np

    from selfinstruct.join.decisions import Shape, components
    from selfinstruct.join.documents import read_documents
    from selfinstruct.join.finder import Finder

    with ThreadPoolExecutor(workers) as pool:
        documents = read_documents(texts, TOKENIZERS[tokenizer], pool)
        pairs = Finder(documents, Shape.of(documents, 0), Fraction(str(max_rouge)) / 2, pool).ties()
    # Texts without words are like nothing but themselves.
    first: dict[str, int] = {}
    same = np.fromiter((first.setdefault(text, at) for at, text in enumerate(texts)), np.int64, len(texts))
    own = np.arange(len(texts))
    labels = components(
        np.concatenate([pairs.early, own, own]), np.concatenate([pairs.late, same, documents.firsts]), len(texts)
    )
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels.tolist()]


@dataclass(frozen=True)
class Split:
    """How a set was parted: rows of each side, how many groups they are in, and the rows of the largest one."""

    train: int
    test: int
    wanted: int
    groups: int
    largest: int
    max_rouge: float

    @property
    def warnings(self) -> list[str]:
        """What the user should know before the test set is trusted."""
        rows, said = self.train + self.test, []
        if self.largest > max(1, MUCH * rows):
            said.append(
                f"one group of similar instructions holds {self.largest:,} of the {rows:,} rows "
                f"({self.largest / rows:.0%}) and stays on one side, so the other is drawn from the rest alone; begin "
                "with `selfinstruct dedup`, which leaves nothing to tie, or tie less with a higher --max-rouge"
            )
        if self.test < self.wanted:
            said.append(
                f"the test set has {self.test:,} rows and not {self.wanted:,}: groups of similar rows are not parted"
            )
        return said

    def __str__(self) -> str:
        return (
            f"{self.train:,} rows to train, {self.test:,} to test, in {self.groups:,} groups; no instruction has a "
            f"ROUGE-L of {self.max_rouge:g} or above to one of the other side"
        )

    def to_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**vars(self), "warnings": self.warnings}


def split(
    source: Source,
    train: str | os.PathLike[str],
    test: str | os.PathLike[str],
    *,
    fraction: float = 0.1,
    size: int | None = None,
    field: str = "instruction",
    max_rouge: float = 0.7,
    tokenizer: str = "words",
    seed: int = 42,
) -> Split:
    """Write a share of the rows of a set (`fraction`, or `size` rows) to one file, and all others to another.

    Rows are written as they are, in their order. Groups of similar instructions go to the test set in an order drawn by
    `seed`, each whole and as long as it has room, so that it has no row more than was asked for.

    Raises:
        SettingsError: the set cannot be read, a file cannot be written, or a side would have no row.
    """
    records, outputs = open_records(source), [Path(train), Path(test)]
    check_outputs(outputs, [records])
    groups = near_groups(list(records.texts(field)), max_rouge, tokenizer=tokenizer)
    wanted = _wanted(len(groups), fraction, size)
    chosen = choose(groups, wanted, seed)
    sizes = Counter(groups)
    testing = [group in chosen for group in groups]
    made = Split(
        train=len(testing) - sum(testing),
        test=sum(testing),
        wanted=wanted,
        groups=len(sizes),
        largest=max(sizes.values()),
        max_rouge=max_rouge,
    )
    if not made.test or not made.train:
        raise SettingsError(
            f"{records.name}: a side would have no row, because {made.largest:,} of {len(groups):,} rows are tied "
            "together by similar instructions; a higher max_rouge (--max-rouge) ties less"
        )
    _write(records, testing, outputs)
    return made


def choose(groups: Sequence[int], wanted: int, seed: int) -> set[int]:
    """Groups with `wanted` rows together, or as many as there is room for, drawn by the seed."""
    random, sizes = Random(str(seed)), Counter(groups)
    drawn = sorted(sizes, key={group: random.random() for group in sorted(sizes)}.__getitem__)
    chosen, room = set(), wanted
    for group in drawn:
        if sizes[group] <= room:
            chosen.add(group)
            room -= sizes[group]
    return chosen


def _wanted(number: int, fraction: float, size: int | None) -> int:
    if size is None:
        if not 0 < fraction < 1:
            raise SettingsError(f"fraction lies between 0 and 1, not {fraction}")
        size = max(1, round(fraction * number))
    if not 0 < size < number:
        raise SettingsError(
            f"a test set of {size:,} of {number:,} rows leaves nothing on one side; choose another size"
        )
    return size


def _write(records: Records, testing: Sequence[bool], outputs: Sequence[Path]) -> None:
    start = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(writing(output, records.schema)) for output in outputs]
        for block in records.blocks():
            part = testing[start : start + len(block)]
            for write, side in zip(writers, (False, True), strict=True):
                write(block.take([place for place, chosen in enumerate(part) if chosen is side]))
            start += len(block)

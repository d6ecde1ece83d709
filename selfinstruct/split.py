"""A set parted in two, such as training and test rows, with no near-duplicate of one in the other.

Rows are tied whose instructions have a ROUGE-L at or above a threshold, or are the same, and rows that share 13 words
in a row, as `selfinstruct evaluate` looks for them; what is tied, over any number of steps, stays on one side.

>>> near_groups(["Sort a list of numbers.", "Name a river.", "Sort the list of numbers!"])
[0, 1, 0]
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from selfinstruct.contamination import NGRAM, grams, passages
from selfinstruct.errors import SettingsError
from selfinstruct.export.detect import detect, every
from selfinstruct.export.formats import Format, Record, Unreadable
from selfinstruct.records import Records, Source, check_outputs, open_records, writing
from selfinstruct.text import TOKENIZERS, words

MUCH = 0.1  # the share of all rows from which a single group is told of
LESS = "a higher max_rouge (--max-rouge) or ngram (--ngram, 0: off)"


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
    return _numbered(labels.tolist())


@dataclass(frozen=True)
class Split:
    """How a set was parted: rows of each side, how many groups they are in, and the rows of the largest one.

    `ngram` is 0 where words in a row tied nothing: by the settings, or because the set is of no known format.
    """

    train: int
    test: int
    wanted: int
    groups: int
    largest: int
    max_rouge: float
    ngram: int

    @property
    def warnings(self) -> list[str]:
        """What the user should know before the test set is trusted."""
        rows, said = self.train + self.test, []
        if self.largest > max(1, MUCH * rows):
            said.append(
                f"one group of similar rows holds {self.largest:,} of the {rows:,} rows "
                f"({self.largest / rows:.0%}) and stays on one side, so the other is drawn from the rest alone; begin "
                f"with `selfinstruct dedup`, or tie less with {LESS}"
            )
        if self.test < self.wanted:
            said.append(
                f"the test set has {self.test:,} rows and not {self.wanted:,}: groups of similar rows are not parted"
            )
        return said

    def __str__(self) -> str:
        shared = f", and no row shares {self.ngram} words in a row with one" if self.ngram else ""
        return (
            f"{self.train:,} rows to train, {self.test:,} to test, in {self.groups:,} groups; no instruction has a "
            f"ROUGE-L of {self.max_rouge:g} or above to one of the other side{shared}"
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
    ngram: int = NGRAM,
    seed: int = 42,
) -> Split:
    """Write a share of the rows of a set (`fraction`, or `size` rows) to one file, and all others to another.

    Rows are written as they are, in their order. Groups of rows with similar instructions (`max_rouge`) or with `ngram`
    words in a row in common (0: off) go to the test set in an order drawn by `seed`, each whole and as long as it has
    room, so that it has no row more than was asked for. The words in a row are those of the instruction, input, output
    and turns; of a set in no known format, the texts of `field` alone are compared.

    Raises:
        SettingsError: the set cannot be read, a file cannot be written, or a side would have no row.
    """
    if ngram < 0:
        raise SettingsError(f"ngram is a number of words in a row, or 0 for none, not {ngram}")
    records, outputs = open_records(source), [Path(train), Path(test)]
    check_outputs(outputs, [records])
    groups = near_groups(list(records.texts(field)), max_rouge, tokenizer=tokenizer)
    known = _format(records) if ngram else None
    if known is not None:
        groups = _joined(groups, shared_grams([_passages(known, record) for record in every(records)], ngram))
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
        ngram=ngram if known is not None else 0,
    )
    if not made.test or not made.train:
        raise SettingsError(
            f"{records.name}: a side would have no row, because {made.largest:,} of {len(groups):,} rows are tied "
            f"together; {LESS} ties less"
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


def shared_grams(rows: Sequence[Sequence[str]], ngram: int = NGRAM, *, workers: int = 2) -> list[tuple[int, int]]:
    """Pairs of rows with as many words in a row in common: a row, and the first that has them.

    >>> shared_grams([["Name a river."], ["Sort it.", "Now name a river"], ["Name it."]], 3)
    [(1, 0)]
    """
    import numpy as np

    from selfinstruct.join.documents import read_documents
    from selfinstruct.join.windows import sharing

    texts = [text for row in rows for text in row]
    of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    with ThreadPoolExecutor(workers) as pool:
        # Words in a row are those of `evaluate`, whatever the tokenizer of the ROUGE-L.
        candidates = np.flatnonzero(sharing(read_documents(texts, words, pool), of, ngram)).tolist()
    first: dict[tuple[str, ...], int] = {}
    return [
        (row, early)
        for row in candidates
        for early in sorted({first.setdefault(gram, row) for text in rows[row] for gram in grams(text, ngram)})
        if early != row
    ]


def _joined(groups: Sequence[int], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The groups after all pairs of rows have been tied as well, numbered in the order of their first rows."""
    import numpy as np

    from selfinstruct.join.decisions import components

    ends, others = np.array([(groups[row], groups[early]) for row, early in pairs], np.int64).reshape(-1, 2).T
    labels = components(ends, others, len(set(groups)))
    return _numbered(labels[np.array(groups, np.int64)].tolist())


def _numbered(labels: Iterable[int]) -> list[int]:
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def _format(records: Records) -> Format | None:
    """The format that `evaluate` reads the set in, if it knows one."""
    try:
        return detect(records).format
    except SettingsError:
        return None


def _passages(format: Format, record: Record) -> list[str]:
    try:
        read = format.read(record)
    except Unreadable:
        return []
    return [text for row in read if not isinstance(row, Unreadable) for text in passages(row)]


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

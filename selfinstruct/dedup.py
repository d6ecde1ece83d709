"""Near-duplicates of any data set: dropped greedily in file order, as the pool does, with the partner of each one.

>>> result = dedup(["Sort a list of numbers.", "Name a river.", "Sort the list of numbers!"])
>>> result
Deduplicated(2 of 3 kept, 1 dropped; exact, ROUGE-L below 0.7)
>>> result.dropped[0].reason
"0.80 with 'Sort a list of numbers.' (row 1)"
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

from selfinstruct.errors import SettingsError
from selfinstruct.records import Dataset, InMemory, is_dataset, open_records
from selfinstruct.run import Run
from selfinstruct.text import TOKENIZERS

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import numpy.typing as npt

    from selfinstruct.approximate import Encoder

By = Literal["exact", "minhash", "semantic"]
Source: TypeAlias = "str | os.PathLike[str] | Run | Iterable[str] | Iterable[Mapping[str, Any]] | datasets.Dataset"


class Decisions(Protocol):
    """What is kept of N texts, and what each of the others fell to, as `selfinstruct.join.Join` has it."""

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """(N,) whether it is kept."""

    @property
    def partner(self) -> npt.NDArray[np.int64]:
        """(N,) the position of the text that it fell to, or -1."""

    @property
    def protected(self) -> npt.NDArray[np.int64]:
        """(N,) the position among the protected texts of the one that it fell to, or -1."""

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """(N,) the similarity to it."""

    def rethreshold(self, threshold: float) -> Decisions:
        """The decisions at a higher threshold."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How texts are compared: by ROUGE-L below `max_rouge`, or by the cosine of an encoder's vectors below `threshold`.

    Raises:
        SettingsError: a value that cannot be used.
    """

    by: By = "exact"
    max_rouge: float = 0.7
    tokenizer: str = "words"
    threshold: float = 0.9
    encoder: Encoder | None = None

    def __post_init__(self) -> None:
        if self.by not in get_args(By):
            raise SettingsError(f"by is one of {', '.join(get_args(By))}, not {self.by!r}")
        if self.tokenizer not in TOKENIZERS:
            raise SettingsError(f"tokenizer is one of {', '.join(TOKENIZERS)}, not {self.tokenizer!r}")
        if not 0 < self.limit <= 1:
            name = "threshold" if self.by == "semantic" else "max_rouge"
            raise SettingsError(f"{name} lies above 0 and up to 1, not {self.limit}")
        if self.by == "semantic" and self.encoder is None:
            raise SettingsError(
                "comparing by meaning needs an encoder: encoder=StaticModel.from_pretrained(...) of model2vec, a "
                "SentenceTransformer, or on the command line --model minishlab/potion-base-8M"
            )

    @property
    def limit(self) -> float:
        """The similarity from which a text is dropped."""
        return self.threshold if self.by == "semantic" else self.max_rouge

    def at(self, limit: float) -> Measure:
        """The same at another limit."""
        return replace(self, threshold=limit) if self.by == "semantic" else replace(self, max_rouge=limit)

    def decide(self, texts: Sequence[str], against: Sequence[str]) -> Decisions:
        """Compare all texts with each other and with the protected ones."""
        if self.by == "exact":
            from selfinstruct.join import join

            return join(texts, self.max_rouge, TOKENIZERS[self.tokenizer], against=against)
        from selfinstruct import approximate

        if self.by == "minhash":
            return approximate.minhash(texts, self.max_rouge, TOKENIZERS[self.tokenizer], against=against)
        assert self.encoder is not None
        return approximate.semantic(texts, self.threshold, self.encoder, against=against)

    def __str__(self) -> str:
        return f"{self.by}, {'cosine' if self.by == 'semantic' else 'ROUGE-L'} below {self.limit:g}"


@dataclass(frozen=True)
class Duplicate:
    """A row that was dropped, and the text that it fell to.

    Positions count from 0. `source` names the protected set that the partner stands in; it is None where the partner
    is an earlier row of the same set.
    """

    row: Any
    position: int
    score: float
    partner: str
    partner_position: int
    source: str | None = None

    @property
    def reason(self) -> str:
        """Score and partner in one line, such as "0.83 with 'Sort a list of numbers.' (test.jsonl, row 12)"."""
        where = f"row {self.partner_position + 1}"
        return f"{self.score:.2f} with {self.partner!r} ({f'{self.source}, ' if self.source else ''}{where})"


class Protected:
    """The texts of several sets, one after the other."""

    def __init__(self, sets: Iterable[tuple[str, Iterable[str]]]) -> None:
        self.texts: list[str] = []
        self._names: list[str] = []
        self._starts: list[int] = []
        for name, texts in sets:
            self._names.append(name)
            self._starts.append(len(self.texts))
            self.texts.extend(texts)

    def locate(self, position: int) -> tuple[str, int]:
        """The set of a text and its position there."""
        at = bisect_right(self._starts, position) - 1
        return self._names[at], position - self._starts[at]


@dataclass(frozen=True, repr=False, eq=False)
class Deduplicated:
    """A set without its near-duplicates, and these with the text that each of them fell to.

    `rows` are those that were given, in the form in which they were given: texts, mappings, or a `datasets.Dataset`.
    """

    rows: Any
    texts: Sequence[str]
    against: Protected
    measure: Measure
    decisions: Decisions

    @cached_property
    def kept(self) -> Any:
        """The rows that are kept, in order: a list, or a `datasets.Dataset` of one."""
        places = self.decisions.kept.nonzero()[0].tolist()
        return [self.rows[place] for place in places] if isinstance(self.rows, list) else self.rows.select(places)

    @cached_property
    def dropped(self) -> list[Duplicate]:
        """The rows that are dropped, in order."""
        return [_duplicate(place, self) for place in (~self.decisions.kept).nonzero()[0].tolist()]

    @property
    def ratio(self) -> float:
        """The share of the rows that is dropped, 0 to 1."""
        return float((~self.decisions.kept).mean()) if len(self.texts) else 0.0

    def least_similar(self, number: int = 10) -> list[Duplicate]:
        """The dropped rows that are least similar to their partners: to judge whether the threshold is right."""
        return sorted(self.dropped, key=lambda one: one.score)[:number]

    def rethreshold(self, threshold: float) -> Deduplicated:
        """Decide again at a higher threshold, from the similar pairs that were found or the vectors that were encoded.

        It equals a new `dedup` at that threshold: a row that is kept now may be the one that a later row falls to.
        (An exact join of a set full of duplicates kept only the pairs that decided, and is made anew.)

        Raises:
            SettingsError: the threshold is lower than that of this result, which never looked for such pairs.
        """
        try:
            decisions = self.decisions.rethreshold(threshold)
        except ValueError as error:
            raise SettingsError(f"{error}; call dedup again for a lower one") from error
        return replace(self, measure=self.measure.at(threshold), decisions=decisions)

    def __repr__(self) -> str:
        kept, number = int(self.decisions.kept.sum()), len(self.texts)
        return f"Deduplicated({kept:,} of {number:,} kept, {number - kept:,} dropped; {self.measure})"


def _duplicate(place: int, result: Deduplicated) -> Duplicate:
    decisions = result.decisions
    name, text, position = partner_of(place, decisions, result.texts, result.against)
    return Duplicate(result.rows[place], place, float(decisions.scores[place]), text, position, name)


def partner_of(
    place: int, decisions: Decisions, texts: Sequence[str], against: Protected
) -> tuple[str | None, str, int]:
    """What a dropped text fell to: the protected set that it stands in, the text, and its position there."""
    other = int(decisions.protected[place])
    if other < 0:
        other = int(decisions.partner[place])
        return None, texts[other], other
    name, position = against.locate(other)
    return name, against.texts[other], position


def dedup(
    source: Source,
    *,
    field: str = "instruction",
    max_rouge: float = 0.7,
    tokenizer: str = "words",
    against: Source | Sequence[Source] = (),
    against_field: str | None = None,
    by: By = "exact",
    threshold: float = 0.9,
    encoder: Encoder | None = None,
) -> Deduplicated:
    """Drop the rows that are too similar to an earlier kept row, or to any row of the sets `against`.

    Sets are a list of texts, a list of rows with the column `field`, a `datasets.Dataset`, a `Run`, or what
    `open_records` opens: a file, a run directory, a data set of the Hub. Sets `against` are protected, such as test
    sets: they have the column `against_field` (by default `field`), and none of their own rows is judged.

    `by="exact"` finds every pair at a ROUGE-L of `max_rouge` or above, and decides as the filter of a run does; rows
    without words are like nothing and are kept. `by="minhash"` (extra `minhash`) compares the candidates of MinHash LSH
    exactly, but no others: it misses some 2 in 100 similar pairs, and is faster on texts of hundreds of words only.
    `by="semantic"` drops at a cosine similarity of `threshold` or above between the vectors of an `encoder`, any object
    with `encode(texts)`; it sees paraphrases.

    >>> dedup(["Name a river.", "Add two numbers."], against=[["Name a river!"]]).kept
    ['Add two numbers.']

    Raises:
        SettingsError: a set cannot be read, has no such column, or an option cannot be used.
    """
    measure = Measure(by=by, max_rouge=max_rouge, tokenizer=tokenizer, threshold=threshold, encoder=encoder)
    rows, texts = _rows_and_texts(source, field)
    protected = Protected(
        (name, _rows_and_texts(each, against_field or field, name)[1]) for name, each in _named(against)
    )
    return Deduplicated(rows, texts, protected, measure, measure.decide(texts, protected.texts))


def _rows_and_texts(source: Source, field: str, name: str = "the rows") -> tuple[Any, list[str]]:
    """The rows of a set and the texts of one column, or texts as both."""
    if isinstance(source, str | os.PathLike | Run):
        records = open_records(source)
        texts = list(records.texts(field))
        return [row for block in records.blocks() for row in block.rows()], texts
    if is_dataset(source):
        return source, list(Dataset(source, name).texts(field))
    rows: list[Any] = list(source)
    if all(isinstance(row, str) for row in rows):
        return rows, rows
    return rows, list(InMemory(rows, name).texts(field))


def _named(against: Any) -> list[tuple[str, Source]]:
    """Protected sets with names for messages; a single path, data set or list of rows is taken as one set."""
    if isinstance(against, Run):
        return [(str(against.path), against)]
    if isinstance(against, str | os.PathLike) or is_dataset(against):
        return [(os.fspath(against) if isinstance(against, str | os.PathLike) else "against", against)]
    sets = list(against)
    if sets and isinstance(sets[0], Mapping):
        return [("against", sets)]
    return [
        (os.fspath(each) if isinstance(each, str | os.PathLike) else f"against {number}", each)
        for number, each in enumerate(sets, 1)
    ]

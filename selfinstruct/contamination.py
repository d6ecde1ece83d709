"""Keeping test sets out of training data: candidates that repeat a protected task are turned down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from selfinstruct.pool import Pool
from selfinstruct.similarity import RougeIndex
from selfinstruct.tasks import Candidate, Task, Verdict, read_seeds
from selfinstruct.text import Tokenizer, words

# Words in a row that count as a repetition: 13 in GPT-3 (arXiv 2005.14165, appendix C), 8 in PaLM (arXiv 2204.02311).
NGRAM = 13


def grams(text: str, number: int = NGRAM, tokenizer: Tokenizer = words) -> Iterator[tuple[str, ...]]:
    """All runs of `number` words in a text; none where `number` is 0."""
    tokens = tokenizer(text)
    starts = range(len(tokens) - number + 1) if number else ()
    return (tuple(tokens[start : start + number]) for start in starts)


def passages(row: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a training row whose words in a row must not stand in a test set."""
    yield from (row["instruction"], row.get("input") or "", row.get("output") or "")
    yield from (turn["content"] for turn in row.get("turns") or ())


class Contamination:
    """A filter with two tests against protected tasks, such as an evaluation set.

    Rule `contamination`: the instruction is at a ROUGE-L of `threshold` or above to a protected instruction. Rule
    `contamination_ngram`: it shares `ngram` words in a row with a protected instruction, input or output; 0 turns this
    test off.
    """

    name = "contamination"

    def __init__(
        self, protected: Sequence[Task], threshold: float = 0.7, tokenizer: Tokenizer = words, ngram: int = NGRAM
    ) -> None:
        self.protected, self.ngram, self._tokenizer = protected, ngram, tokenizer
        self._index = RougeIndex(threshold, tokenizer)
        self._ngrams: dict[tuple[str, ...], Task] = {}
        for task in protected:
            self._index.add(task.instruction)
            for text in (task.instruction, *(part for one in task.instances for part in (one.input, one.output))):
                for gram in self._grams(text):
                    self._ngrams.setdefault(gram, task)

    def __call__(self, candidate: Candidate, pool: Pool) -> Verdict | None:
        return self.check(candidate.instruction)

    def check(self, instruction: str) -> Verdict | None:
        """The verdict on one text, or None where it repeats nothing."""
        found = self._index.nearest(instruction)
        if found is not None:
            twin = self.protected[found.position]
            return Verdict("contamination", found.score, twin.id, twin.instruction)
        for gram in self._grams(instruction):
            if (source := self._ngrams.get(gram)) is not None:
                return Verdict("contamination_ngram", float(self.ngram), source.id, " ".join(gram))
        return None

    def _grams(self, text: str) -> Iterator[tuple[str, ...]]:
        return grams(text, self.ngram, self._tokenizer)


def read_protected(paths: Iterable[str | Path]) -> list[Task]:
    """The tasks of protected files, in any shape that seeds may have; ids are prefixed with the file's name.

    Raises:
        SeedsError: a file cannot be read as tasks.
    """
    tasks = []
    for path in map(Path, paths):
        tasks += [Task(f"{path.stem}/{task.id}", task.instruction, task.instances) for task in read_seeds(path)]
    return tasks

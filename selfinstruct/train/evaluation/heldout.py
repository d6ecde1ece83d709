"""Whether a test set is held out: its questions are looked for in what a model was trained on."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from selfinstruct.contamination import NGRAM, grams, passages
from selfinstruct.export.formats import Row
from selfinstruct.export.readers import read_set
from selfinstruct.similarity import RougeIndex
from selfinstruct.text import words
from selfinstruct.train.evaluation.sets import Question

Level = Literal["tasks", "instances"]
THRESHOLD = 0.7
Grams = dict[tuple[str, ...], list[int]]


@dataclass(frozen=True)
class Overlap:
    """A question that stands in the training data: by which rule, at what score, and next to what.

    Rules: `rouge` (its instruction is at a ROUGE-L of 0.7 or above to one of the training data; by instances its input
    to the input there, too), `same` (that with the very words) and `ngram` (13 words in a row of its instruction, input
    or right answer; by instances, of the latter two where there is an input).
    """

    id: str
    rule: str
    score: float
    neighbour: str


def find_overlaps(questions: Sequence[Question], training: Iterable[Row], level: Level = "tasks") -> list[Overlap]:
    """The questions that stand in rows of training data, in the order of the questions.

    By `tasks` a question is held out when its instruction is new; by `instances` a known instruction with a new input
    is held out, too.
    """
    finder = _Finder(questions, level)
    for row in training:
        finder.look_at(row)
    return finder.overlaps()


def read_training(sources: Iterable[str | os.PathLike[str]]) -> Iterator[Row]:
    """The rows of training sets of any format, one after the other.

    Raises:
        SettingsError: a set cannot be read, or its format cannot be told.
    """
    for source in sources:
        yield from read_set(source).rows()


class _Finder:
    """Looks for all questions in one training row after the other, so that the rows need not stand in memory."""

    def __init__(self, questions: Sequence[Question], level: Level) -> None:
        self._questions, self._level = questions, level
        self._found: dict[int, Overlap] = {}
        self._index = RougeIndex(THRESHOLD)
        self._rows: list[tuple[str, str]] = []
        self._known: set[tuple[str, ...]] = set()
        self._grams: Grams = defaultdict(list)
        for number, question in enumerate(questions):
            for text in self._telling(question):
                for gram in grams(text):
                    self._grams[gram].append(number)

    def look_at(self, row: Row) -> None:
        """Note the grams that the row shares with questions, and keep its instruction for the comparison."""
        for text in passages(row):
            for gram in grams(text):
                for number in self._grams.get(gram, ()):
                    self._note(number, "ngram", float(NGRAM), " ".join(gram))
        instruction, given = row["instruction"], row.get("input") or ""
        key = (*words(instruction), "\n", *(words(given) if self._level == "instances" else ()))
        if key not in self._known:
            self._known.add(key)
            self._rows.append((instruction, given))
            self._index.add(instruction)

    def overlaps(self) -> list[Overlap]:
        """What was found, once all rows have been looked at."""
        alike: dict[str, _Alike] = {}
        for number, question in enumerate(self._questions):
            nearest = self._index.nearest(question.instruction)
            if nearest is None:
                continue
            score, instruction = nearest.score, self._rows[nearest.position][0]
            if self._level == "instances" and words(question.input):
                if question.instruction not in alike:
                    alike[question.instruction] = _Alike(question.instruction, self._rows)
                found = alike[question.instruction].nearest(question.input)
                if found is None:
                    continue
                score, instruction = found
            self._note(number, "same" if score == 1 else "rouge", score, instruction)
        return [self._found[number] for number in sorted(self._found)]

    def _telling(self, question: Question) -> tuple[str, ...]:
        """The texts whose repetition says that the question is known."""
        if self._level == "instances" and words(question.input):
            return (question.input, *question.references)
        return (question.instruction, question.input, *question.references)

    def _note(self, number: int, rule: str, score: float, neighbour: str) -> None:
        """Keep the best evidence: word for word, then similar, then words in a row."""
        order = ("ngram", "rouge", "same")
        found = self._found.get(number)
        if found is None or order.index(rule) > order.index(found.rule):
            self._found[number] = Overlap(self._questions[number].id, rule, score, neighbour)


class _Alike:
    """The rows whose instruction is like a given one."""

    def __init__(self, instruction: str, rows: Iterable[tuple[str, str]]) -> None:
        given = RougeIndex(THRESHOLD)
        given.add(instruction)
        self._inputs = RougeIndex(THRESHOLD)
        self._known: list[tuple[float, str]] = []
        for other, text in rows:
            if (near := given.nearest(other)) is not None:
                self._inputs.add(text)
                self._known.append((near.score, other))

    def nearest(self, text: str) -> tuple[float, str] | None:
        """The row whose input is the most like a text: the lower score of its two parts, and its instruction."""
        near = self._inputs.nearest(text)
        if near is None:
            return None
        score, instruction = self._known[near.position]
        return min(score, near.score), instruction

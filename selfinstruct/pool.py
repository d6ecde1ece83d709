"""The pool: seeds and admitted tasks, to draw examples from and to compare candidates with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar, overload

from selfinstruct.similarity import RougeIndex
from selfinstruct.tasks import Task
from selfinstruct.text import Tokenizer, words

T = TypeVar("T")


@dataclass(frozen=True)
class PoolView:
    """The pool as it stood at some moment: what a prompt may show."""

    seeds: Sequence[Task]
    generated: Sequence[Task]


class Pool:
    """Seeds and generated tasks in the order of their admission, with the index that compares new ones to them.

    `carried` are the tasks of an earlier run, or of a set: they count as generated, and are there from the start.
    """

    def __init__(
        self,
        seeds: Sequence[Task],
        carried: Sequence[Task] = (),
        *,
        threshold: float = 0.7,
        tokenizer: Tokenizer = words,
    ) -> None:
        self.seeds = tuple(seeds)
        self.generated: list[Task] = []
        self._index = RougeIndex(threshold, tokenizer)
        self._members: list[Task] = []
        self._by_words: dict[str, Task] = {}
        for task in self.seeds:
            self._compare_with(task)
        for task in carried:
            self.admit(task)

    def __len__(self) -> int:
        return len(self._members)

    @property
    def members(self) -> Sequence[Task]:
        """Seeds and generated tasks in the order in which candidates are compared with them."""
        return self._members

    def admit(self, task: Task) -> None:
        """Add a generated task; later candidates are compared with it and later prompts may show it."""
        self.generated.append(task)
        self._compare_with(task)

    def view(self, generated: int) -> PoolView:
        """The seeds and the first `generated` generated tasks."""
        return PoolView(self.seeds, _Prefix(self.generated, generated))

    def nearest(self, instruction: str) -> tuple[Task, float] | None:
        """The most similar member at or above the threshold and its ROUGE-L F, or None."""
        found = self._index.nearest(instruction)
        return None if found is None else (self._members[found.position], found.score)

    def same_words(self, instruction: str) -> Task | None:
        """The member that differs only in case, punctuation and spacing, or None."""
        return self._by_words.get(_normal_form(instruction))

    def _compare_with(self, task: Task) -> None:
        self._members.append(task)
        self._index.add(task.instruction)
        self._by_words.setdefault(_normal_form(task.instruction), task)


class _Prefix(Sequence[Task]):
    """The first tasks of a list that grows, without copying them."""

    def __init__(self, tasks: list[Task], length: int) -> None:
        self._tasks, self._length = tasks, min(length, len(tasks))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> Task: ...
    @overload
    def __getitem__(self, at: slice) -> list[Task]: ...
    def __getitem__(self, at: int | slice) -> Task | list[Task]:
        places = range(self._length)[at]
        return self._tasks[places] if isinstance(places, int) else [self._tasks[place] for place in places]


def _normal_form(text: str) -> str:
    return " ".join(words(text)) or text.strip()


def sample(members: Sequence[T], count: int, random: Random) -> list[T]:
    """Draw up to `count` distinct members in random order.

    It draws with `Random.random()` alone, the only draw that Python keeps stable across its versions.
    """
    moved: dict[int, int] = {}
    drawn = []
    for i in range(min(count, len(members))):
        j = i + int(random.random() * (len(members) - i))
        drawn.append(members[moved.get(j, j)])
        moved[j] = moved.get(i, i)
    return drawn

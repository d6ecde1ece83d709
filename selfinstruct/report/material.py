"""What a report is made from: the tasks and rows of any set, and the run behind them where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from selfinstruct.directory import SETTINGS
from selfinstruct.errors import SeedsError, SettingsError
from selfinstruct.records import open_records
from selfinstruct.run import Run
from selfinstruct.tasks import Instance, Task, tasks_from

if TYPE_CHECKING:
    import datasets

Source: TypeAlias = "str | os.PathLike[str] | Run | Iterable[Task] | Iterable[Mapping[str, Any]] | datasets.Dataset"


class Row(NamedTuple):
    """One example of a set: the position of its task, its input and output."""

    id: str
    task: int
    instance: Instance


@dataclass(frozen=True)
class Material:
    """A set by its instructions, each once, and its rows; `classified` says whether it tells classification tasks.

    The `name` of what stands on disk is that of the file or folder alone: a page may be published, and where somebody
    keeps their files is nobody's business.
    """

    name: str
    tasks: Sequence[Task]
    rows: Sequence[Row]
    classified: bool
    run: Run | None = None

    @property
    def instructions(self) -> list[str]:
        """The instructions, each once."""
        return [task.instruction for task in self.tasks]

    @property
    def is_demo(self) -> bool:
        """Whether the offline teacher is known to have written any of it."""
        return self.run.is_demo if self.run else any(task.model == "demo" for task in self.tasks)


def read_material(source: Source, name: str = "the rows") -> Material:
    """Read a run, or any set that `selfinstruct.records` opens or that is there already, of rows with an instruction.

    Rows are in the Self-Instruct or the Alpaca shape. Rows with the same instruction are rows of one task.

    Raises:
        SettingsError: it cannot be read, or a row has no instruction.
    """
    if isinstance(source, Run):
        return _of_run(source)
    if isinstance(source, str | os.PathLike):
        if (Path(source) / SETTINGS).is_file():
            from selfinstruct.replay import load

            return _of_run(load(source))
        records = open_records(source)
        rows = chain.from_iterable(block.rows() for block in records.blocks())
        found = _of_rows(rows, records.name)
        return replace(found, name=Path(source).name) if Path(source).exists() else found
    return _of_rows(source, name)


def _of_run(run: Run) -> Material:
    rows = [
        Row(f"{task.id}.{number}", position, one)
        for position, task in enumerate(run.tasks)
        for number, one in enumerate(task.instances)
    ]
    return Material(run.location.name, run.tasks, rows, classified=True, run=run)


def _of_rows(given: Iterable[Any], name: str) -> Material:
    """Group rows by their instruction, in the order in which the instructions first appear."""
    rows = [vars(row) if isinstance(row, Task) else row for row in given]
    for number, row in enumerate(rows, 1):
        _check(row, f"{name}, row {number}")
    ids = [row.get("id") for row in rows]
    numbered = None in ids or len(set(map(str, ids))) < len(ids)
    try:
        named = ({**row, "id": place} if numbered else row for place, row in enumerate(rows, 1))
        read = tasks_from(named, "row") if rows else []
    except SeedsError as error:
        raise SettingsError(f"{name}, {error}") from error
    places: dict[str, int] = {}
    tasks: list[Task] = []
    collected: list[list[Instance]] = []
    found: list[Row] = []
    for task in read:
        place = places.setdefault(task.instruction, len(tasks))
        if place == len(tasks):
            tasks.append(task)
            collected.append([])
        several = len(task.instances) > 1
        found += [Row(f"{task.id}.{n}" if several else task.id, place, one) for n, one in enumerate(task.instances)]
        collected[place].extend(task.instances)
    tasks = [replace(task, instances=tuple(held)) for task, held in zip(tasks, collected, strict=True)]
    return Material(name, tasks, found, classified=any("is_classification" in row for row in rows))


def _check(row: Any, where: str) -> None:
    if not isinstance(row, Mapping):
        raise SettingsError(f"{where}: a row is an object with columns, this is {type(row).__name__}")
    if not isinstance(row.get("instruction"), str) or not row["instruction"].strip():
        raise SettingsError(
            f"{where}: no text in the column 'instruction'; its columns are {', '.join(map(str, row)) or 'none'}. A "
            'report reads rows such as {"instruction": "...", "input": "...", "output": "..."}; rename the columns'
        )

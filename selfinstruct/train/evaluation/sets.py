"""Test sets of several shapes as questions: an instruction, an input, and the answers that count as right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.export.detect import detect
from selfinstruct.export.readers import RowSet
from selfinstruct.records import Records, open_records
from selfinstruct.records.sources import reading

SUPERNI = ("Definition", "Instances")
SHAPES = (
    'rows of {"instruction", "input", "output"}, tasks of {"instruction", "instances": [{"input", "output"}]}, or '
    'Super-NaturalInstructions files of {"Definition", "Instances"}'
)


@dataclass(frozen=True)
class Question:
    """One thing to answer. `task` names the task that it belongs to, `references` are the right answers to it."""

    id: str
    task: str
    instruction: str
    input: str
    references: tuple[str, ...]

    @property
    def row(self) -> dict[str, str]:
        """What a prompt template takes."""
        return {"id": self.id, "instruction": self.instruction, "input": self.input, "output": ""}


def read_questions(source: str | os.PathLike[str], *, per_task: int | None = None) -> list[Question]:
    """Read a test set.

    `source` is a file of rows or tasks (JSON lines, JSON, Parquet), a run directory, a data set of the Hub, a set in a
    training format, a file of Super-NaturalInstructions or a folder of such files. `output` may be a list of answers,
    each of which is right.
    `per_task` takes the first questions of each task (the 119 test tasks of Self-Instruct's table 3: 100 each).

    Raises:
        SettingsError: the set cannot be read, is empty, or a row is no question.
    """
    path = Path(source)
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    tasks = {file.stem: content for file in files if (content := _superni(file)) is not None}
    if tasks:
        questions = [one for name, content in tasks.items() for one in _of_superni(name, content)]
    else:
        questions = list(_of_records(open_records(source)))
    _check(questions, os.fspath(source))
    return _first(questions, per_task) if per_task is not None else questions


def digest(questions: Iterable[Question]) -> str:
    """SHA-256 of the questions with their references, in 32 hexadecimal digits."""
    content = [[one.id, one.instruction, one.input, list(one.references)] for one in questions]
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:32]


def _superni(path: Path) -> Mapping[str, Any] | None:
    """The contents of a file of Super-NaturalInstructions, None for any other file."""
    if path.suffix != ".json" or not path.is_file():
        return None
    with reading(path) as file:
        content = file.read().removeprefix(b"\xef\xbb\xbf")
    if not content.lstrip().startswith(b"{"):
        return None
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None  # JSON lines, or what `open_records` has a word for
    return found if all(name in found for name in SUPERNI) else None


def _of_superni(name: str, content: Mapping[str, Any]) -> Iterator[Question]:
    definition = content["Definition"]
    instruction = definition if isinstance(definition, str) else "\n".join(definition)
    for number, one in enumerate(content["Instances"]):
        where = f"{name}, instance {number + 1}"
        given, references = _text(one, "input", where), _references(one, where)
        yield Question(str(one.get("id", f"{name}.{number}")), name, instruction.strip(), given, references)


def _of_records(records: Records) -> Iterator[Question]:
    rows = (row for block in records.blocks() for row in block.rows())
    first = next(rows, None)
    if isinstance(first, Mapping) and "instruction" not in first:
        # A training format, such as messages: its answer is the one reference.
        read = RowSet(records, detect(records)).rows()
        yield from (Question(one["id"], one["id"], one["instruction"], one["input"], (one["output"],)) for one in read)
        return
    for number, row in enumerate(chain([first] if first is not None else [], rows), 1):
        yield from _of_row(row, f"row_{number}", f"{records.name}, row {number}")


def _of_row(row: Any, name: str, where: str) -> Iterator[Question]:
    if not isinstance(row, Mapping) or not isinstance(row.get("instruction"), str):
        raise SettingsError(f"{where}: no question; a test set has {SHAPES}")
    task = str(row.get("id") or name)
    if row.get("instances") is None:
        yield Question(task, task, row["instruction"], _text(row, "input", where), _references(row, where))
        return
    for place, one in enumerate(row["instances"]):
        at = f"{where}, instance {place + 1}"
        yield Question(f"{task}.{place}", task, row["instruction"], _text(one, "input", at), _references(one, at))


def _text(row: Any, name: str, where: str) -> str:
    found = row.get(name) if isinstance(row, Mapping) else row
    if not isinstance(found, str | None):
        raise SettingsError(f"{where}: the {name} is text, not {type(found).__name__}")
    return found or ""


def _references(row: Any, where: str) -> tuple[str, ...]:
    found = row.get("output") if isinstance(row, Mapping) else None
    several = (found,) if isinstance(found, str) else found
    if isinstance(several, Sequence) and several and all(isinstance(one, str) for one in several):
        return tuple(several)
    raise SettingsError(f"{where}: no right answer to compare with; 'output' is a text or a list of texts")


def _check(questions: Sequence[Question], name: str) -> None:
    if not questions:
        raise SettingsError(f"{name}: no question in it; a test set has {SHAPES}")
    seen: set[str] = set()
    for one in questions:
        if one.id in seen:
            raise SettingsError(f"{name}: the id {one.id!r} stands twice; give each row an id of its own, or none")
        seen.add(one.id)


def _first(questions: Iterable[Question], number: int) -> list[Question]:
    counts: dict[str, int] = {}
    kept = []
    for one in questions:
        counts[one.task] = counts.get(one.task, 0) + 1
        if counts[one.task] <= number:
            kept.append(one)
    return kept

"""The folder of an evaluation: every answer, every score, the table, and what was asked of whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.records import InMemory, appearing, writing
from selfinstruct.train.evaluation.table import Column
from selfinstruct.train.lock import LOCK, only_writer

ABOUT, LEDGER, PREDICTIONS, TABLE = "evaluation.json", "ledger.jsonl", "predictions.jsonl", "table.md"
HARNESS = "lm_eval"


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    `columns` are the figures of each model, and of the differences of the last one to the others; `predictions` the
    rows of predictions.jsonl; `summary` all that evaluation.json says; `table` the same for people, in Markdown.
    """

    path: Path
    columns: Sequence[Column]
    predictions: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    table: str

    def write(self) -> None:
        """Write predictions.jsonl, table.md and, when the others are there, evaluation.json."""
        records = InMemory(self.predictions, PREDICTIONS)
        with writing(self.path / PREDICTIONS, records.schema) as write:
            for block in records.blocks():
                write(block)
        write_text(self.path / TABLE, self.table)
        write_json(self.path / ABOUT, self.summary)

    def __repr__(self) -> str:
        models = ", ".join(one.name for one in self.columns if one.less is None)
        return f"Evaluation({str(self.path)!r}: {self.summary['questions']:,} questions to {models})"

    def _repr_markdown_(self) -> str:
        return self.table


@contextmanager
def opened(path: Path, settings: Mapping[str, Any]) -> Iterator[Path]:
    """Be the only writer of the folder of an evaluation with these settings; a new one, or one to go on with.

    One that has no answer yet, such as that of a mistyped model, is begun anew.

    Raises:
        SettingsError: the folder holds something else, or an evaluation with other settings.
        RunLocked: another process is at it.
    """
    if path.exists() and not path.is_dir():
        raise SettingsError(f"{path}: is a file; the results of an evaluation are a folder, choose another name")
    held = sorted(one.name for one in path.iterdir() if one.name != LOCK) if path.is_dir() else []
    if held and ABOUT not in held:
        raise SettingsError(f"{path}: not empty and no evaluation (it holds {held[0]}); choose another folder")
    with only_writer(path):
        answers = path / LEDGER
        if answers.is_file() and answers.stat().st_size:
            _check_same(path, settings)
        else:
            write_json(path / ABOUT, {"settings": dict(settings), "finished": False})
        yield path


def _check_same(path: Path, settings: Mapping[str, Any]) -> None:
    try:
        before = orjson.loads((path / ABOUT).read_bytes())["settings"]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path / ABOUT}: not what an evaluation writes ({error}); choose another folder"
        ) from error
    for name, value in orjson.loads(orjson.dumps(dict(settings))).items():
        if before.get(name) != value:
            raise SettingsError(
                f"{path}: holds an evaluation with {name} {before.get(name)!r}, and this one has {value!r}; choose "
                "another folder, or give the same options to go on with it"
            )


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    write_text(path, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with appearing(path) as file:
        file.write(text.encode())

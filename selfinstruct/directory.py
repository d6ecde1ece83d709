"""The run directory: what stands in which file, who may write, and how files appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonlines
import orjson
from filelock import FileLock, Timeout

from selfinstruct.errors import RunError, RunLocked, SettingsError
from selfinstruct.settings import Settings
from selfinstruct.tasks import Rejected, Task

SETTINGS, SEEDS, LEDGER = "settings.json", "seeds.jsonl", "ledger.jsonl"
TASKS, REJECTED, DATASET = "tasks.jsonl", "rejected.jsonl", "dataset.jsonl"
LOCK = ".lock"


@dataclass
class Stored:
    """The contents of settings.json: all that a run's requests depend on, besides its seeds.

    `templates` holds the texts of the prompt templates, `filters` the names of the user's own rules, `settled` what
    the first answers taught about the server, `version` the package that began the run, and `against_digest` which
    protected tasks it keeps out.
    """

    settings: Settings
    version: str
    templates: dict[str, str] = field(default_factory=dict)
    filters: list[str] = field(default_factory=list)
    settled: dict[str, Any] = field(default_factory=dict)
    against_digest: str = ""


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.ledger_path = self.path / LEDGER

    def __str__(self) -> str:
        return str(self.path)

    @property
    def begun(self) -> bool:
        """Whether a run has been begun here."""
        return (self.path / SETTINGS).is_file()

    def check_free(self) -> None:
        """Make sure that a new run may begin here.

        Raises:
            RunError: the folder holds something else, or the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self}: is a file; a run is a folder, choose another name")
        others = sorted(one.name for one in self.path.iterdir() if one.name != LOCK) if self.path.exists() else []
        if others:
            raise RunError(
                f"{self}: not empty and no run (no {SETTINGS}; it holds {', '.join(others[:3])}); choose a new folder"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only writer.

        Raises:
            RunLocked: another process is writing.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{self}: cannot be created ({error.strerror})") from error
        lock = FileLock(self.path / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise RunLocked(
                f"{self}: another process is writing to this run; wait for it or stop it (`selfinstruct status {self}` "
                "shows how far it is)"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def read(self) -> Stored:
        """Read settings.json.

        Raises:
            RunError: it is missing or damaged, or a later version of the package wrote it.
        """
        path = self.path / SETTINGS
        try:
            row = orjson.loads(path.read_bytes())
            return Stored(**{**row, "settings": Settings(**row["settings"])})
        except FileNotFoundError as error:
            raise RunError(
                f"{self}: no run here (there is no {SETTINGS}); begin one with `selfinstruct generate {self}`"
            ) from error
        except (ValueError, KeyError, TypeError, SettingsError) as error:
            raise RunError(
                f"{path}: cannot be read as settings ({error}); was it written by a later version?"
            ) from error

    def write(self, stored: Stored, seeds: Iterable[Task]) -> None:
        """Write settings.json and seeds.jsonl."""
        self.write_settings(stored)
        self._write(SEEDS, (_line(task.to_dict()) for task in seeds))

    def write_settings(self, stored: Stored) -> None:
        """Write settings.json alone."""
        row = {**vars(stored), "settings": stored.settings.to_dict()}
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        self._write(SETTINGS, [orjson.dumps(row, option=options)])

    def read_seeds(self) -> list[Task]:
        """The seeds as the run uses them, carried tasks of an earlier run included (they have a `request`)."""
        return [Task.from_dict(row) for row in self._rows(SEEDS)]

    def read_tasks(self) -> list[Task]:
        """The accepted tasks as they were last derived."""
        return [Task.from_dict(row) for row in self._rows(TASKS)]

    def read_rejected(self) -> list[Rejected]:
        """The rejections as they were last derived."""
        return [Rejected.from_dict(row) for row in self._rows(REJECTED)]

    @property
    def derived_is_current(self) -> bool:
        """Whether the derived files were written after the last answer."""
        derived = self.path / DATASET
        if not derived.is_file() or not self.ledger_path.is_file():
            return derived.is_file()
        return derived.stat().st_mtime_ns >= self.ledger_path.stat().st_mtime_ns

    def write_derived(self, tasks: Iterable[Task], rejected: Iterable[Rejected]) -> None:
        """Write tasks.jsonl, rejected.jsonl and dataset.jsonl, each whole or not at all."""
        tasks = list(tasks)
        self._write(TASKS, (_line(task.to_dict()) for task in tasks))
        self._write(REJECTED, (_line(row.to_dict()) for row in rejected))
        self._write(DATASET, (_line(row) for row in dataset_rows(tasks)))

    def _write(self, name: str, lines: Iterable[bytes]) -> None:
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, self.path / name)
        except OSError as error:
            Path(temporary).unlink(missing_ok=True)
            raise RunError(f"{self.path / name}: cannot be written ({error.strerror}); the ledger is kept") from error

    def _rows(self, name: str) -> Iterator[Mapping[str, Any]]:
        path = self.path / name
        if not path.is_file():
            raise RunError(f"{path}: missing; `selfinstruct generate {self}` writes it again from the ledger")
        try:
            with open(path, "rb") as file:
                yield from jsonlines.Reader(file, loads=orjson.loads)
        except jsonlines.InvalidLineError as error:
            raise RunError(f"{path}, line {error.lineno}: {error}") from error


def dataset_rows(tasks: Iterable[Task]) -> Iterator[dict[str, str]]:
    """One row an instance: id (task and number), instruction, input, output."""
    for task in tasks:
        for number, one in enumerate(task.instances):
            yield {
                "id": f"{task.id}.{number}",
                "instruction": task.instruction,
                "input": one.input,
                "output": one.output,
            }


def _line(row: Mapping[str, Any]) -> bytes:
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


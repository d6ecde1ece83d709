"""The run directory: what stands in which file, who may write, and how files appear whole or not at all."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import jsonlines
import orjson
from filelock import FileLock, Timeout

from selfinstruct.errors import RunError, RunLocked, SettingsError
from selfinstruct.settings import Settings
from selfinstruct.tasks import Rejected, Task

T = TypeVar("T")

SETTINGS, SEEDS, LEDGER = "settings.json", "seeds.jsonl", "ledger.jsonl"
PROTECTED = "against.jsonl"
TASKS, REJECTED, DATASET = "tasks.jsonl", "rejected.jsonl", "dataset.jsonl"
LOCK = ".lock"
RUN_FILES = (SETTINGS, SEEDS, PROTECTED, LEDGER, TASKS, REJECTED, DATASET)


@dataclass
class Stored:
    """The contents of settings.json: all that a run's requests depend on, besides its seeds.

    `templates` holds the texts of the prompt templates, `filters` the names of the user's own rules, `settled` what
    the first answers taught about the server, and `version` the package that began the run. `derived` says from how
    many bytes of the ledger the derived files were last made, and how the run stood then; it is None while they are
    not those of these settings.
    """

    settings: Settings
    version: str
    templates: dict[str, str] = field(default_factory=dict)
    filters: list[str] = field(default_factory=list)
    settled: dict[str, Any] = field(default_factory=dict)
    derived: dict[str, Any] | None = None


class RunDirectory:
    """The files of one run."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.ledger_path = self.path / LEDGER

    def __str__(self) -> str:
        return str(self.path)

    @property
    def quoted(self) -> str:
        """The path as it is typed at a shell."""
        return shlex.quote(str(self.path))

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
        if self.begun:
            raise RunError(f"{self}: holds a run already; choose a new folder")
        names = sorted(one.name for one in self.path.iterdir()) if self.path.exists() else []
        # A run that was killed while its first files were written has left some of these, and nothing else.
        others = [name for name in names if name not in (LOCK, SEEDS, PROTECTED) and not _is_temporary(name)]
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
                f"{self}: another process is writing to this run; wait for it or stop it (`selfinstruct status "
                f"{self.quoted}` shows how far it is)"
            ) from error
        except OSError as error:
            raise RunError(f"{self}: cannot be written to ({error.strerror})") from error
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
            return Stored(
                **{
                    **row,
                    "settings": Settings(**row["settings"]),
                    "templates": dict(row["templates"]),
                    "filters": list(row["filters"]),
                }
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            free = not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir()))
            way = f"begin one with `selfinstruct generate {self.quoted}`" if free else "give the folder of a run"
            raise RunError(f"{self}: no run here (there is no {SETTINGS}); {way}") from error
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, KeyError, TypeError, AttributeError, SettingsError) as error:
            raise RunError(
                f"{path}: cannot be read as settings ({error}); was it written by a later version?"
            ) from error

    def write(self, stored: Stored, seeds: Iterable[Task], protected: Iterable[Task]) -> None:
        """Write what a run begins with: seeds and protected tasks first, settings.json last, so that it is whole."""
        for name, tasks in ((SEEDS, seeds), (PROTECTED, protected)):
            lines = [_line(task.to_dict()) for task in tasks]
            if lines:
                self._write(name, lines)
        self.write_settings(stored)

    def write_settings(self, stored: Stored) -> None:
        """Write settings.json alone."""
        row = {**vars(stored), "settings": stored.settings.to_dict()}
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        self._write(SETTINGS, [orjson.dumps(row, option=options)])

    def read_seeds(self) -> list[Task]:
        """The seeds as the run uses them, carried tasks of an earlier run included (they have a `request`)."""
        return self._read(SEEDS, Task.from_dict)

    def read_protected(self) -> list[Task]:
        """The protected tasks that the run keeps out, none where it protects none."""
        return self._read(PROTECTED, Task.from_dict) if (self.path / PROTECTED).is_file() else []

    def read_tasks(self) -> list[Task]:
        """The accepted tasks as they were last derived."""
        return self._read(TASKS, Task.from_dict)

    def read_rejected(self) -> list[Rejected]:
        """The rejections as they were last derived."""
        return self._read(REJECTED, Rejected.from_dict)

    @property
    def ledger_bytes(self) -> int:
        """The size of the ledger, 0 where there is none."""
        return self.ledger_path.stat().st_size if self.ledger_path.is_file() else 0

    @property
    def has_answers(self) -> bool:
        """Whether the ledger holds anything that a request depends on; tries without an answer are nothing such."""
        if not self.ledger_path.is_file():
            return False
        with open(self.ledger_path, "rb") as file:
            return any(b'"kind":"attempt"' not in line for line in file)

    @property
    def has_derived(self) -> bool:
        """Whether all derived files are there."""
        return all((self.path / name).is_file() for name in (TASKS, REJECTED, DATASET))

    def is_current(self, stored: Stored) -> bool:
        """Whether the derived files are those of these settings and of the whole ledger."""
        return self.has_derived and stored.derived is not None and stored.derived["ledger"] == self.ledger_bytes

    def write_derived(self, tasks: Iterable[Task], rejected: Iterable[Rejected]) -> None:
        """Write tasks.jsonl, rejected.jsonl and dataset.jsonl, each whole or not at all."""
        tasks = list(tasks)
        self._write(TASKS, (_line(task.to_dict()) for task in tasks))
        self._write(REJECTED, (_line(row.to_dict()) for row in rejected))
        self._write(DATASET, (_line(row) for row in dataset_rows(tasks)))

    def _write(self, name: str, lines: Iterable[bytes]) -> None:
        path, content = self.path / name, b"".join(lines)
        if path.is_file() and path.read_bytes() == content:
            return
        handle, temporary = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException as error:
            Path(temporary).unlink(missing_ok=True)
            if isinstance(error, OSError):
                why = f"{path}: cannot be written ({error.strerror}); the ledger is kept"
                raise RunError(why) from error
            raise

    def _read(self, name: str, make: Callable[[Mapping[str, Any]], T]) -> list[T]:
        path = self.path / name
        rows: list[T] = []
        try:
            with open(path, "rb") as file:
                rows.extend(map(make, jsonlines.Reader(file, loads=orjson.loads)))
        except jsonlines.InvalidLineError as error:
            raise RunError(f"{path}, line {error.lineno}: {error}") from error
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror}); restore it from a copy of the run") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path}, line {len(rows) + 1}: not a row of this file ({error!r})") from error
        return rows


def _is_temporary(name: str) -> bool:
    return any(name.startswith(f".{ours}.") for ours in (SETTINGS, SEEDS, PROTECTED))


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

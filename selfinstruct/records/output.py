"""Writing rows in the form that a file's name ends in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from selfinstruct.directory import RUN_FILES, SETTINGS
from selfinstruct.errors import SettingsError
from selfinstruct.records.blocks import Block, NotJsonError

LINES, ARRAY, PARQUET = (".jsonl", ".ndjson"), (".json",), (".parquet",)
SUFFIXES = (*LINES, *ARRAY, *PARQUET)


@contextmanager
def writing(path: Path, schema: Callable[[], Any]) -> Iterator[Callable[[Block], None]]:
    """Write blocks to a file in the form that its name ends in; it appears whole or not at all.

    `schema` is asked only where the form has one.

    Raises:
        SettingsError: no such form, the file cannot be written, or a value does not go into the form.
    """
    check_form(path)
    suffix = path.suffix.lower()
    with ExitStack() as stack:
        file = stack.enter_context(appearing(path))
        try:
            if suffix in PARQUET:
                yield stack.enter_context(_parquet(file, schema(), path))
            elif suffix in ARRAY:
                yield stack.enter_context(_array(file, path))
            else:
                yield lambda block: file.writelines(line + b"\n" for line in block.lines())
        except NotJsonError as error:
            raise SettingsError(f"{path}: {error}; write to a .parquet file") from error


def check_form(path: Path) -> None:
    """Whether a set can be written under this name.

    Raises:
        SettingsError: its ending names no form, or a folder or device stands there.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SettingsError(f"{path}: the name of an output ends in {', '.join(SUFFIXES)}, which says its form")
    if path.exists() and not path.is_file():
        raise SettingsError(f"{path}: stands there already and is no file; choose another name")


class Named(Protocol):
    """What stands in a file, or in none."""

    @property
    def path(self) -> Path | None:
        """The file."""


def check_outputs(outputs: Sequence[Path], inputs: Iterable[Named] = ()) -> None:
    """Whether these files can be written while those sets are read.

    Raises:
        SettingsError: one has no form, is read here, is a file of a run, or stands there twice.
    """
    for output in outputs:
        check_form(output)
        check_no_file_of_a_run(output)
        for records in inputs:
            check_apart(output, records)
    if len({output.resolve() for output in outputs}) < len(outputs):
        raise SettingsError(f"{outputs[0]}: is named for two outputs; choose another name")


def check_apart(output: Path, records: Named) -> None:
    """Whether a file is another one than that which a set is read from.

    Raises:
        SettingsError: it is the same.
    """
    if records.path is not None and output.exists() and output.samefile(records.path):
        raise SettingsError(f"{output}: is read here and would be written over; choose another name")


def check_no_file_of_a_run(output: Path) -> None:
    """Whether a run would lose a file of its own.

    Raises:
        SettingsError: it would.
    """
    for place in (output, output.resolve()):
        if place.name in RUN_FILES and (place.parent / SETTINGS).is_file():
            raise SettingsError(f"{output}: is a file of the run {place.parent}; choose another name")


@contextmanager
def _array(file: IO[bytes], path: Path) -> Iterator[Callable[[Block], None]]:
    before = b"[\n"

    def write(block: Block) -> None:
        nonlocal before
        for line in block.lines():
            file.write(before + line)
            before = b",\n"

    yield write
    file.write(b"[]\n" if before == b"[\n" else b"\n]\n")


@contextmanager
def _parquet(file: IO[bytes], schema: Any, path: Path) -> Iterator[Callable[[Block], None]]:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        with pq.ParquetWriter(file, schema) as writer:
            yield lambda block: writer.write_table(block.table(schema))
    except pa.ArrowException as error:
        raise SettingsError(f"{path}: {error}; write to a .jsonl file, which takes any row") from error


@contextmanager
def appearing(path: Path) -> Iterator[IO[bytes]]:
    """A file that is renamed to its place once it is written.

    Raises:
        SettingsError: it cannot be written.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SettingsError(f"{path}: cannot be written ({error.strerror or error})") from error
        raise

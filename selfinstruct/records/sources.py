"""What rows are read from. Each source can be read again, and gives its rows in blocks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.records.blocks import Block, Lines, Row, Rows, Table, inferred

if TYPE_CHECKING:
    import datasets

BLOCK = 4096  # rows that stand in memory at once
LONGEST = 2**31 - 1  # characters of one cell of CSV, as many as every platform takes


class Records(Protocol):
    """A data set that can be read more than once.

    `name` is what messages call it, `path` the file that it stands in, if it is one.
    """

    name: str
    path: Path | None

    def texts(self, field: str) -> Iterator[str]:
        """The texts of one column, row by row.

        Raises:
            SettingsError: the column is missing or holds something else; the message names the row and the columns.
        """

    def blocks(self) -> Iterator[Block]:
        """The rows, block by block."""

    def schema(self) -> Any:
        """The `pyarrow.Schema` of the rows; for JSON this reads them all."""


class InMemory:
    """Rows that are there already."""

    path: Path | None = None

    def __init__(self, rows: Sequence[Row], name: str) -> None:
        self._rows, self.name = rows, name

    def texts(self, field: str) -> Iterator[str]:
        return _texts_of_rows(self._rows, field, self.name)

    def blocks(self) -> Iterator[Block]:
        return (Rows(self._rows[start : start + BLOCK]) for start in range(0, len(self._rows), BLOCK))

    def schema(self) -> Any:
        return inferred(self.blocks(), self.name)


class JsonArray(InMemory):
    """A file that holds one array of objects. Arrays have to be read whole."""

    def __init__(self, path: Path, name: str) -> None:
        try:
            with reading(path) as file:
                rows = orjson.loads(file.read().removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            raise SettingsError(f"{name}: not a JSON array: {error}; is the file whole?") from error
        super().__init__(rows, name)
        self.path = path


class JsonLines:
    """A file with an object a line; empty lines are passed over."""

    def __init__(self, path: Path, name: str) -> None:
        self.path: Path | None = path
        self.name, self._path = name, path

    def texts(self, field: str) -> Iterator[str]:
        return _texts_of_rows((row for block in self.blocks() for row in block.rows()), field, self.name)

    def blocks(self) -> Iterator[Block]:
        for held in _batched(self._lines(), BLOCK):
            numbers, lines = zip(*held, strict=True)
            yield Lines(lines, numbers, self.name)

    def schema(self) -> Any:
        return inferred(self.blocks(), self.name)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with reading(self._path) as file:
            for number, line in enumerate(file, 1):
                stripped = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
                if stripped:
                    yield number, stripped


class Csv:
    """A CSV file in UTF-8 whose first line names the columns; a cell that a row lacks at its end is null."""

    def __init__(self, path: Path, name: str) -> None:
        self.path: Path | None = path
        self.name, self._path = name, path

    def texts(self, field: str) -> Iterator[str]:
        return _texts_of_rows(self._rows(), field, self.name)

    def blocks(self) -> Iterator[Block]:
        return map(Rows, _batched(self._rows(), BLOCK))

    def schema(self) -> Any:
        return inferred(self.blocks(), self.name)

    def _rows(self) -> Iterator[Row]:
        csv.field_size_limit(LONGEST)
        with reading(self._path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text, strict=True)
            try:
                for row in rows:
                    self._check(row, rows.line_num)
                    yield row
            except (csv.Error, UnicodeDecodeError) as error:
                where = f"{self.name}, about line {rows.line_num}"
                raise SettingsError(f"{where}: cannot be read as CSV in UTF-8 ({error})") from error

    def _check(self, row: Mapping[str | None, Any], number: int) -> None:
        if None in row:
            raise SettingsError(
                f"{self.name}, line {number}: has more cells than the first line has names; is a comma in a text "
                "without quotes around it, or the line of names missing?"
            )


class Parquet:
    """A Parquet file, read by row groups."""

    def __init__(self, path: Path, name: str) -> None:
        self.path: Path | None = path
        self.name, self._path = name, path

    def texts(self, field: str) -> Iterator[str]:
        with self._open() as file:
            _check_column(file.schema_arrow, field, self.name)
            yield from _texts_of_arrays(
                (batch.column(0) for batch in file.iter_batches(BLOCK, columns=[field])), field, self.name
            )

    def blocks(self) -> Iterator[Block]:
        import pyarrow as pa  # type: ignore[import-untyped]

        with self._open() as file:
            for batch in file.iter_batches(BLOCK):
                yield Table(pa.Table.from_batches([batch]))

    def schema(self) -> Any:
        with self._open() as file:
            return file.schema_arrow

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        with reading(self._path) as opened:
            try:
                file = pq.ParquetFile(opened)
            except pa.ArrowException as error:
                raise SettingsError(f"{self.name}: not a Parquet file: {error}; is the file whole?") from error
            yield file


class Dataset:
    """A `datasets.Dataset`: one in memory, one that `save_to_disk` wrote, or one of the Hub."""

    path: Path | None = None

    def __init__(self, dataset: datasets.Dataset, name: str) -> None:
        self.name = name
        self._tables = dataset.with_format("arrow")

    def texts(self, field: str) -> Iterator[str]:
        _check_column(self.schema(), field, self.name)
        column = self._tables.select_columns([field])
        return _texts_of_arrays((table.column(0) for table in column.iter(BLOCK)), field, self.name)

    def blocks(self) -> Iterator[Block]:
        return (Table(table) for table in self._tables.iter(BLOCK))

    def schema(self) -> Any:
        return self._tables.features.arrow_schema


def _texts_of_rows(rows: Iterable[Row], field: str, name: str) -> Iterator[str]:
    for number, row in enumerate(rows, 1):
        text = row.get(field) if isinstance(row, Mapping) else None
        if not isinstance(text, str):
            raise SettingsError(f"{name}, row {number}: {_no_text(row, field)}")
        yield text


def _no_text(row: Any, field: str) -> str:
    if not isinstance(row, Mapping):
        return f"a row is an object with columns, this is {type(row).__name__}"
    said = (
        f"the column {field!r} holds {type(row[field]).__name__}, not text" if field in row else f"no column {field!r}"
    )
    return f"{said}; {_columns(row)}"


def _columns(names: Iterable[str]) -> str:
    return f"its columns are {', '.join(names) or 'none'}; say which one holds the texts (field, --field)"


def _check_column(schema: Any, field: str, name: str) -> None:
    import pyarrow as pa

    if field not in schema.names:
        raise SettingsError(f"{name}, row 1: no column {field!r}; {_columns(schema.names)}")
    kind = schema.field(field).type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if str(inner) not in ("string", "large_string", "string_view"):
        raise SettingsError(f"{name}, row 1: the column {field!r} holds {kind}, not text; {_columns(schema.names)}")


def _texts_of_arrays(arrays: Iterable[Any], field: str, name: str) -> Iterator[str]:
    for number, text in enumerate(chain.from_iterable(array.to_pylist() for array in arrays), 1):
        if text is None:
            raise SettingsError(f"{name}, row {number}: the column {field!r} holds nothing (null), not text")
        yield text


def _batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    held = iter(items)
    while batch := list(islice(held, size)):
        yield batch


@contextmanager
def reading(path: Path) -> Iterator[IO[bytes]]:
    """An open file, whose troubles are SettingsErrors."""
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error})") from error

"""Rows in the form in which they were read: a line of JSON stays that line, an Arrow column keeps its type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol, TypeAlias

import orjson

from selfinstruct.errors import SettingsError

Row: TypeAlias = Mapping[str, Any]


class Block(Protocol):
    """Some rows that stand one after the other in a set."""

    def __len__(self) -> int: ...

    def rows(self) -> Sequence[Row]:
        """The rows as mappings."""

    def lines(self) -> Sequence[bytes]:
        """The rows as JSON, without line ends."""

    def table(self, schema: Any) -> Any:
        """The rows as a `pyarrow.Table` of a schema."""

    def take(self, places: Sequence[int]) -> Block:
        """The rows at these places of the block."""

    def adding(self, columns: Mapping[str, Sequence[Any]]) -> Block:
        """The same rows with more columns at the end."""


@dataclass(frozen=True)
class Rows:
    """A block of mappings."""

    held: Sequence[Row]

    def __len__(self) -> int:
        return len(self.held)

    def rows(self) -> Sequence[Row]:
        return self.held

    def lines(self) -> Sequence[bytes]:
        return [_json(row) for row in self.held]

    def table(self, schema: Any) -> Any:
        import pyarrow as pa  # type: ignore[import-untyped]

        columns = [_column([row.get(each.name) for row in self.held], each.name, each.type) for each in schema]
        return pa.Table.from_arrays(columns, schema=schema)

    def take(self, places: Sequence[int]) -> Rows:
        return Rows([self.held[place] for place in places])

    def adding(self, columns: Mapping[str, Sequence[Any]]) -> Rows:
        rows = []
        for row, *added in zip(self.held, *columns.values(), strict=True):
            check_free(row, columns)
            rows.append({**row, **dict(zip(columns, added, strict=True))})
        return Rows(rows)


@dataclass(frozen=True)
class Lines:
    """A block of JSON lines, which are written again as they are; `numbers` tells where in the file `name` they stand.

    Raises:
        SettingsError: of `rows`, where a line is not JSON.
    """

    held: Sequence[bytes]
    numbers: Sequence[int]
    name: str

    def __len__(self) -> int:
        return len(self.held)

    def rows(self) -> Sequence[Row]:
        return list(map(self._parsed, self.held, self.numbers))

    def _parsed(self, line: bytes, number: int) -> Row:
        try:
            row: Row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise SettingsError(
                f"{self.name}, line {number}: not JSON: {error}; a set is one JSON object a line, or one array"
            ) from error
        return row

    def lines(self) -> Sequence[bytes]:
        return self.held

    def table(self, schema: Any) -> Any:
        return Rows(self.rows()).table(schema)

    def take(self, places: Sequence[int]) -> Lines:
        held, numbers = [self.held[place] for place in places], [self.numbers[place] for place in places]
        return Lines(held, numbers, self.name)

    def adding(self, columns: Mapping[str, Sequence[Any]]) -> Rows:
        return Rows(self.rows()).adding(columns)


@dataclass(frozen=True)
class Table:
    """A block of Arrow columns, which keep their types."""

    held: Any  # pyarrow.Table

    def __len__(self) -> int:
        return int(self.held.num_rows)

    def rows(self) -> Sequence[Row]:
        rows: list[Row] = self.held.to_pylist()
        return rows

    def lines(self) -> Sequence[bytes]:
        return Rows(self.rows()).lines()

    def table(self, schema: Any) -> Any:
        return self.held.replace_schema_metadata(schema.metadata).cast(schema)

    def take(self, places: Sequence[int]) -> Table:
        return Table(self.held.take(places))

    def adding(self, columns: Mapping[str, Sequence[Any]]) -> Table:
        import pyarrow as pa

        check_free(self.held.column_names, columns)
        table = self.held
        for name, values in columns.items():
            table = table.append_column(name, pa.array(values))
        return Table(table)


def check_free(names: Iterable[str], added: Iterable[str]) -> None:
    """Whether columns may be added to others.

    Raises:
        SettingsError: one has a name that is taken.
    """
    if taken := sorted(set(names) & set(added)):
        raise SettingsError(
            f"the rows have a column {taken[0]!r}, which would be added here; rename it, or begin with rows without it"
        )


def extended(schema: Any, columns: Mapping[str, type]) -> Any:
    """A `pyarrow.Schema` with more columns of text or numbers."""
    import pyarrow as pa

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    for name, kind in columns.items():
        schema = schema.append(pa.field(name, kinds[kind]))
    # What `datasets` notes there describes the columns before.
    return schema.remove_metadata()


def inferred(blocks: Iterable[Block], name: str) -> Any:
    """The schema of rows of JSON: columns in the order in which they appear, each wide enough for all its values."""
    import pyarrow as pa

    found: dict[str, Any] = {}
    for block in blocks:
        rows = block.rows()
        for column in dict.fromkeys(chain.from_iterable(rows)):
            kind = _column([row.get(column) for row in rows], column).type
            try:
                sides = [pa.schema([(column, each)]) for each in (found.get(column, kind), kind)]
                found[column] = pa.unify_schemas(sides, promote_options="permissive").field(0).type
            except pa.ArrowException as error:
                raise SettingsError(f"{name}: {_mixed(column, error)}") from error
    return pa.schema(list(found.items()))


def _column(values: Sequence[Any], name: str, kind: Any = None) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError) as error:
        raise SettingsError(_mixed(name, error)) from error


def _mixed(column: str, error: Exception) -> str:
    return f"the column {column!r} does not go into Parquet ({error}); write to a .jsonl file, which takes any row"


class NotJsonError(Exception):
    """A value that JSON has no form for."""


def _json(row: Row) -> bytes:
    try:
        return orjson.dumps(row)
    except TypeError as error:
        raise NotJsonError(f"a row does not go into JSON ({error})") from error

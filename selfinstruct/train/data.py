"""The rows of a training, and those that are held out to validate on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats.rows import Row
from selfinstruct.export.readers import read_set
from selfinstruct.run import Run
from selfinstruct.split import choose, near_groups

if TYPE_CHECKING:
    import datasets

Source: TypeAlias = "Run | datasets.Dataset | str | os.PathLike[str] | Sequence[Mapping[str, Any]]"


@dataclass(frozen=True)
class Data:
    """Rows under the name of what they were read from, and the digest of their texts."""

    name: str
    rows: Sequence[Row]

    @property
    def digest(self) -> str:
        """SHA-256 of the rows: equal for equal rows in the same order."""
        sha = hashlib.sha256()
        for row in self.rows:
            sha.update(orjson.dumps(row, option=orjson.OPT_SORT_KEYS, default=str))
        return sha.hexdigest()


def read_data(source: Source) -> Data:
    """The rows of a run, of a `datasets.Dataset`, of a list of records, or of a file, folder or Hub id.

    Raises:
        SettingsError: there is no such set, its format cannot be told, or it holds no row.
    """
    if isinstance(source, Run):
        name, records = str(source.path), source.dataset
    elif isinstance(source, str | os.PathLike):
        name, records = os.fspath(source), None
    else:
        name, records = f"{len(source):,} rows in memory", [dict(row) for row in source]
    rows = list(read_set(source if records is None else records).rows())
    if not rows:
        raise SettingsError(f"{name}: holds no row that could be trained on")
    return Data(name, rows)


def split(rows: Sequence[Row], validation: float, *, max_rouge: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to validate on, both in their order, such that no two instructions are near.

    Rows with instructions of a ROUGE-L of `max_rouge` or more to each other, also through others, stay on one side.
    `validation` is a share below 1 or a number; there are fewer rows, or none, where the groups are larger.

    Raises:
        SettingsError: as many rows are asked for as there are.
    """
    wanted = round(validation if validation >= 1 else validation * len(rows))
    if not wanted:
        return list(rows), []
    if wanted >= len(rows):
        raise SettingsError(f"{wanted:,} rows are held out of {len(rows):,}, so none is left; set --validation lower")
    groups = near_groups([row["instruction"] for row in rows], max_rouge)
    held = choose(groups, wanted, seed)
    sides: tuple[list[Row], list[Row]] = ([], [])
    for row, group in zip(rows, groups, strict=True):
        sides[group in held].append(row)
    return sides

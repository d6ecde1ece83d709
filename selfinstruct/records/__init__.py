"""Rows of any data set, read and written in the form that they have: JSON lines, a JSON array, Parquet, the Hub.

Records are read twice, once for the texts of one column and once for the rows, which come in blocks, so that a large
set never stands in memory.

    sources.py   what rows are read from
    blocks.py    some rows in the form in which they were read
    output.py    files that appear whole or not at all
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from selfinstruct.directory import DATASET
from selfinstruct.errors import SettingsError
from selfinstruct.records.blocks import Block, Row, check_free, extended
from selfinstruct.records.output import (
    ARRAY,
    LINES,
    PARQUET,
    SUFFIXES,
    appearing,
    check_apart,
    check_no_file_of_a_run,
    check_outputs,
    writing,
)
from selfinstruct.records.sources import Csv, Dataset, InMemory, JsonArray, JsonLines, Parquet, Records, reading
from selfinstruct.run import Run

if TYPE_CHECKING:
    import datasets

__all__ = [
    "Block",
    "Dataset",
    "InMemory",
    "Records",
    "Row",
    "Source",
    "appearing",
    "check_apart",
    "check_free",
    "check_no_file_of_a_run",
    "check_outputs",
    "extended",
    "is_dataset",
    "open_records",
    "writing",
]

_HUB = re.compile(
    r"(?:hf://(?:datasets/)?)?(?P<name>[\w.-]+/[\w.-]+)(?:/(?P<config>[\w.-]+))?(?::(?P<split>[\w.-]+(?:\[[\w%:-]*\])?))?"
)


Source: TypeAlias = "str | os.PathLike[str] | Run | Iterable[Mapping[str, Any]] | datasets.Dataset"
CSV = (".csv",)
READABLE = (*SUFFIXES, *CSV)


def open_records(source: Source, name: str = "the rows") -> Records:
    """Open a data set by what names it, or one that is there already: a run, a `datasets.Dataset`, rows in memory.

    What names it is a file (.jsonl, .json with an array or with lines, .parquet, .csv), a run directory or what
    `refilter -o` wrote (its dataset.jsonl), a folder that `Dataset.save_to_disk` wrote, or a data set of the Hub:
    "owner/name", of which the split "train" is read, "owner/name:test" for another split, "owner/name/config:test" for
    another configuration; "hf://" may stand before. What has no name is called `name` in messages.

    Raises:
        SettingsError: there is no such set, or it cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return _open_named(os.fspath(source))
    if isinstance(source, Run):
        return InMemory(source.dataset, str(source.path))
    if is_dataset(source):
        return Dataset(source, name)
    if not isinstance(source, Iterable):
        raise SettingsError(f"a set is a run, a path or several mappings, not {type(source).__name__}")
    rows: list[Any] = list(source)
    return InMemory(rows, name)


def is_dataset(source: Any) -> TypeGuard[datasets.Dataset]:
    """Whether it is a `datasets.Dataset`. One that exists has loaded the package, which takes a second.

    Raises:
        SettingsError: it is several, or one that can be read only once.
    """
    datasets = sys.modules.get("datasets")
    if datasets is None or not isinstance(source, datasets.DatasetDict | datasets.IterableDataset | datasets.Dataset):
        return False
    if not isinstance(source, datasets.Dataset):
        raise SettingsError(
            f"a {type(source).__name__} has no rows to go back to; give one split as a datasets.Dataset"
        )
    return True


def _open_named(name: str) -> Records:
    path = Path(name)
    if path.is_dir():
        return _open_folder(path, name)
    if path.exists():
        return _open_file(path, name)
    named = _HUB.fullmatch(name)
    if named is None or (path.suffix in READABLE and not name.startswith("hf://")):
        raise SettingsError(f"{name}: no such file; check the path, or name a data set of the Hub as owner/name")
    return _open_hub(name, named["name"], named["config"], named["split"] or "train")


def _open_folder(path: Path, name: str) -> Records:
    if (path / DATASET).is_file():
        return JsonLines(path / DATASET, str(path / DATASET))
    if (path / "state.json").is_file():
        import datasets

        return Dataset(datasets.load_from_disk(str(path)), name)
    raise SettingsError(
        f"{name}: a folder that is neither a run with its {DATASET} nor a set that Dataset.save_to_disk wrote; "
        "name a file or the folder of one split in it"
    )


def _open_file(path: Path, name: str) -> Records:
    if not path.is_file():
        raise SettingsError(
            f"{name}: no plain file; it is read twice, so save what comes through a pipe to a file first"
        )
    suffix = path.suffix.lower()
    if suffix in PARQUET:
        return Parquet(path, name)
    if suffix in CSV:
        return Csv(path, name)
    if suffix not in (*LINES, *ARRAY):
        raise SettingsError(f"{name}: cannot tell the form from its name; sets end in {', '.join(READABLE)}")
    with reading(path) as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    return JsonArray(path, name) if start.startswith(b"[") else JsonLines(path, name)


def _open_hub(name: str, repository: str, config: str | None, split: str) -> Records:
    import datasets
    from datasets.exceptions import DatasetsError

    try:
        return Dataset(datasets.load_dataset(repository, config, split=split), name)
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise SettingsError(
            f"{name}: there is no such file, and the Hub does not give the split {split!r} of {repository!r} "
            f"({error}); another split is named as {repository}:test, another configuration as {repository}/CONFIG"
        ) from error

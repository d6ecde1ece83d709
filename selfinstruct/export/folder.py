"""The folder that a push uploads: the rows as Parquet, the card, and what else was asked for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from selfinstruct.directory import LEDGER
from selfinstruct.errors import SettingsError
from selfinstruct.export.card import PICTURES, Stated, write_card, write_set_card
from selfinstruct.export.measured import Measured, measure
from selfinstruct.ledger import Ledger
from selfinstruct.records import InMemory, Records, writing
from selfinstruct.run import Run

if TYPE_CHECKING:
    import datasets

CARD = "README.md"
DATA = "data/train-00000-of-00001.parquet"
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What is published besides rows and card, and which refusals are overruled.

    `report` asks for the figures, pictures and the check of the rows in the card, which take a minute for 50,000 rows.
    `force` publishes a demonstration, and `allow_keys` texts in which something looks like a key: a decision of its
    own, because a key that was published once has to be revoked.
    """

    ledger: bool = False
    report: bool = True
    force: bool = False
    allow_keys: bool = False


def write_folder(
    source: Run | Records, folder: Path, repo: str, *, stated: Stated | None = None, contents: Contents | None = None
) -> int:
    """Write the files of the data set `repo` into a new folder, and return the number of rows.

    The folder appears whole or not at all.

    Raises:
        SettingsError: there are no rows, a demonstration or a text that looks like a key is not to be published, or the
            folder cannot be written.
        RunError: the ledger was asked for, and it is damaged.
    """
    contents = contents or Contents()
    if isinstance(source, Run) and source.is_demo and not contents.force:
        raise SettingsError(
            f"{source.path}: a demonstration, which the offline teacher wrote, and no training data; --force publishes "
            "it all the same, and its card says what it is"
        )
    if contents.ledger and not isinstance(source, Run):
        raise SettingsError(f"{source.name}: only a run has a ledger; leave --with-ledger out, or name the run")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{folder}: stands there already; name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name:
            made = Path(name) / folder.name
            rows = _write(source, made, repo, stated or Stated(), contents)
            if folder.exists():
                folder.rmdir()
            made.replace(folder)
    except OSError as error:
        raise SettingsError(f"{error.filename or folder}: {error.strerror or error}; {folder} was not made") from error
    return rows


def _write(source: Run | Records, folder: Path, repo: str, stated: Stated, contents: Contents) -> int:
    records = InMemory(source.dataset, str(source.path)) if isinstance(source, Run) else source
    with writing(folder / DATA, records.schema) as write:
        for block in records.blocks():
            write(block)
    info = _info(folder / DATA)
    rows = int(info.splits["train"].num_examples)
    if not rows:
        raise SettingsError(f"{records.name}: there are no rows to push")
    run = source if isinstance(source, Run) else None
    if contents.ledger and run is not None:
        _copy_ledger(run.location / LEDGER, folder / LEDGER)
    if not contents.allow_keys:
        _refuse_keys(_texts(folder))
    measured = measure(folder / DATA, run) if contents.report else Measured()
    for name, content in measured.pictures.items():
        (folder / PICTURES).mkdir(exist_ok=True)
        (folder / PICTURES / name).write_bytes(content)
    if run is not None:
        card = write_card(run, repo=repo, stated=stated, measured=measured, info=info, ledger=contents.ledger)
    else:
        card = write_set_card(repo, info, stated=stated, measured=measured)
    if not contents.allow_keys:
        _refuse_keys([(CARD, card)])
    (folder / CARD).write_text(card, encoding="utf-8")
    return rows


def _copy_ledger(path: Path, to: Path) -> None:
    """Copy its whole lines: another process may be writing to it."""
    with Ledger(path, writable=False) as ledger:
        shutil.copyfile(path, to)
        os.truncate(to, ledger.size)


def _info(path: Path) -> datasets.DatasetInfo:
    """Features, rows and sizes of the file, as the Hub's metadata has them."""
    import datasets
    import pyarrow.parquet as pq  # type: ignore[import-untyped]
    from datasets.splits import SplitDict, SplitInfo

    found = pq.read_metadata(path)
    size = sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))
    return datasets.DatasetInfo(
        features=datasets.Features.from_arrow_schema(pq.read_schema(path)),
        splits=SplitDict({"train": SplitInfo("train", num_bytes=size, num_examples=found.num_rows)}),
        download_size=path.stat().st_size,
        dataset_size=size,
    )


def _refuse_keys(texts: Iterable[tuple[str, str]]) -> None:
    """Look for keys in texts, each with its place. The message names places and kinds, never what was found."""
    from selfinstruct.quality import detect_keys

    found = [(where, kinds) for where, text in texts if (kinds := detect_keys(text))]
    if not found:
        return
    shown = "; ".join(f"{where} ({', '.join(sorted(set(kinds)))})" for where, kinds in found[:SHOWN])
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    raise SettingsError(
        f"texts that look as if they held a key: {shown}{more}. Nothing was published. Take them out of the set. "
        "If you have looked at each and none is a key, --allow-keys publishes them; --force does not"
    )


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """Every text of rows and ledger, with the place that a person finds it by."""
    import pyarrow.parquet as pq

    number = 0
    with pq.ParquetFile(folder / DATA) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"row {row.get('id', number)}", "\n".join(_strings(row))
    if (folder / LEDGER).is_file():
        with open(folder / LEDGER, "rb") as lines:
            for number, line in enumerate(lines, 1):
                yield f"{LEDGER}, line {number}", "\n".join(_strings(orjson.loads(line)))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)

"""Writing a data set in the forms that trainers read.

formats/      rows as records, records as rows; templates/ has the texts
readers.py    sets of any format as rows; detect.py tells which one it is
importing.py  such rows in a file
"""

from __future__ import annotations

import csv
import io
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import jsonlines
import orjson

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats import COLUMNS, EXTRAS, FORMATS, Format, Record, Row, format_named
from selfinstruct.records import appearing, check_no_file_of_a_run

if TYPE_CHECKING:
    import datasets

__all__ = ["FORMATS", "Row", "export", "to_dataset"]

logger = logging.getLogger(__name__)

BY_ENDING = {".json": "alpaca", ".parquet": "parquet", ".csv": "autotrain", "": "datasets"}
# Endings that promise a form to the next reader, whatever their format is called.
STRICT = (".parquet", ".csv")
LEFT = {"system": "a system message", "turns": "turns after the first answer"}
KEEPING = "jsonl, messages and sharegpt hold them"


def export(
    rows: Iterable[Row],
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    template: str | os.PathLike[str] | None = None,
    seed: int = 123,
    card: Callable[[], str] | None = None,
) -> int:
    """Write rows (id, instruction, input, output) to a file or folder and return the number of records.

    `selfinstruct.export.formats` says what the formats are; `jsonl` are the rows, `alpaca` is a JSON array of
    instruction, input and output, `datasets` a folder for `datasets.load_from_disk` with the `card` as its README.md.
    `text`, `prompt-completion` and `autotrain` write with a `template`, by its name or from a file in alpaca-lora's
    shape. `seed` draws the random templates of `self-instruct`. Without a format the ending of the path decides: .json
    is alpaca, .parquet parquet, .csv autotrain, no ending datasets, and any other jsonl.

    Raises:
        SettingsError: there is no such format or template, the ending says another one, or the path cannot be written:
            also where it is a file of a run, a folder in the place of a file, or a folder that holds anything else than
            a saved data set.
    """
    path = Path(path)
    name = format or BY_ENDING.get(path.suffix, "jsonl")
    chosen = format_named(name, template if template is None else Path(template), seed=seed)
    if chosen.records is None:
        raise SettingsError(f"the format {name} is read and not written; the formats are {', '.join(FORMATS)}")
    try:
        _check_free(path, chosen)
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write(rows, path, chosen, card)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror or error})") from error


def _check_free(path: Path, format: Format) -> None:
    """Make sure that writing here destroys nothing but an earlier export."""
    check_no_file_of_a_run(path)
    if path.suffix and path.suffix != format.ending and {path.suffix, format.ending} & set(STRICT):
        raise SettingsError(
            f"{path}: this ending and the format {format.name} would mislead the next reader; change one"
        )
    if not path.is_dir():
        return
    if format.ending:
        example = path / f"export{format.ending}"
        raise SettingsError(
            f"{path}: is a folder, and the format {format.name} is one file; name a file, such as {example}"
        )
    saved = (path / "dataset_info.json").is_file() and (path / "state.json").is_file()
    if not saved and any(path.iterdir()):
        raise SettingsError(f"{path}: is a folder that holds something else than a saved data set; choose another name")


def _write(rows: Iterable[Row], path: Path, format: Format, card: Callable[[], str] | None) -> int:
    assert format.records is not None
    lost: Counter[str] = Counter()
    counted = _Counted(format.records(_watched(rows, format, lost)))
    if format.ending:
        with _opened(path) as file:
            _write_file(counted, file, format.ending)
    else:
        dataset = to_dataset(list(counted))
        with _quiet():
            dataset.save_to_disk(str(path))
        if card is not None:
            (path / "README.md").write_text(card(), encoding="utf-8")
    for name, number in lost.items():
        logger.warning(
            "%s: %s rows have %s, which the format %s leaves out; %s",
            path,
            f"{number:,}",
            LEFT[name],
            format.name,
            KEEPING,
        )
    return counted.number


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears whole or not at all; a link, a pipe or a device is written to as it stands there."""
    in_place = path.is_symlink() or (path.exists() and not path.is_file())
    with open(path, "wb") if in_place else appearing(path) as file:
        yield file


def _write_file(records: Iterable[Record], file: IO[bytes], ending: str) -> None:
    if ending == ".parquet":
        dataset = to_dataset(list(records))
        with _quiet():
            dataset.to_parquet(file)
    elif ending == ".csv":
        file.writelines(_csv(records))
    elif ending == ".json":
        file.writelines(_array(records))
    else:
        jsonlines.Writer(file, dumps=orjson.dumps).write_all(records)


def _watched(rows: Iterable[Row], format: Format, lost: Counter[str]) -> Iterator[Row]:
    """The rows; what the format has no place for is counted."""
    for row in rows:
        lost.update(name for name in EXTRAS if name not in format.holds and row.get(name))
        yield row


class _Counted:
    """Records, and how many of them have passed."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records, self.number = records, 0

    def __iter__(self) -> Iterator[Record]:
        for record in self._records:
            self.number += 1
            yield record


def _array(records: Iterable[Record]) -> Iterator[bytes]:
    """An indented JSON array, piece by piece."""
    before = b"[\n  "
    for record in records:
        yield before + orjson.dumps(record, option=orjson.OPT_INDENT_2).replace(b"\n", b"\n  ")
        before = b",\n  "
    yield b"[]\n" if before.startswith(b"[") else b"\n]\n"


def _csv(records: Iterable[Record]) -> Iterator[bytes]:
    """Lines of CSV in which every cell has quotes, the names of the columns first."""
    line = io.StringIO()
    writer = csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\n")
    names: Sequence[str] = ()
    for record in records:
        if not names:
            names = list(record)
            writer.writerow(names)
        writer.writerow(record.values())
        yield line.getvalue().encode()
        line.seek(0)
        line.truncate()
    if not names:
        yield b'"text"\n'


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars of `datasets`, which are longer than the work."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_disabled:
            enable_progress_bars()


def to_dataset(rows: Iterable[Row]) -> datasets.Dataset:
    """The rows as a `datasets.Dataset`: four text columns, also where there is no row, and what else rows have."""
    import datasets

    held = list(rows)
    columns = {name: [row.get(name) for row in held] for name in _columns(held)}
    features = datasets.Features({name: datasets.Value("string") for name in COLUMNS})
    made = datasets.Dataset.from_dict({name: columns.pop(name) for name in COLUMNS}, features=features)
    for name, values in columns.items():
        made = made.add_column(name, values)
    return made


def _columns(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))

"""Writing a data set in the forms that trainers read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonlines
import orjson

from selfinstruct.directory import DATASET, LEDGER, PROTECTED, REJECTED, SEEDS, SETTINGS, TASKS
from selfinstruct.errors import SettingsError
from selfinstruct.export.formats import alpaca, messages, self_instruct

if TYPE_CHECKING:
    import datasets

Row = Mapping[str, str]
COLUMNS = ("id", "instruction", "input", "output")
FORMATS = ("jsonl", "alpaca", "messages", "self-instruct", "parquet", "datasets")
BY_ENDING = {".json": "alpaca", ".parquet": "parquet", "": "datasets"}
SUFFIXES = {"alpaca": ".json", "parquet": ".parquet"}
RUN_FILES = (SETTINGS, SEEDS, PROTECTED, LEDGER, TASKS, REJECTED, DATASET)


def export(
    rows: Sequence[Row],
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    seed: int = 123,
    card: Callable[[], str] | None = None,
) -> int:
    """Write rows (id, instruction, input, output) to a file or folder and return the number of records.

    Formats: `jsonl` (the rows), `alpaca` (a JSON array of instruction, input, output), `messages` (JSON lines of chat
    messages), `self-instruct` (JSON lines of prompt and completion in the paper's random templates, `seed`), `parquet`,
    and `datasets` (a folder for `datasets.load_from_disk`, with the `card` as its README.md). Without one the ending of
    the path decides: .json is alpaca, .parquet parquet, no ending datasets, and any other jsonl.

    Raises:
        SettingsError: there is no such format, the ending says another one, or the path cannot be written: also where
            it is a file of a run, a folder in the place of a file, or a folder that holds anything else than a saved
            data set.
    """
    path = Path(path)
    kind = format or BY_ENDING.get(path.suffix, "jsonl")
    if kind not in FORMATS:
        raise SettingsError(f"there is no format {kind!r}; the formats are {', '.join(FORMATS)}")
    try:
        _check_free(path, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        return _write(rows, path, kind, seed, card)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written ({error.strerror or error})") from error


def _check_free(path: Path, format: str) -> None:
    """Make sure that writing here destroys nothing but an earlier export."""
    for place in (path, path.resolve()):
        if place.name in RUN_FILES and (place.parent / SETTINGS).is_file():
            raise SettingsError(f"{path}: is a file of the run {place.parent}; choose another name for the export")
    if path.suffix and (format == "parquet") != (path.suffix == ".parquet"):
        raise SettingsError(f"{path}: this ending and the format {format} would mislead the next reader; change one")
    if not path.is_dir():
        return
    if format != "datasets":
        example = path / f"export{SUFFIXES.get(format, '.jsonl')}"
        raise SettingsError(f"{path}: is a folder, and the format {format} is one file; name a file, such as {example}")
    saved = (path / "dataset_info.json").is_file() and (path / "state.json").is_file()
    if not saved and any(path.iterdir()):
        raise SettingsError(f"{path}: is a folder that holds something else than a saved data set; choose another name")


def _write(rows: Sequence[Row], path: Path, format: str, seed: int, card: Callable[[], str] | None) -> int:
    if format == "alpaca":
        path.write_bytes(orjson.dumps(alpaca(rows), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        return len(rows)
    if format in ("parquet", "datasets"):
        with _quiet():
            _write_dataset(to_dataset(rows), path, format)
        if format == "datasets" and card is not None:
            (path / "README.md").write_text(card(), encoding="utf-8")
        return len(rows)
    records: Sequence[Mapping[str, Any]] = rows
    if format == "messages":
        records = messages(rows)
    elif format == "self-instruct":
        records = self_instruct(rows, seed)
    _write_lines(path, records)
    return len(records)


def _write_dataset(dataset: datasets.Dataset, path: Path, format: str) -> None:
    if format == "parquet":
        dataset.to_parquet(str(path))
    else:
        dataset.save_to_disk(str(path))


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


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    with open(path, "wb") as file:
        jsonlines.Writer(file, dumps=orjson.dumps).write_all(records)


def to_dataset(rows: Sequence[Row]) -> datasets.Dataset:
    """The rows as a `datasets.Dataset` of four text columns, also where there are none."""
    import datasets

    features = datasets.Features({name: datasets.Value("string") for name in COLUMNS})
    return datasets.Dataset.from_dict({name: [row[name] for row in rows] for name in COLUMNS}, features=features)

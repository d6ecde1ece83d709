"""The data card: what a reader must know of a set, every sentence from settings, ledger and statistics.

It invents nothing: what is not known is not said, and a licence stands in it only where the publisher states one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selfinstruct.export.measured import Measured
from selfinstruct.export.provenance import model_name, provenance

if TYPE_CHECKING:
    import datasets

    from selfinstruct.run import Run

TEMPLATES = Path(__file__).parent / "templates"
DATA_FILES = "data/train-*"
PICTURES = "pictures"
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B")


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the publisher states, and whether tokens and money are told; the program assumes nothing of it."""

    license: str | None = None
    seeds_license: str | None = None
    cost: bool = False


def write_card(
    run: Run,
    *,
    repo: str | None = None,
    stated: Stated | None = None,
    measured: Measured | None = None,
    info: datasets.DatasetInfo | None = None,
    ledger: bool = False,
) -> str:
    """A card of a run in Markdown, under the Hub's YAML metadata.

    `repo` is the data set of the Hub that the card is for, `info` the features and sizes of the file beside it, and
    `measured` what was measured of the rows. `ledger` says that the ledger lies beside it, too.
    """
    rows = run.dataset
    classification = sum(task.is_classification for task in run.tasks)
    with_input = sum(bool(row["input"]) for row in rows)
    stated = stated or Stated()
    found = provenance(run, seeds_license=stated.seeds_license, cost=stated.cost)
    return _render(
        title=repo.rpartition("/")[2] if repo else f"Instructions written by {model_name(run.settings.model)}",
        contents=f"{len(rows):,} rows of {len(run.tasks):,} tasks ({classification:,} classification tasks); "
        f"{with_input:,} rows have an input. The id names the request, the place in its answer and the instance.",
        columns=list(info.features) if info else ["id", "instruction", "input", "output"],
        rows=len(rows),
        tags=["synthetic", "instruction-tuning", "selfinstruct", *(["demonstration"] if found.demo else [])],
        run=found,
        limits=found.limits,
        citations=_citations(run.settings.method, "rouge"),
        repo=repo,
        ledger=ledger,
        stated=stated,
        measured=measured or Measured(),
        info=info,
    )


def write_set_card(
    repo: str,
    info: datasets.DatasetInfo,
    *,
    stated: Stated | None = None,
    measured: Measured | None = None,
) -> str:
    """A card of a set that is no run: it holds what is known from the rows."""
    rows = info.splits["train"].num_examples
    return _render(
        title=repo.rpartition("/")[2],
        contents=f"{rows:,} rows.",
        columns=list(info.features),
        rows=rows,
        tags=["instruction-tuning", "selfinstruct"],
        run=None,
        ledger=False,
        limits=["Where the rows come from, and under which terms, has to be asked of the publisher."],
        citations=(),
        repo=repo,
        stated=stated or Stated(),
        measured=measured or Measured(),
        info=info,
    )


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows."""
    return next(name for number, name in enumerate(SIZES) if rows < 1000 * 10**number)


def _render(
    *,
    rows: int,
    tags: Sequence[str],
    columns: Sequence[str],
    stated: Stated,
    measured: Measured,
    info: datasets.DatasetInfo | None,
    **facts: Any,
) -> str:
    environment = Environment(  # noqa: S701 - Markdown, and names are escaped where they stand in a table
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    text = environment.get_template("card.md.j2").render(
        metadata=_metadata(rows, tags, stated, measured, info),
        columns=", ".join(f"`{name}`" for name in columns),
        license=stated.license,
        statistics=measured.sentences,
        findings=measured.findings,
        pictures=[PurePosixPath(PICTURES, name) for name in measured.pictures],
        **facts,
    )
    return text.strip() + "\n"


def _metadata(
    rows: int, tags: Sequence[str], stated: Stated, measured: Measured, info: datasets.DatasetInfo | None
) -> str:
    """The YAML block, in the Hub's own words: features and the place of the data where there is a data file."""
    from huggingface_hub import DatasetCardData

    card = DatasetCardData(
        language=list(measured.languages) or None,
        license=stated.license,
        size_categories=[size_category(rows)],
        task_categories=["text-generation"],
        tags=list(tags),
    )
    if info is not None:
        from datasets.info import DatasetInfosDict
        from datasets.utils.metadata import MetadataConfigs

        DatasetInfosDict({"default": info}).to_dataset_card_data(card)
        place = {"data_files": [{"split": "train", "path": DATA_FILES}]}
        MetadataConfigs({"default": place}).to_dataset_card_data(card)
    return str(card.to_yaml()).strip()


def _citations(*names: str) -> list[str]:
    """The BibTeX entries that lie beside the templates, one a method; a method of the user's own has none."""
    files = [TEMPLATES / f"{name}.bib" for name in names]
    return [file.read_text(encoding="utf-8").strip() for file in files if file.is_file()]


def _cell(text: str) -> str:
    """Text that stays inside its cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")

"""`selfinstruct report`."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from selfinstruct.commands.options import json_option, stem_of
from selfinstruct.errors import SettingsError


@click.command("report")
@click.argument("source", required=False)
@click.option("--against", metavar="SET", help="What it is compared with (default for a run: its seeds).")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File for the page, or for a sheet.")
@click.option("--review", metavar="N", type=click.IntRange(1), help="Write N random rows as a quality sheet (CSV).")
@click.option("--rate", metavar="PREDICTIONS", help="Write SOURCE with a model's answers as a grading sheet (CSV).")
@click.option(
    "--reviewed", multiple=True, type=click.Path(path_type=Path), help="A filled sheet; twice for two raters."
)
@click.option(
    "--pairs", default=100_000_000, show_default=True, help="Compare at most so many, else those of a sample."
)
@click.option("--seed", default=0, show_default=True, help="Of the samples.")
@json_option
def command(
    source: str | None,
    against: str | None,
    output: Path | None,
    review: int | None,
    rate: str | None,
    reviewed: tuple[Path, ...],
    pairs: int,
    seed: int,
    as_json: bool,
) -> int:
    """Look at SOURCE, a run or any set: the paper's Table 1 and figures, as text and as one HTML file.

    SOURCE and SET are run directories, .jsonl, .json, .parquet or .csv files, or data sets of the Hub (owner/name), of
    rows with an instruction, in the Self-Instruct or the Alpaca shape. The page (default: NAME-report.html in this
    folder) needs no server and no network; it has all rows and, for a run, all that was rejected, to browse, search and
    filter.

    \b
    Judging by hand, as in the paper:
      --review 200        a sheet of random rows with three questions, answered yes or no
      --rate PREDICTIONS  a sheet with a model's answers to the tasks of SOURCE, graded A to D
      --reviewed SHEET    read filled sheets: percentages, and Cohen's kappa for two raters

    \b
    Examples:
      selfinstruct report runs/demo
      selfinstruct report alpaca.json --against runs/demo -o compared.html
      selfinstruct report runs/demo --review 200 -o sheet.csv
      selfinstruct report --reviewed ann.csv --reviewed ben.csv
    """
    from selfinstruct.report import rating_sheet, read_material, read_review, report, save_sheet
    from selfinstruct.report.review import quality_sheet

    if source is None:
        if not reviewed:
            raise click.UsageError("Missing argument 'SOURCE': a run, a file or a Hub id (or --reviewed SHEET).")
        found = read_review(reviewed)
        click.echo(orjson.dumps(found.to_dict()).decode() if as_json else str(found))
        return 0
    if review and rate:
        raise SettingsError("--review and --rate make two different sheets; ask for one at a time")
    if review or rate:
        material = read_material(source)
        text = quality_sheet(material, review, seed) if review else rating_sheet(material, str(rate))
        path = save_sheet(output or Path(f"{stem_of(source)}-{'review' if review else 'ratings'}.csv"), text)
        if as_json:
            click.echo(orjson.dumps({"sheet": str(path)}).decode())
        click.echo(f"{path}: to be filled in, then read by selfinstruct report --reviewed {path}", err=True)
        return 0
    made = report(source, against=against, reviewed=reviewed, pairs=pairs, seed=seed)
    path = made.save(output or Path(f"{stem_of(source)}-report.html"))
    click.echo(orjson.dumps(made.to_dict(), option=orjson.OPT_INDENT_2).decode() if as_json else str(made))
    click.echo(f"the page is {path}", err=True)
    return 0

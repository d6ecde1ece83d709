"""`selfinstruct split`."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from selfinstruct.commands.options import json_option
from selfinstruct.errors import SettingsError

FILES = ("train.jsonl", "test.jsonl")


@click.command("split")
@click.argument("source", metavar="IN")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for train.jsonl and test.jsonl.")
@click.option("--train", type=click.Path(path_type=Path), help="File for the training rows, in the place of -o.")
@click.option("--test", type=click.Path(path_type=Path), help="File for the test rows, in the place of -o.")
@click.option("--fraction", default=0.1, show_default=True, help="Share of the rows for the test set.")
@click.option("--size", type=int, help="Number of rows for the test set, in the place of --fraction.")
@click.option("--field", default="instruction", show_default=True, help="Column whose texts are compared.")
@click.option("--max-rouge", default=0.7, show_default=True, help="From this ROUGE-L on rows stay together.")
@click.option("--ngram", default=13, show_default=True, help="So many words in a row keep rows together (0: off).")
@click.option("--seed", default=42, show_default=True, help="Choice of the test rows.")
@json_option
def command(
    source: str,
    output: Path | None,
    train: Path | None,
    test: Path | None,
    fraction: float,
    size: int | None,
    field: str,
    max_rouge: float,
    ngram: int,
    seed: int,
    as_json: bool,
) -> int:
    """Part a set into training and test rows, with no near-duplicate of one in the other.

    Rows stay together whose instructions are the same or have a ROUGE-L of --max-rouge or above, and rows whose
    instructions, inputs or outputs share --ngram words in a row, over any number of steps: what `selfinstruct evaluate`
    asks of a test set. The same seed gives the same rows.

    \b
    Examples:
      selfinstruct split runs/first -o parts
      selfinstruct split all.jsonl --train train.parquet --test test.parquet --size 2000
    """
    from selfinstruct.split import split

    files = (train, test) if output is None else tuple(output / name for name in FILES)
    if None in files or (output is not None and (train or test)):
        raise SettingsError("name a folder (-o DIR), or both files (--train FILE --test FILE)")
    made = split(source, *files, fraction=fraction, size=size, field=field, max_rouge=max_rouge, ngram=ngram, seed=seed)
    for warning in made.warnings:
        click.echo(warning, err=True)
    click.echo(orjson.dumps(made.to_dict()).decode() if as_json else f"{files[0]}, {files[1]}: {made}")
    return 0

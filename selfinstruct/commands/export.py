"""`selfinstruct export`."""

from __future__ import annotations

from pathlib import Path

import click

import selfinstruct
from selfinstruct.commands.options import run_argument


@click.command("export")
@run_argument
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File or folder to write.")
@click.option(
    "--format",
    "-f",
    help="jsonl, alpaca, messages, self-instruct, parquet or datasets (default: by the ending of the output: .json is "
    "alpaca, .parquet parquet, none datasets, any other jsonl).",
)
@click.option("--seed", default=123, show_default=True, help="Choice of the random templates of self-instruct.")
def command(run: Path, output: Path, format: str | None, seed: int) -> int:
    """Write the data set of RUN in a form that trainers read.

    \b
    Examples:
      selfinstruct export runs/demo -o demo.json --format alpaca
      selfinstruct export runs/demo -o demo.parquet
    """
    number = selfinstruct.load(run).export(output, format, seed=seed)
    click.echo(f"{number:,} records in {output}")
    return 0

"""`selfinstruct concat`."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from selfinstruct.commands.options import json_option


@click.command("concat")
@click.argument("sets", metavar="IN...", nargs=-1, required=True)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help=".jsonl, .json or .parquet file.")
@click.option("--dedup", is_flag=True, help="Drop rows too similar to an earlier one, as `selfinstruct dedup` does.")
@click.option("--max-rouge", default=0.7, show_default=True, help="Of --dedup: keep only below this ROUGE-L.")
@click.option("--rejected", type=click.Path(path_type=Path), help="Of --dedup: file for the dropped rows.")
@json_option
def command(
    sets: tuple[str, ...], output: Path, dedup: bool, max_rouge: float, rejected: Path | None, as_json: bool
) -> int:
    """Put sets together, in their order, with a column that says where each row came from.

    Each IN is a run directory or any set that `selfinstruct import` reads; formats may differ. The column source has
    the name of the file or run, unless the row has a source already. An id that an earlier set has is written with the
    name of its set in front.

    \b
    Examples:
      selfinstruct concat runs/first runs/second -o all.jsonl
      selfinstruct concat runs/first alpaca_data.json chats.parquet -o all.parquet --dedup
    """
    from selfinstruct.concat import concat

    made = concat(sets, output, dedup=dedup, max_rouge=max_rouge, rejected=rejected)
    click.echo(orjson.dumps(made.to_dict()).decode() if as_json else f"{output}: {made}")
    return 0

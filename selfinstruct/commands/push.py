"""`selfinstruct push`."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import orjson

from selfinstruct.commands.options import json_option


@click.command("push")
@click.argument("source", metavar="RUN|DATASET")
@click.argument("repo")
@click.option(
    "--dry-run",
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the folder that would be pushed, and push nothing.",
)
@click.option("--public", is_flag=True, help="Make a new data set public; without it, it is private.")
@click.option("--license", metavar="ID", help="Licence of the data for the card, such as cc-by-4.0; none is assumed.")
@click.option("--seeds-license", metavar="TEXT", help="Licence of seeds of your own, for the card.")
@click.option("--cost", is_flag=True, help="Tell tokens and money in the card.")
@click.option("--with-ledger", is_flag=True, help="Push every answer of the model, too, the rejected ones included.")
@click.option(
    "--no-report", is_flag=True, help="No figures and pictures in the card: they take a minute for 50,000 rows."
)
@click.option("--force", is_flag=True, help="Push a demonstration all the same.")
@click.option("--allow-keys", is_flag=True, help="Push texts that look as if they held a key: look at each first.")
@json_option
def command(
    source: str,
    repo: str,
    folder: Path | None,
    public: bool,
    license: str | None,
    seeds_license: str | None,
    cost: bool,
    with_ledger: bool,
    no_report: bool,
    force: bool,
    allow_keys: bool,
    as_json: bool,
) -> int:
    """Publish RUN or DATASET on the Hub of Hugging Face as the data set REPO (OWNER/NAME), with a data card.

    DATASET is a .jsonl, .json, .parquet or .csv file, a folder that `export` wrote, or a data set of the Hub. All files
    come in one commit. A data set that is there already is replaced, its card and columns included, stays as private or
    public as it is, and keeps its history. The login is that of `hf auth login`, or HF_TOKEN.

    Texts are searched for keys and passwords first, and nothing is uploaded where one is found; --force does not change
    that, because a key that was published once has to be revoked.

    \b
    Examples:
      selfinstruct push runs/first me/my-instructions --dry-run folder
      selfinstruct push runs/first me/my-instructions --license cc-by-4.0
      selfinstruct push cleaned.jsonl me/my-instructions --public
    """
    from selfinstruct.export.card import Stated
    from selfinstruct.export.folder import Contents, write_folder
    from selfinstruct.export.hub import check_name, open_source, push

    check_name(repo)
    opened = open_source(source)
    stated = Stated(license=license, seeds_license=seeds_license, cost=cost)
    if folder is not None:
        contents = Contents(ledger=with_ledger, report=not no_report, force=True, allow_keys=allow_keys)
        rows = write_folder(opened, folder, repo, stated=stated, contents=contents)
        click.echo(
            orjson.dumps({"folder": str(folder), "rows": rows}).decode()
            if as_json
            else f"{folder}: {rows:,} rows as they would stand in {repo}; nothing was pushed"
        )
        return 0
    if not sys.stderr.isatty():
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
    contents = Contents(ledger=with_ledger, report=not no_report, force=force, allow_keys=allow_keys)
    pushed = push(opened, repo, private=not public, stated=stated, contents=contents)
    if as_json:
        click.echo(orjson.dumps(pushed.to_dict()).decode())
        return 0
    deleted = f", {len(pushed.deleted)} files of an earlier push deleted" if pushed.deleted else ""
    click.echo(
        f"{pushed.url}: {pushed.rows:,} rows, {'private' if pushed.private else 'public'}; "
        f"{len(pushed.files)} files in one commit{deleted}"
    )
    return 0

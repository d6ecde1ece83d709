"""`selfinstruct train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

from selfinstruct.commands.options import given, json_option, options_of
from selfinstruct.train.methods import table
from selfinstruct.train.presets import PRESETS
from selfinstruct.train.presets import preset as preset_settings
from selfinstruct.train.settings import TrainSettings

HELP = f"""Tune a model on DATASET: a run, a file or folder in any format that `import` reads, or a Hub id.

OUTPUT gets the adapter (or the whole model, of --method full), the tokenizer, losses.jsonl and losses.png, a card, and
training.json, which says how it was made. The answer of each row is trained, and its end; prompts are masked.

\b
Examples:
  selfinstruct train runs/first --base Qwen/Qwen3-0.6B -o adapters/first
  selfinstruct train runs/first --base Qwen/Qwen3-0.6B -o adapters/first --dry-run --show-masks 2
  selfinstruct train runs/first -o adapters/first --resume auto
  selfinstruct train tatsu-lab/alpaca --base huggyllama/llama-7b -o adapters/alpaca --preset alpaca-lora
  torchrun --nproc-per-node 4 -m selfinstruct train runs/first --base NAME -o adapters/first --processes 4

\b
Methods, and what each goes with:
{chr(10).join("  " + line for line in table().splitlines())}

Needs selfinstruct[train]; --quantization also [qlora], --engine trl also [trl].
"""


@click.command("train", help=HELP)
@click.argument("dataset")
@click.option("--base", metavar="MODEL", help="Folder or Hub id of the model to tune.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the result.")
@click.option("--preset", metavar="NAME", help=f"Settings of a published recipe: {', '.join(PRESETS)}.")
@click.option("--resume", metavar="auto|PATH", help="Go on from the last whole checkpoint, or from this one.")
@click.option("--merge", is_flag=True, help="Also write the merged model to OUTPUT/merged.")
@click.option(
    "--autotrain", type=click.Path(path_type=Path), help="Write train.csv here and print AutoTrain's command."
)
@click.option("--dry-run", is_flag=True, help="Print steps, tokens, parameters and memory; train nothing.")
@click.option("--show-masks", type=int, metavar="N", help="Print the first N rows with what is masked and trained.")
@options_of(TrainSettings)
@json_option
@click.option("--quiet", "-q", is_flag=True, help="No progress line.")
def command(
    dataset: str,
    base: str | None,
    output: Path | None,
    preset: str | None,
    resume: str | None,
    merge: bool,
    autotrain: Path | None,
    dry_run: bool,
    show_masks: int | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> int:
    settings: dict[str, Any] = given(options)
    if autotrain is not None:
        return _autotrain(dataset, base, preset, autotrain, settings)
    if dry_run or show_masks:
        status = _preview(dataset, base, preset, merge, show_masks or 0, as_json, settings)
        if not dry_run:
            click.echo("nothing was trained; leave --show-masks out to train", err=True)
        return status
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output': the folder for the result.")
    from selfinstruct.train import finetune

    tuned = finetune(
        dataset, base, output, preset=preset, resume=resume, merge=merge, progress=False if quiet else None, **settings
    )
    if tuned.is_first:
        click.echo(orjson.dumps(tuned.record).decode() if as_json else str(tuned))
    return 0


def _autotrain(dataset: str, base: str | None, preset: str | None, folder: Path, settings: dict[str, Any]) -> int:
    from selfinstruct.train.autotrain import differences, write_autotrain
    from selfinstruct.train.data import read_data

    if base is None:
        raise click.UsageError("Missing option '--base': the model that AutoTrain is to tune.")
    chosen = TrainSettings().updated({**preset_settings(preset or "autotrain"), **settings})
    rows = read_data(dataset).rows
    line = write_autotrain(rows, folder, base, chosen)
    for difference in differences(rows, base, chosen):
        click.echo(f"AutoTrain: {difference}", err=True)
    click.echo(line)
    return 0


def _preview(
    dataset: str, base: str | None, preset: str | None, merge: bool, rows: int, as_json: bool, settings: dict[str, Any]
) -> int:
    from selfinstruct.train.training import prepare

    prepared = prepare(dataset, base, preset=preset, merge=merge, **settings)
    if as_json:
        facts = {"plan": prepared.plan.to_dict(), "encoding": prepared.report.to_dict()}
        click.echo(orjson.dumps(facts).decode())
        return 0
    if rows:
        click.echo(prepared.encoder.show(prepared.examples, rows))
    click.echo(prepared.report)
    click.echo(prepared.plan)
    return 0

"""`selfinstruct merge`."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from selfinstruct.commands.options import json_option


@click.command("merge")
@click.argument("adapter")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the model (default ADAPTER/merged).")
@click.option("--base", metavar="MODEL", help="Where the base is, if it was moved.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Numbers of the merged model; 16 bits halve the file and round.",
)
@click.option("--max-drift", type=float, help="Refuse a larger difference of a logit (1e-3; bfloat16 1, float16 0.25).")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where.")
@json_option
def command(
    adapter: str,
    output: Path | None,
    base: str | None,
    dtype: str,
    max_drift: float | None,
    device: str,
    as_json: bool,
) -> int:
    """Make the ADAPTER of a training part of its base: a model that opens without peft and without this package.

    The base is loaded anew in full precision. The merged model is saved, opened again and compared with the adapter on
    real prompts; a difference above the bound is refused.

    \b
    Examples:
      selfinstruct merge adapters/first
      selfinstruct merge adapters/first -o models/first --dtype bfloat16
    """
    from selfinstruct.train import merge
    from selfinstruct.train.models import is_adapter

    if output is None and not Path(adapter).is_dir() and is_adapter(adapter):
        raise click.UsageError("Missing option '-o' / '--output': the folder for the model.")
    made = merge(
        adapter,
        Path(adapter) / "merged" if output is None else output,
        base=base,
        dtype=dtype,
        device=device,
        max_drift=max_drift,
    )
    if as_json:
        click.echo(orjson.dumps(made.to_dict()).decode())
        return 0
    click.echo(made)
    click.echo(f"for llama.cpp, type: {made.conversion}")
    return 0

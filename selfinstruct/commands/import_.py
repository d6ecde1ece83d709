"""`selfinstruct import`."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from selfinstruct.commands.options import json_option

template_option = click.option(
    "--template", metavar="NAME_OR_FILE", help="Template of its texts: a name, or a JSON file in alpaca-lora's shape."
)


@click.command("import")
@click.argument("source", metavar="IN")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help=".jsonl, .json or .parquet file.")
@click.option("--format", "-f", metavar="NAME", help="Format of IN, where its columns do not say it.")
@template_option
@click.option("--rejected", type=click.Path(path_type=Path), help="File for what cannot be read, with the reason.")
@click.option("--whole", is_flag=True, help="Of chats: leave what stands behind a blank line in the instruction.")
@click.option("--tasks", "as_tasks", is_flag=True, help="Write a task for each instruction, the shape of seeds.")
@json_option
def command(
    source: str,
    output: Path,
    format: str | None,
    template: str | None,
    rejected: Path | None,
    whole: bool,
    as_tasks: bool,
    as_json: bool,
) -> int:
    """Write a set of any known format as rows: id, instruction, input, output.

    IN is a .jsonl, .json, .parquet or .csv file, a run directory, or a data set of the Hub (owner/name, owner/name:test
    for another split than train). Its format is told by its columns. Rows may also have a source, a system message,
    and turns, which is what was said after the output.

    \b
    Formats that are read:
      jsonl, alpaca, regen      columns instruction, input, output (regen: Stanford's regen.json)
      pairs                     one column that asks, one that answers: prompt and response, ...
      messages, sharegpt        chats of OpenAI, ShareGPT, Vicuna; also with several turns
      text, autotrain           texts of a template: alpaca, guanaco, llama-2, chatml, vicuna, ...
      prompt-completion         the same in two columns; self-instruct: in its random templates
      text-to-text              input_text and target_text
      tasks, machine-instances  Self-Instruct's seed tasks, and its generated instances
      instructions              instructions alone, such as its generated ones
      distilabel, curator       what these programs write

    \b
    Examples:
      selfinstruct import alpaca_data.json -o rows.jsonl
      selfinstruct import HuggingFaceH4/ultrachat_200k:train_sft -o rows.parquet --rejected unreadable.jsonl
      selfinstruct import machine_generated_instances.jsonl -o seeds.jsonl --tasks
      selfinstruct generate runs/on --seeds seeds.jsonl --model NAME
    """
    from selfinstruct.export.importing import import_set

    made = import_set(source, output, format, template=template, whole=whole, as_tasks=as_tasks, rejected=rejected)
    click.echo(orjson.dumps(vars(made)).decode() if as_json else f"{output}: {made}")
    return 0

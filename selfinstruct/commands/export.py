"""`selfinstruct export`."""

from __future__ import annotations

from pathlib import Path

import click

import selfinstruct
from selfinstruct.directory import SETTINGS


@click.command("export")
@click.argument("source", metavar="RUN")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File or folder to write.")
@click.option("--format", "-f", metavar="NAME", help="One of these (default: by the ending of the output).")
@click.option(
    "--template", metavar="NAME_OR_FILE", help="Of text, prompt-completion, autotrain: a name above, or a JSON file."
)
@click.option("--seed", default=123, show_default=True, help="Choice of the random templates of self-instruct.")
def command(source: str, output: Path, format: str | None, template: str | None, seed: int) -> int:
    """Write the data set of RUN in a form that trainers read.

    RUN is a run directory, or any other set that `selfinstruct import` reads: a file, a data set of the Hub.

    \b
    Formats:
      jsonl              the rows: id, instruction, input, output (default)
      alpaca             JSON array of instruction, input, output (default for .json)
      messages           JSON lines of chat messages: OpenAI, trl
      sharegpt           JSON array of conversations between human and gpt: FastChat (Vicuna)
      self-instruct      prompt and completion in the paper's 13 random templates
      prompt-completion  prompt and completion of a template (alpaca): trl
      text               whole texts of a template (alpaca) in one column
      alpaca-legacy, alpaca-short, guanaco, vicuna, llama-2, chatml
                         the same, each with the template of its name
      autotrain          CSV file of whole texts (guanaco): AutoTrain (default for .csv)
      text-to-text       input_text and target_text: T5
      parquet            the rows (default for .parquet)
      datasets           a folder for datasets.load_from_disk, with a data card (default without ending)

    \b
    A template of your own is a JSON file in alpaca-lora's shape (prompt_input, prompt_no_input,
    response_split), with {instruction} and {input} or as Jinja.

    \b
    Examples:
      selfinstruct export runs/demo -o demo.json --format alpaca
      selfinstruct export runs/demo -o demo.parquet
      selfinstruct export runs/demo -o demo.jsonl --format prompt-completion --template mine.json
      selfinstruct export tatsu-lab/alpaca -o chats.jsonl --format messages
    """
    from selfinstruct.export import export
    from selfinstruct.export.readers import Unread, read_set
    from selfinstruct.records import check_apart

    if (Path(source) / SETTINGS).is_file():
        number = selfinstruct.load(source).export(output, format, template=template, seed=seed)
    else:
        unread = Unread()
        rows = read_set(source)
        check_apart(output, rows)
        number = export(rows.rows(unread), output, format, template=template, seed=seed)
        if unread.number:
            click.echo(
                f"{unread.number:,} records of {source} could not be read, the first: {unread.first} (`selfinstruct "
                f"import` writes them to a file with --rejected)",
                err=True,
            )
    click.echo(f"{number:,} records in {output}")
    return 0

"""`selfinstruct dedup`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from selfinstruct.commands.options import given, json_option
from selfinstruct.errors import SettingsError

if TYPE_CHECKING:
    from selfinstruct.dedup import Measure


@click.command("dedup")
@click.argument("source", metavar="IN")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File for the kept rows.")
@click.option("--rejected", type=click.Path(path_type=Path), help="File for the dropped rows, with partner and score.")
@click.option("--field", default="instruction", show_default=True, help="Column whose texts are compared.")
@click.option("--max-rouge", default=0.7, show_default=True, help="Keep only below this ROUGE-L to every kept row.")
@click.option(
    "--tokenizer",
    type=click.Choice(["words", "rouge"]),
    default="words",
    show_default=True,
    help="words: of any script; rouge: rouge_score's ASCII words.",
)
@click.option("--against", multiple=True, metavar="FILE", help="Also drop what is too similar to its rows. Repeatable.")
@click.option("--against-field", metavar="FIELD", help="Column of these files, where it is another.")
@click.option(
    "--by",
    type=click.Choice(["exact", "minhash", "semantic"]),
    default="exact",
    show_default=True,
    help="How similar rows are found; see above.",
)
@click.option("--threshold", default=0.9, show_default=True, help="Of semantic: keep only below this cosine.")
@click.option("--model", metavar="ID_OR_PATH", help="Of semantic: a static embedding model that model2vec can open.")
@json_option
def command(
    source: str,
    output: Path,
    rejected: Path | None,
    field: str,
    against: tuple[str, ...],
    against_field: str | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Drop the rows of IN that are too similar to an earlier one, in file order, as the filter of a run does.

    IN and the files of --against are .jsonl, .json, .parquet or .csv files, run directories, or data sets of the Hub
    (owner/name, owner/name:test for another split than train). Outputs are .jsonl, .json or .parquet. Rows that have
    the text of --field in common and differ elsewhere, such as in their inputs, count as similar.

    \b
    Ways to compare:
      exact     every pair at a ROUGE-L of --max-rouge or above is found.
      minhash   MinHash LSH proposes pairs, which are then compared exactly. What is dropped is as
                similar as stated, but some 2 in 100 similar pairs are missed, most of them close to
                --max-rouge. Faster on texts of hundreds of words only.
      semantic  cosine of embeddings, which sees paraphrases that ROUGE-L cannot; what a cosine
                means depends on the --model. Needs selfinstruct[semantic].

    \b
    Examples:
      selfinstruct dedup all.jsonl -o kept.jsonl --rejected dropped.jsonl
      selfinstruct dedup tatsu-lab/alpaca -o train.parquet --against test.jsonl --json
      selfinstruct dedup all.jsonl -o kept.jsonl --by semantic --model minishlab/potion-base-8M
    """
    from selfinstruct.dedup_files import dedup_files

    summary = dedup_files(
        source,
        output,
        rejected=rejected,
        field=field,
        against=against,
        against_field=against_field,
        measure=_measure(**options),
    )
    click.echo(orjson.dumps(summary.to_dict()).decode() if as_json else f"{output}: {summary}")
    return 0


def _measure(by: Any, model: str | None, **options: Any) -> Measure:
    """How `dedup` compares; options of another way would have no effect, which is an error."""
    from selfinstruct.dedup import Measure

    others = {"max_rouge", "tokenizer"} if by == "semantic" else {"threshold", "model"}
    if misplaced := sorted(others & given({**options, "model": model}).keys()):
        name = misplaced[0].replace("_", "-")
        raise SettingsError(f"--{name} has no part in --by {by}; leave it out, or choose another way with --by")
    if by != "semantic" or model is None:
        return Measure(by=by, **options)
    from selfinstruct.approximate import load_encoder

    return Measure(by=by, encoder=load_encoder(model), **options)

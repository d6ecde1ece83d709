"""`selfinstruct evaluate`."""

from __future__ import annotations

from typing import Any

import click
import orjson

from selfinstruct.commands.options import json_option


@click.command("evaluate")
@click.argument("model")
@click.argument("dataset")
@click.option("-o", "--output", required=True, type=click.Path(), help="Folder for answers, scores and the table.")
@click.option("--compare", multiple=True, metavar="MODEL", help="Another model to ask the same. Repeatable.")
@click.option("--no-base", is_flag=True, help="Of an adapter: do not ask its base, too.")
@click.option("--training", multiple=True, metavar="DATA", help="What the model was trained on. Repeatable.")
@click.option(
    "--held-out-by",
    type=click.Choice(["tasks", "instances"]),
    default="tasks",
    show_default=True,
    help="Held out are questions with a new instruction, or those with a new input to any.",
)
@click.option(
    "--on-overlap",
    type=click.Choice(["refuse", "drop", "allow"]),
    default="refuse",
    show_default=True,
    help="What to do about questions that stand in the training data.",
)
@click.option("--per-task", type=int, metavar="N", help="Take the first N questions of each task.")
@click.option("--format", help="How prompts are written (default: as the model was tuned, else chat, else alpaca).")
@click.option("--max-new-tokens", default=256, show_default=True, help="Longest answer.")
@click.option("--temperature", default=0.0, show_default=True, help="0 is greedy.")
@click.option("--top-p", default=1.0, show_default=True, help="Of answers that are drawn.")
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap, and of answers that are drawn.")
@click.option("--bertscore", metavar="ENCODER", help="Folder or Hub id of an encoder; without it no BERTScore.")
@click.option("--bertscore-layer", type=int, metavar="N", help="Its layer (default: at three quarters of the depth).")
@click.option("--batch-size", default=16, show_default=True, help="Prompts at once of a local model.")
@click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto")
@click.option("--base-url", metavar="URL", help="MODEL is a name at this OpenAI-compatible endpoint.")
@click.option("--api-key-env", metavar="NAME", help="Environment variable that holds the key of endpoints.")
@click.option("--api", type=click.Choice(["chat", "completions"]), default="chat", show_default=True)
@click.option("--concurrency", default=16, show_default=True, help="Requests in flight at an endpoint.")
@click.option("--timeout", default=600.0, show_default=True, help="Seconds for one try of a request.")
@click.option("--give-up", default=600.0, show_default=True, help="Seconds without any success that end it.")
@click.option("--quiet", "-q", is_flag=True, help="No progress line.")
@json_option
def command(
    model: str,
    dataset: str,
    output: str,
    compare: tuple[str, ...],
    no_base: bool,
    training: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Score the answers of MODEL to the questions of DATASET, beside those of its base or of other models.

    MODEL is a folder or Hub id (a base, an adapter, a merged model), or a model at an endpoint: NAME@http://host/v1.
    DATASET is a .jsonl, .json or .parquet file of instruction, input and output (a text, or a list of right answers),
    of tasks with instances, or of Super-NaturalInstructions, also a folder of these; a run; or a data set of the Hub.
    The same command goes on with an evaluation that was stopped; no answer is asked for twice.

    With --training the questions are looked for in that data: instructions at a ROUGE-L of 0.7 or above, and 13
    words in a row of anything. A tuned model's own record names its data. Needs selfinstruct[eval].

    \b
    Examples:
      selfinstruct evaluate adapters/first test.jsonl -o results/first --training train.jsonl
      selfinstruct evaluate merged/first test.jsonl -o results/two --compare Qwen/Qwen3-0.6B
      selfinstruct evaluate NAME@http://localhost:8000/v1 tasks/ --per-task 100 -o results/server
    """
    from selfinstruct.train.extras import require

    require("eval")
    from selfinstruct.train.evaluation import Means, Plan, evaluate

    names = ("base_url", "api_key_env", "api", "concurrency", "timeout", "give_up", "batch_size", "dtype", "device")
    means = Means(**{name: options.pop(name) for name in names})
    made = evaluate(
        model,
        dataset,
        output,
        compare=compare,
        with_base=not no_base,
        training=training,
        plan=Plan(**options),
        means=means,
        progress=False if quiet else None,
    )
    click.echo(orjson.dumps(made.summary).decode() if as_json else made.table.rstrip("\n"))
    if not as_json:
        click.echo(f"\nanswers and scores: {made.path / 'predictions.jsonl'}", err=True)
        for name, words in made.summary["lm_eval"].items():
            click.echo(f"the same by lm-evaluation-harness, {name}:\n  {words}", err=True)
    return 0

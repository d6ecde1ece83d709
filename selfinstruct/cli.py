"""The command line: each command opens a run, calls one function of the API and prints."""

from __future__ import annotations

import logging
import sys
import typing
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

import selfinstruct
from selfinstruct.errors import SelfInstructError, SettingsError
from selfinstruct.run import Run
from selfinstruct.settings import Settings

if TYPE_CHECKING:
    from selfinstruct.dedup import Measure


def main() -> None:
    """Run the command line: errors become one message and the exit status of `errors.py`."""
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped at once; the answers so far are kept, the same command goes on", err=True)
        sys.exit(130)
    except SelfInstructError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        click.echo(f"Error: {error.filename or 'output'}: {error.strerror}", err=True)
        sys.exit(1)


class _Commands(click.Group):
    """Commands in the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(selfinstruct.__version__, prog_name="selfinstruct")
def cli() -> None:
    """Seeds in, a language model of your choice, a clean instruction-tuning data set out.

    \b
    Try it without a key or network:
      selfinstruct generate runs/demo --model demo --num-tasks 50
    """


def _option(field: Field[Any]) -> Callable[[Any], Any]:
    """The command-line option of one setting."""
    kind = typing.get_type_hints(Settings)[field.name]
    inner = [one for one in typing.get_args(kind) if one is not type(None)]
    repeated = tuple in [typing.get_origin(one) for one in (kind, *inner)]
    choices = inner if inner and all(isinstance(one, str) for one in inner) else None
    names = [field.metadata.get("option", "--" + field.name.replace("_", "-")), field.name]
    if "short" in field.metadata:
        names.insert(0, field.metadata["short"])
    keywords: dict[str, Any] = {"help": field.metadata["help"], "default": None}
    if kind is bool:
        keywords["is_flag"] = True
    elif choices:
        keywords["type"] = click.Choice(choices)
    elif not repeated:
        keywords["type"] = inner[0] if inner else kind
    if repeated:
        keywords["multiple"] = True
        keywords["help"] += " Repeatable."
    if field.default not in (None, (), 0):
        keywords["help"] = f"{keywords['help']} (default {field.default})"
    return click.option(*names, **keywords)


def _settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for field in reversed(fields(Settings)):
        command = _option(field)(command)
    return command


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that stand on the command line: the others come from the run, or are defaults."""
    source = click.get_current_context().get_parameter_source
    return {
        name: value for name, value in options.items() if source(name) not in (click.core.ParameterSource.DEFAULT, None)
    }


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@_settings_options
@click.option(
    "--dry-run", is_flag=True, help="Print the first prompts and an estimate of calls and tokens; make no call."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress line.")
def generate(run: Path, dry_run: bool, quiet: bool, **options: Any) -> int:
    """Grow a data set from seed tasks into the directory RUN, or go on with the run that is there.

    The same command resumes a run that was stopped or killed; options that are not given come from the run.

    \b
    Examples:
      selfinstruct generate runs/demo --model demo -n 50
      selfinstruct generate runs/first --model gpt-5-mini -n 1000
      selfinstruct generate runs/local --base-url http://localhost:8000/v1 --model NAME

    \b
    Exit status: 0 target reached, 1 run unusable, 2 wrong usage, 3 stopped early (saturated),
    4 endpoint failed, 130 interrupted, 143 terminated. After 4, 130 and 143 the same command goes on.
    """
    given: Any = _given(options)
    if dry_run:
        from selfinstruct.preview import preview

        click.echo(str(preview(run, **given)))
        return 0
    made = selfinstruct.generate(run, progress=False if quiet else None, **given)
    click.echo(_summary(made))
    return made.exit_status


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(run: Path, as_json: bool) -> int:
    """Show how far RUN is: also from another terminal while it grows.

    \b
    Example:
      selfinstruct status runs/demo
    """
    opened = selfinstruct.load(run)
    click.echo(orjson.dumps(_facts(opened), option=orjson.OPT_INDENT_2).decode() if as_json else _summary(opened))
    return 0


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File or folder to write.")
@click.option(
    "--format",
    "-f",
    help="jsonl, alpaca, messages, self-instruct, parquet or datasets (default: by the ending of the output: .json is "
    "alpaca, .parquet parquet, none datasets, any other jsonl).",
)
@click.option("--seed", default=123, show_default=True, help="Choice of the random templates of self-instruct.")
def export(run: Path, output: Path, format: str | None, seed: int) -> int:
    """Write the data set of RUN in a form that trainers read.

    \b
    Examples:
      selfinstruct export runs/demo -o demo.json --format alpaca
      selfinstruct export runs/demo -o demo.parquet
    """
    number = selfinstruct.load(run).export(output, format, seed=seed)
    click.echo(f"{number:,} records in {output}")
    return 0


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--max-rouge", required=True, type=float, help="The other threshold.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the tasks, rejections and rows.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def refilter(run: Path, max_rouge: float, output: Path | None, as_json: bool) -> int:
    """Decide again on the recorded answers of RUN with another threshold; no call, and RUN stays as it is.

    \b
    Example:
      selfinstruct refilter runs/demo --max-rouge 0.5 -o runs/demo-strict
    """
    from selfinstruct.directory import RunDirectory

    before = selfinstruct.load(run)
    after = before.refilter(max_rouge=max_rouge)
    if output is not None:
        directory = RunDirectory(output)
        directory.check_free()
        with directory.locked():
            directory.write_derived(after.tasks, after.rejected)
    missing = after.rejections["not_asked"]
    facts = {"before": len(before.tasks), "after": len(after.tasks), "rows": len(after.dataset), "not_asked": missing}
    if as_json:
        click.echo(orjson.dumps(facts).decode())
        return 0
    click.echo(f"{len(before.tasks):,} tasks at {before.settings.max_rouge:g}, {len(after.tasks):,} at {max_rouge:g}")
    if missing:
        click.echo(
            f"{missing:,} other instructions would be admitted now; they have no instances yet, which would take about "
            f"{2 * missing:,} calls"
        )
    return 0


@cli.command()
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
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def dedup(
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

    IN and the files of --against are .jsonl, .json or .parquet files, run directories, or data sets of the Hub
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
    if misplaced := sorted(others & _given({**options, "model": model}).keys()):
        name = misplaced[0].replace("_", "-")
        raise SettingsError(f"--{name} has no part in --by {by}; leave it out, or choose another way with --by")
    if by != "semantic" or model is None:
        return Measure(by=by, **options)
    from selfinstruct.approximate import load_encoder

    return Measure(by=by, encoder=load_encoder(model), **options)


def _facts(run: Run) -> dict[str, Any]:
    spent = run.spent
    return {
        "run": str(run.path),
        "model": run.settings.model,
        "num_tasks": run.settings.num_tasks,
        "tasks": len(run.tasks) - run.carried,
        "carried": run.carried,
        "rows": len(run.dataset),
        "rejected": dict(run.rejections.most_common()),
        "stopped": run.stopped,
        "calls": spent.calls,
        "failed_calls": spent.failed,
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
    }


ENDINGS = {
    None: "the target is reached",
    "saturated": "saturated: the model hardly writes anything new (try other seeds, or `generate NEW --from` this run "
    "with another model; --saturation 0 goes on regardless)",
    "interrupted": "interrupted; the same command goes on",
    "terminated": "terminated; the same command goes on",
    "failed": "the endpoint failed; the same command goes on",
    "unfinished": "not finished (where no other process is at it, `selfinstruct generate` goes on)",
}


def _summary(run: Run) -> str:
    classification = sum(task.is_classification for task in run.tasks)
    spent = run.spent
    carried = f" and {run.carried:,} carried over" if run.carried else ""
    failed = f", {spent.failed:,} failed for good" if spent.failed else ""
    rules = run.rejections.most_common()
    reasons = ", ".join(f"{rule} {number:,}" for rule, number in rules[:8])
    if len(rules) > 8:
        reasons += f", {sum(number for _, number in rules[8:]):,} by {len(rules) - 8} other rules"
    lines = [
        (
            f"{run.path}: {len(run.tasks) - run.carried:,} of {run.settings.num_tasks:,} tasks{carried} "
            f"({classification:,} classification), {len(run.dataset):,} rows; {ENDINGS.get(run.stopped, run.stopped)}"
        ),
        f"  {spent.calls:,} calls, {spent.prompt_tokens:,} tokens in, {spent.completion_tokens:,} out{failed}",
        f"  rejected: {reasons or 'nothing'}",
    ]
    if run.is_demo:
        lines.append("  written by the offline demo teacher: a demonstration, not training data")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

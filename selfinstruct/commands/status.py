"""`selfinstruct status`, and how a run is told of in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

import selfinstruct
from selfinstruct.commands.options import json_option, run_argument
from selfinstruct.run import Run


@click.command("status")
@run_argument
@json_option
def command(run: Path, as_json: bool) -> int:
    """Show how far RUN is: also from another terminal while it grows.

    \b
    Example:
      selfinstruct status runs/demo
    """
    opened = selfinstruct.load(run)
    click.echo(orjson.dumps(facts(opened), option=orjson.OPT_INDENT_2).decode() if as_json else summary(opened))
    return 0


def facts(run: Run) -> dict[str, Any]:
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


def summary(run: Run) -> str:
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

"""`selfinstruct status`, and how a run is told of in a few lines."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

import selfinstruct
from selfinstruct.commands.options import json_option, run_argument
from selfinstruct.directory import RunDirectory
from selfinstruct.ledger import Ledger
from selfinstruct.progress import FEWEST_TO_PROJECT
from selfinstruct.run import Run


@click.command("status")
@run_argument
@json_option
@click.option("--failed", is_flag=True, help="List the requests that failed for good, with the reason, as JSON lines.")
def command(run: Path, as_json: bool, failed: bool) -> int:
    """Show how far RUN is, what it has cost and how long it takes: also from another terminal while it grows.

    \b
    Examples:
      selfinstruct status runs/demo
      selfinstruct status runs/first --failed
    """
    opened = selfinstruct.load(run)
    if failed:
        for row in _failures(opened):
            click.echo(orjson.dumps(row).decode())
        return 0
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
        "cached_tokens": spent.cached_tokens,
        "completion_tokens": spent.completion_tokens,
        "reasoning_tokens": spent.reasoning_tokens,
        "attempts": spent.attempts,
        "uncertain_tokens": spent.uncertain_tokens,
        "cost": spent.cost,
        "projected_cost": _projected(run),
        "calls_per_second": spent.rate,
        "seconds_left": _seconds_left(run),
        "last_answer": spent.last,
    }


ENDINGS = {
    None: "the target is reached",
    "saturated": "saturated: the model hardly writes anything new (try other seeds, or `generate NEW --from` this run "
    "with another model; --saturation 0 goes on regardless)",
    "interrupted": "interrupted; the same command goes on",
    "terminated": "terminated; the same command goes on",
    "budget": "the budget allows no more; a larger --max-cost or --max-tokens-total goes on",
    "probed": "a probe, as `selfinstruct estimate` makes it; `selfinstruct generate` goes on",
    "failed": "the endpoint failed; the same command goes on",
    "unfinished": "not finished (where no other process is at it, `selfinstruct generate` goes on)",
}


def summary(run: Run) -> str:
    classification = sum(task.is_classification for task in run.tasks)
    spent = run.spent
    carried = f" and {run.carried:,} carried over" if run.carried else ""
    failed = f", {spent.failed:,} failed for good (see --failed)" if spent.failed else ""
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
        *_money_and_time(run),
        f"  rejected: {reasons or 'nothing'}",
    ]
    if run.is_demo:
        lines.append("  written by the offline demo teacher: a demonstration, not training data")
    return "\n".join(lines)


def _money_and_time(run: Run) -> Iterator[str]:
    """What the run has cost and will have cost, and how long it still takes; nothing for the demo teacher."""
    spent = run.spent
    if run.settings.model == "demo" and not run.settings.base_url:
        return
    if spent.cost is None:
        yield "  cost: unknown, because no price is known for the model (--price-in and --price-out say it)"
    else:
        projected = f", about ${_projected(run):.2f} for all" if _projected(run) else ""
        yield f"  cost: ${spent.cost:.4f}{projected}"
    if spent.attempts:
        counted = " (counted in the cost)" if spent.cost is not None else ""
        yield f"  {spent.attempts:,} tries without usage, at most {spent.uncertain_tokens:,} tokens{counted}"
    if (left := _seconds_left(run)) is not None and spent.rate is not None and spent.last is not None:
        ago = max(0.0, time.time() - spent.last)
        yield f"  {spent.rate:.1f} calls a second, the last {_span(ago)} ago; about {_span(left)} left at this rate"


def _projected(run: Run) -> float | None:
    """What the whole run will have cost, if it goes on like this."""
    done, cost = len(run.tasks) - run.carried, run.spent.cost
    if not cost or done < FEWEST_TO_PROJECT or run.stopped is None:
        return None
    return cost * run.settings.num_tasks / done


def _seconds_left(run: Run) -> float | None:
    done, spent = len(run.tasks) - run.carried, run.spent
    if run.stopped != "unfinished" or done < FEWEST_TO_PROJECT or not spent.rate:
        return None
    return (run.settings.num_tasks - done) * spent.calls / done / spent.rate


def _span(seconds: float) -> str:
    """A time as somebody would say it."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _failures(run: Run) -> Iterator[dict[str, Any]]:
    """The requests that failed for good, as the ledger has them."""
    with Ledger(RunDirectory(run.location).ledger_path, writable=False) as ledger:
        for entry in ledger.entries():
            if entry.kind == "failed":
                yield {"key": entry.key, "request": dict(entry.request), "reason": entry.text}

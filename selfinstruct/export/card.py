"""The data card: what a reader must know of a set, every sentence from settings and counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selfinstruct.run import Run

DEMO = (
    "**This is a demonstration.** The built-in offline teacher wrote it from a fixed grammar to show how the program "
    "works. It is not training data."
)


def write_card(run: Run) -> str:
    """A card in Markdown: the method, the model, the seeds, the filters and what they turned down."""
    settings = run.settings
    classification = sum(task.is_classification for task in run.tasks)
    with_input = sum(bool(row["input"]) for row in run.dataset)
    lines = [f"# Instructions written by {settings.model}", ""]
    if run.is_demo:
        lines += [DEMO, ""]
    lines += [
        (
            f"{len(run.dataset):,} rows of {len(run.tasks):,} tasks ({classification:,} classification tasks); "
            f"{with_input:,} rows have an input. Columns: `id`, `instruction`, `input`, `output`."
        ),
        "",
        "## How it was made",
        "",
        f"- Method: {settings.method}, with selfinstruct.",
        f"- Model: {_models(run)}. Its terms of use apply to this data; check them.",
        *([f"- Begun with {run.carried:,} tasks of an earlier run."] if run.carried else []),
        f"- Seeds: {settings.seeds or 'the English seed tasks that come with selfinstruct'}.",
        (
            f"- An instruction was admitted at a ROUGE-L below {settings.max_rouge:g} to every seed and every earlier "
            f"one (tokenizer: {settings.tokenizer}), with {settings.min_words} to {settings.max_words} words."
        ),
        f"- Sampling seed {settings.seed}."
        + (f" The run ended early: {run.stopped}." if run.stopped else " The run reached its target."),
        "",
        "## What was turned down",
        "",
        "| rule | pieces |",
        "|---|---:|",
        *(f"| {rule} | {number:,} |" for rule, number in run.rejections.most_common()),
        "",
    ]
    return "\n".join(lines)


def _models(run: Run) -> str:
    """The models that wrote the tasks, by their number, and those of other stages."""
    settings = run.settings
    counts = Counter(task.model for task in run.tasks)
    said = [f"{model} ({number:,} tasks)" for model, number in counts.most_common()] or [str(settings.model)]
    stages = (("classification", settings.classify_model), ("instances", settings.instance_model))
    return ", ".join(said) + "".join(f"; {stage} by {model}" for stage, model in stages if model)

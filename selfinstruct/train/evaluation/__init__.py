"""Evaluation: what a tuned model answers to a test set, and how near that comes to the right answers.

Every answer is in a ledger before anything looks at it; all else follows from the answers.

    sets.py         test sets -> questions with references
    heldout.py      questions and training data -> what they have in common
    answering.py    questions -> answers; ../named.py opens models, ../answer.py asks them here, ../endpoint.py there
    metrics.py      answers and references -> scores, and their bootstrap intervals; bertscore.py with an encoder
    scoring.py      all answers -> all scores, the summary and the report; table.py, figures side by side
    results.py      the folder that all of it stands in
    harness.py      the same set as a task of lm-evaluation-harness
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from selfinstruct.errors import SettingsError
from selfinstruct.ledger import Ledger
from selfinstruct.train.answer import DEFAULT_FORMAT, Decoding
from selfinstruct.train.data import read_data
from selfinstruct.train.endpoint import named_endpoint
from selfinstruct.train.evaluation import harness, results, scoring
from selfinstruct.train.evaluation.answering import Answered, Contestant, contestant
from selfinstruct.train.evaluation.heldout import Level, Overlap, find_overlaps, read_training
from selfinstruct.train.evaluation.results import Evaluation
from selfinstruct.train.evaluation.sets import Question, digest, read_questions
from selfinstruct.train.evaluation.table import columns
from selfinstruct.train.extras import require
from selfinstruct.train.models import is_adapter
from selfinstruct.train.named import BASE, Means, Named, name_models, open_models, tuned_format
from selfinstruct.train.record import training_record

__all__ = ["Decoding", "Evaluation", "Means", "Plan", "Question", "evaluate", "read_questions"]

logger = logging.getLogger("selfinstruct")

OnOverlap = Literal["refuse", "drop", "allow"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an evaluation is fixed to, besides its models and its set.

    `held_out_by` and `on_overlap` say which questions count as known from the training data, and what becomes of them.
    `per_task` takes the first questions of each task. `format` is how prompts are written, by default as the model was
    tuned. `bertscore` names an encoder. `seed` is that of the bootstrap and of sampled answers.
    """

    held_out_by: Level = "tasks"
    on_overlap: OnOverlap = "refuse"
    per_task: int | None = None
    format: str | None = None
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    bertscore: str | None = None
    bertscore_layer: int | None = None

    decoding: Decoding = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decoding", Decoding(self.max_new_tokens, self.temperature, self.top_p, self.seed))
        if self.per_task is not None and self.per_task < 1:
            raise SettingsError(f"--per-task is at least 1, not {self.per_task}")


def evaluate(
    model: str,
    dataset: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    compare: Sequence[str] = (),
    with_base: bool = True,
    training: Sequence[str | os.PathLike[str]] = (),
    plan: Plan | None = None,
    means: Means | None = None,
    progress: bool | None = None,
) -> Evaluation:
    """Ask a model, and those that it is compared with, the questions of a test set, and score the answers.

    Args:
        model: a folder or Hub id (base, adapter, merged), or a model at an endpoint, "NAME@http://host/v1".
        dataset: see `read_questions`.
        output: a folder for answers, scores and the table. The same call goes on with one that was stopped.
        compare: further models. Where there are none, an adapter is compared with its base, unless `with_base` is
            False; the base of a peft adapter answers from the same weights.
        training: what the model was trained on, in which the questions are looked for before anything is asked;
            by default what the record of its training names.
        plan: what is asked, and how it is scored.
        means: how the models are reached.
        progress: show a progress line; by default at a terminal.

    Raises:
        SettingsError: something cannot be read or used, or questions stand in the training data.
        EndpointFailed: an endpoint gave no answer any more; what was answered is kept.
    """
    require("eval")
    plan, means = plan or Plan(), means or Means()
    questions = read_questions(dataset, per_task=plan.per_task)
    local = named_endpoint(model, means.base_url) is None
    known = [os.fspath(one) for one in training] or (_recorded_data(model) if local else [])
    overlaps = find_overlaps(questions, read_training(known), plan.held_out_by) if known else []
    asked = _held_out(questions, overlaps, plan, known)
    beside = compare or ([BASE] if with_base and local and is_adapter(model) else [])
    named = name_models(model, beside, means)
    settings = _settings(named, os.fspath(dataset), asked, known, plan)
    with results.opened(Path(output), settings) as path:
        asked_in = plan.format or tuned_format(named) or DEFAULT_FORMAT
        opened = open_models(named, means, plan.format)
        contestants = [contestant(one, plan.decoding, asked_in, means.batch_size) for one in opened]
        with closing(Ledger(path / results.LEDGER)) as ledger:
            answers = {one.name: _answers(one, asked, ledger, progress) for one in contestants}
        facts = {"settings": settings, "held_out": _said_of(overlaps, len(questions), known, plan)}
        return _finished(path, asked, contestants, answers, plan, means.device, facts)


def _recorded_data(model: str) -> list[str]:
    """The training set that the record of a training names, where it is there and still what it was."""
    data = training_record(model).get("data")
    if not data or not Path(data["name"]).exists():
        return []
    if read_data(data["name"]).digest != data["sha256"]:
        logger.warning(
            "%s: has changed since %s was trained on it; name that data with --training", data["name"], model
        )
        return []
    return [data["name"]]


def _held_out(
    questions: list[Question], overlaps: Sequence[Overlap], plan: Plan, training: Sequence[str]
) -> list[Question]:
    """The questions to ask.

    Raises:
        SettingsError: some stand in the training data, and nothing was said about those; or all do.
    """
    if not overlaps or plan.on_overlap == "allow":
        return questions
    known = {one.id for one in overlaps}
    left = [one for one in questions if one.id not in known]
    if plan.on_overlap == "drop" and left:
        return left
    first = overlaps[0]
    ways = ["--on-overlap allow asks them all the same and says so"]
    if left:
        ways.insert(0, "--on-overlap drop leaves them out")
    if plan.held_out_by == "tasks":
        ways.append("--held-out-by instances lets a known instruction with a new input count as held out")
    raise SettingsError(
        f"{len(overlaps):,} of {len(questions):,} questions stand in the training data ({', '.join(training)}), so "
        f"this set is not held out. The first is {first.id} ({first.rule} {first.score:.2f}: "
        f"{first.neighbour[:80]!r}). {'; '.join(ways)}."
    )


def _settings(
    named: Named, dataset: str, questions: Sequence[Question], training: Sequence[str], plan: Plan
) -> dict[str, Any]:
    """What an evaluation is fixed to, as evaluation.json says it."""
    return {
        "models": {name: (end.base_url or "OpenAI") if end else "local" for name, end in named.items()},
        "dataset": dataset,
        "questions": digest(questions),
        "training": list(training),
        **{name: value for name, value in vars(plan).items() if name != "decoding"},
    }


def _said_of(overlaps: Sequence[Overlap], number: int, training: Sequence[str], plan: Plan) -> dict[str, Any]:
    """What is known about the set being held out; nothing is claimed that was not looked for."""
    where = ", ".join(training)
    if not training:
        said = "Not compared with training data, so nothing says that it is held out (--training)."
    elif not overlaps:
        said = f"Held out by {plan.held_out_by}: none of its questions stands in {where}."
    elif plan.on_overlap == "drop":
        said = f"Held out by {plan.held_out_by}: {len(overlaps):,} of {number:,} that stand in {where} were left out."
    else:
        said = f"NOT held out: {len(overlaps):,} of {number:,} questions stand in {where}."
    held_out = bool(training) and (not overlaps or plan.on_overlap == "drop")
    return {"held_out": held_out, "said": said, "overlaps": [vars(one) for one in overlaps]}


def _answers(
    contestant: Contestant, questions: Sequence[Question], ledger: Ledger, progress: bool | None
) -> list[Answered]:
    from tqdm import tqdm

    hidden = None if progress is None else not progress  # for tqdm, None means: at a terminal only
    with tqdm(total=len(questions), desc=contestant.name, unit="answer", disable=hidden) as bar:
        answers = contestant.answers(questions, ledger, bar.update)
    for finish, what in (("too_long", "leave no room for an answer"), ("refused", "were refused")):
        number = sum(one.finish == finish for one in answers)
        if number:
            logger.warning("%s: %s prompts %s; they count as empty answers", contestant.name, f"{number:,}", what)
    return answers


def _finished(
    path: Path,
    questions: Sequence[Question],
    contestants: Sequence[Contestant],
    answers: scoring.Answers,
    plan: Plan,
    device: str,
    facts: Mapping[str, Any],
) -> Evaluation:
    """Score the answers, and write all that follows from them."""
    encoder = None
    if plan.bertscore is not None:
        from selfinstruct.train.evaluation.bertscore import BertScore

        encoder = BertScore(plan.bertscore, layer=plan.bertscore_layer, device=device)
    scores = scoring.score(questions, answers, encoder)
    made = columns(scores, plan.seed)
    folder = path / results.HARNESS
    folder.mkdir(exist_ok=True)
    name = Path(facts["settings"]["dataset"]).stem
    task = harness.write_task(folder, name, questions, contestants[-1], plan.max_new_tokens)
    commands = {one.name: harness.command(folder, task, one) for one in contestants}
    whole = {
        **facts,
        "finished": True,
        "version": version("selfinstruct"),
        **scoring.summary(questions, answers, made),
        "formats": {one.name: one.format for one in contestants},
        "bertscore_layer": encoder.layer if encoder else None,
        "lm_eval": {name: words for name, words in commands.items() if words is not None},
    }
    found = Evaluation(path, made, scoring.predictions(questions, answers, scores), whole, scoring.report(whole, made))
    found.write()
    return found

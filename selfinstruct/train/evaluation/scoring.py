"""From answers to scores, predictions, the summary and the table that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from selfinstruct.train.evaluation.answering import Answered
from selfinstruct.train.evaluation.metrics import Floats, chrf, corpus_chrf, exact_match, rouge_l
from selfinstruct.train.evaluation.sets import Question
from selfinstruct.train.evaluation.table import Column, markdown
from selfinstruct.train.named import labels

Answers = Mapping[str, Sequence[Answered]]
Scores = Mapping[str, Mapping[str, Floats]]
Encoder = Callable[[Sequence[str], Sequence[Sequence[str]]], list[float]]


def score(questions: Sequence[Question], answers: Answers, encoder: Encoder | None = None) -> Scores:
    """For each model, by the name of the score, the scores (N,) of its answers; see `table.SCORES`."""
    references = [one.references for one in questions]
    return {name: _scores(own, references, encoder) for name, own in answers.items()}


def _scores(
    answers: Sequence[Answered], references: Sequence[Sequence[str]], encoder: Encoder | None
) -> dict[str, Floats]:
    texts = [one.text for one in answers]
    pairs = list(zip(texts, references, strict=True))
    found = {
        "exact_match": [exact_match(text, several) for text, several in pairs],
        "rouge_l": [rouge_l(text, several) for text, several in pairs],
        "chrf": [chrf(text, several) for text, several in pairs],
        **({"bertscore": encoder(texts, references)} if encoder else {}),
        "stopped": [float(one.finish == "stop") for one in answers],
        "words": [float(len(text.split())) for text in texts],
    }
    return {name: np.array(values, dtype=np.float64) for name, values in found.items()}


def predictions(questions: Sequence[Question], answers: Answers, scores: Scores) -> list[dict[str, Any]]:
    """The rows of predictions.jsonl: one a model and question."""
    return [
        {
            "id": question.id,
            "task": question.task,
            "model": name,
            "prompt": answer.prompt,
            "prediction": answer.text,
            "references": list(question.references),
            "finish": answer.finish,
            "tokens": answer.tokens,
            "scores": {score: float(values[place]) for score, values in scores[name].items()},
        }
        for name, own in answers.items()
        for place, (question, answer) in enumerate(zip(questions, own, strict=True))
    ]


def summary(questions: Sequence[Question], answers: Answers, made: Sequence[Column]) -> dict[str, Any]:
    """The figures as JSON: those of the table with their intervals, and those that have none."""
    references = [one.references for one in questions]
    return {
        "questions": len(questions),
        "tasks": len({one.task for one in questions}),
        "reference_words": float(np.mean([len(several[0].split()) for several in references])),
        "columns": [
            {"model": one.name, "less": one.less, **{name: figure.to_dict() for name, figure in one.figures.items()}}
            for one in made
        ],
        "models": {
            name: {
                "corpus_chrf": corpus_chrf([one.text for one in own], references),
                "tokens": float(np.mean([one.tokens for one in own])),
                "finish": dict(Counter(one.finish for one in own)),
            }
            for name, own in answers.items()
        },
    }


def report(facts: Mapping[str, Any], made: Sequence[Column]) -> str:
    """The table in Markdown, with what was asked above it and what the scores are below it."""
    settings, models = facts["settings"], facts["models"]
    how = f"temperature {settings['temperature']:g}, seed {settings['seed']}" if settings["temperature"] else "greedy"
    heading = (
        f"{facts['questions']:,} questions of {settings['dataset']}, {how}, at most {settings['max_new_tokens']:,} "
        f"tokens an answer. {facts['held_out']['said']}"
    )
    more = {
        "chrF++ of all as one text": [f"{100 * one['corpus_chrf']:.1f}" for one in models.values()],
        "tokens of an answer": [f"{one['tokens']:.1f}" for one in models.values()],
        "cut, too long, refused": [
            ", ".join(f"{one['finish'].get(name, 0):,}" for name in ("length", "too_long", "refused"))
            for one in models.values()
        ],
    }
    return "\n\n".join([heading, markdown(made, more), _legend(facts)]) + "\n"


def _legend(facts: Mapping[str, Any]) -> str:
    called, formats = labels(list(facts["formats"])), facts["formats"]
    told = (
        dict.fromkeys(formats.values())
        if len(set(formats.values())) == 1
        else (f"{called[name]} {asked_in}" for name, asked_in in formats.items())
    )
    said = f"""\
In brackets the 95 % bootstrap interval over the questions; a difference is that of the same questions, and says \
something where its interval leaves out 0. Each answer is compared with the best of its references: exact match but \
for case, punctuation and spacing; ROUGE-L on stemmed words of any script; chrF++ by sacrebleu, the mean of the \
answers. The references have {facts["reference_words"]:.1f} words. Format of prompts: {", ".join(told)}."""
    if facts["bertscore_layer"] is not None:
        encoder = facts["settings"]["bertscore"]
        said += f" BERTScore: F of {encoder}, layer {facts['bertscore_layer']}, neither weighted nor rescaled."
    return said

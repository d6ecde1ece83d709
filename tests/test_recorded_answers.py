"""Recorded answers of real models through the whole program: a server plays them, the run is what comes out."""

from __future__ import annotations

import re

import pytest
from reference import FOLDER, needs_reference, rows
from test_original_rules import ACCEPTED_OTHERWISE, INSTANCES_OTHERWISE, greedy, key

import selfinstruct as si
from selfinstruct.testing import FaultServer

pytestmark = needs_reference

ENGLISH = sorted({source for source, _, _ in ACCEPTED_OTHERWISE} | {"maulikmadhavi/self-instruct"})


def body(text, finish_reason="stop"):
    """A response of the completions API."""
    choice = {"index": 0, "text": text, "finish_reason": finish_reason, "logprobs": None}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {
        "id": "x",
        "object": "text_completion",
        "created": 0,
        "model": "recorded",
        "choices": [choice],
        "usage": usage,
    }


def recorded(source):
    """A server's answers: instruction completions in their order, verdicts and instances by instruction."""
    completions = iter([row for row in rows("completions/instructions.jsonl") if row["source"] == source])
    verdicts, instances = {}, {}
    for row in rows("completions/verdicts.jsonl"):
        if row["source"] == source:
            verdicts.setdefault(row["instruction"].lower(), row["verdict"])
    for row in rows("completions/instances.jsonl"):
        if row["source"] == source:
            instances.setdefault(row["instruction"].lower(), (row["raw_instances"], row["finish_reason"]))

    def answer(request):
        prompt = request["prompt"]
        if prompt.startswith("A long list"):
            row = next(completions, {"completion": "", "finish_reason": "stop"})
            return body(row["completion"], row["finish_reason"] or "stop")
        instruction = re.findall(r"^Task: (.*)$", prompt, re.MULTILINE)[-1].lower()
        if prompt.endswith("Classification:"):
            return body(verdicts.get(instruction, "No"))
        return body(*instances.get(instruction, ("Output: Not recorded.", "stop")))

    return answer


def play(path, source, **options):
    """One request at a time, so that prompts and completions keep their order, until nothing comes any more."""
    with FaultServer(recorded(source)) as server:
        return si.generate(
            path,
            model="recorded",
            base_url=server.base_url,
            api="completions",
            seeds=FOLDER / "seed_tasks.jsonl",
            num_tasks=100_000,
            concurrency=1,
            saturation_window=20,
            saturation=0.001,
            progress=False,
            **options,
        )


def accepted(run):
    """The instructions that joined the pool, with or without instances."""
    return {key(task.instruction) for task in run.tasks} | {
        key(row.text) for row in run.rejected if row.rule == "no_instance"
    }


@pytest.mark.parametrize("source", ENGLISH)
def test_the_program_accepts_what_the_authors_program_accepted(tmp_path, source):
    """But for the rows that `test_original_rules.ACCEPTED_OTHERWISE` names with their reasons."""
    run = play(tmp_path / "run", source, tokenizer="rouge")
    assert (run.stopped, run.exit_status) == ("saturated", 3)
    completions = [row for row in rows("completions/instructions.jsonl") if row["source"] == source]
    theirs = {key(text) for row in completions for text in row["accepted_by_author"]}
    named = [sign for other, _, sign in ACCEPTED_OTHERWISE if other == source]
    assert len(accepted(run) - theirs) == named.count("+")
    assert len(theirs - accepted(run)) == named.count("-")


def test_instances_and_verdicts_arrive_in_the_tasks(tmp_path):
    """The 185 tasks with recorded instances have what the original rules read from them, but for the named rows."""
    source = "AliceShen122/self-instruct"
    run = play(tmp_path / "run", source, tokenizer="rouge")
    tasks = {task.instruction.lower(): task for task in run.tasks}
    compared = 0
    for number, row in enumerate(rows("completions/instances.jsonl")):
        if row["source"] != source or number in INSTANCES_OTHERWISE:
            continue
        task = tasks.get(row["instruction"].lower())
        instances = {(one.input, one.output) for one in task.instances} if task else set()
        assert instances == set(map(tuple, row["original_instances"])), number
        if task:
            assert task.is_classification == row["is_classification"]
        compared += 1
    assert compared == 185 - 4
    assert sum(task.is_classification for task in run.tasks) > 20


def test_korean_answers_become_hundreds_of_tasks(tmp_path):
    """The whole program accepts what the chain of parser, rules and pool accepts: 771, where the original kept two."""
    source = "JoJo0217/self-instruct"
    run = play(tmp_path / "run", source)
    expected = {text for _, _, verdicts in greedy("ko") for text, reason in verdicts.items() if reason is None}
    assert accepted(run) == expected
    assert len(expected) >= 750

"""The test set as a task of EleutherAI's lm-evaluation-harness, for those who compare with figures of that program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from selfinstruct.records import InMemory, writing
from selfinstruct.train.evaluation.answering import Contestant, Local, Remote
from selfinstruct.train.evaluation.sets import Question
from selfinstruct.train.models import base_of, has_switch, is_adapter
from selfinstruct.train.prompts import CHAT


def write_task(folder: Path, name: str, questions: Sequence[Question], contestant: Contestant, most: int) -> str:
    """Write NAME.yaml and NAME.jsonl into the folder, and return the name of the task.

    The prompts are those of the contestant, without what a tokenizer puts in front; in a chat, the turn of the user.

    The harness counts an answer right if it equals any of several references, and can compute chrF++ with one only.
    """
    import yaml

    task = re.sub(r"\W+", "_", name).strip("_").lower() or "questions"
    several = any(len(one.references) > 1 for one in questions)
    rows = [
        {
            "id": one.id,
            "prompt": contestant.prompt(one.row),
            "target": list(one.references) if several else one.references[0],
        }
        for one in questions
    ]
    data = (folder / f"{task}.jsonl").resolve()
    records = InMemory(rows, str(data))
    with writing(data, records.schema) as write:
        for block in records.blocks():
            write(block)
    equal = {"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}
    metrics = [{**equal, "ignore_case": True, "ignore_punctuation": True}]
    if not several:
        metrics.append({"metric": "chrf++", "aggregation": "chrf++", "higher_is_better": True})
    config = {
        "task": task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "generate_until",
        # Names of columns, not Jinja: a template would read a target such as "[1, 2]" as a list.
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "generation_kwargs": {"until": [], "max_gen_toks": most, "do_sample": False},
        "metric_list": metrics,
        "metadata": {"version": 1.0},
    }
    (folder / f"{task}.yaml").write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return task


def command(folder: Path, task: str, contestant: Contestant) -> str | None:
    """The command line that evaluates a model on the task with the harness; None where it cannot open the model."""
    arguments = _arguments(contestant)
    if arguments is None:
        return None
    kind, given = arguments
    words = ["lm_eval", "run", "--model", kind, "--model_args", given, "--tasks", task]
    words += [
        "--include_path",
        str(folder.resolve()),
        *(["--apply_chat_template"] if contestant.format == CHAT else []),
    ]
    return shlex.join(words)


def _arguments(contestant: Contestant) -> tuple[str, str] | None:
    """The kind of model and the arguments by which the harness opens it."""
    if isinstance(contestant, Remote):
        end = contestant.endpoint
        kind, path = ("local-chat-completions", "chat/") if end.api == "chat" else ("local-completions", "")
        url = (end.base_url or "https://api.openai.com/v1").rstrip("/")
        return kind, f"model={end.model},base_url={url}/{path}completions"
    assert isinstance(contestant, Local)
    path = contestant.model.path
    path = str(Path(path).resolve()) if Path(path).is_dir() else path
    if not is_adapter(path):
        return "hf", f"pretrained={path}"
    if not contestant.model.adapted:
        return "hf", f"pretrained={base_of(path)}"
    return ("hf", f"pretrained={base_of(path)},peft={path}") if has_switch(path) else None

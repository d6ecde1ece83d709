"""A small run against a server that answers as a model would, for tests of whole runs."""

from __future__ import annotations

import hashlib
import re
from random import Random

from teacher import instruction

TEMPLATES = {
    "instructions": "Continue from {{ first }}:\n{% for task in tasks %}{{ loop.index }}. {{ task.instruction }}\n{% endfor %}",
    "classify": "Verdict? {{ task.instruction }}",
    "input_first": "Inputs: {{ task.instruction }}",
    "output_first": "Labels: {{ task.instruction }}",
}
SEEDS = [{"instruction": f"Tell a short story about {name} and a lamp", "output": "Once."} for name in "ABCDEFGH"]
DERIVED = ("tasks.jsonl", "rejected.jsonl", "dataset.jsonl")


def teacher(body):
    """A model behind the server: a pure function of the prompt."""
    prompt = body["messages"][0]["content"]
    random = Random(hashlib.sha256(prompt.encode()).hexdigest())
    if first := re.match(r"Continue from (\d+)", prompt):
        return "\n".join(f"{int(first[1]) + number}. {instruction(random)}" for number in range(5))
    if prompt.startswith("Verdict?"):
        return ("No", "Yes", "Hard to say")[int(random.random() * 3)]
    if prompt.startswith("Labels:"):
        return "Class label: warm\nInput: The kettle sings.\nClass label: cold\nInput: The river froze."
    return "I cannot." if random.random() < 0.2 else f"Example 1\nInput: {instruction(random)}\nOutput: Done."


def write_templates(folder):
    """The templates as files, for --prompts."""
    for name, text in TEMPLATES.items():
        (folder / f"{name}.j2").write_text(text)
    return str(folder)

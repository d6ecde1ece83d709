"""Rows (instruction, input, output) as the records that trainers read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

Row = Mapping[str, str]

END_OF_TEXT = "<|endoftext|>"


def alpaca(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Stanford Alpaca's records: instruction, input, output."""
    return [{name: row[name] for name in ("instruction", "input", "output")} for row in rows]


def messages(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Chat records: one user turn (instruction, blank line, input) and one assistant turn."""
    return [
        {
            "messages": [
                {"role": "user", "content": _joined(row)},
                {"role": "assistant", "content": row["output"]},
            ]
        }
        for row in rows
    ]


def _joined(row: Row) -> str:
    return f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]


# The ways in which Self-Instruct writes a row as a prompt (its appendix A.3 and released code), so that the tuned model
# depends on no single one: with an input 7, without 6. The completion starts with a space behind an "Output:" cue.
WITH_INPUT = (
    "{instruction}\nInput: {input}\nOutput:",
    "{instruction}\n\nInput: {input}\n\nOutput:",
    "Task: {instruction}\nInput: {input}\nOutput:",
    "{instruction}\n\n{input}\n\nOutput:",
    "{instruction}\n\n{input}\n\n",
    "{instruction}\n{input}\n\n",
    "Task: {instruction}\n\n{input}\n\n",
)
WITHOUT_INPUT = (
    "{instruction} Output:",
    "{instruction}\nOutput:",
    "{instruction}\n\nOutput:",
    "{instruction}\n",
    "{instruction}\n\n",
    "Task: {instruction}\n\n",
)
_FIELD_NAME = re.compile(r"^(?:[^\W\d_][\w -]{0,30}):[ \t]*", re.MULTILINE)


def self_instruct(rows: Sequence[Row], seed: int = 123) -> list[dict[str, str]]:
    """Self-Instruct's prompt and completion in random templates.

    In half of the rows whose input carries a single field name ("Text: ..."), the name is taken off and blank lines
    are closed up. Each row draws by its own id, so a row's template does not depend on the other rows. Equal records
    are written once.
    """
    records: dict[tuple[str, str], None] = {}
    for row in rows:
        random = Random(f"{seed}/{row['id']}")
        given = row["input"].strip()
        if random.random() < 0.5 and len(_FIELD_NAME.findall(given)) == 1:
            given = re.sub(r"\n{2,}", "\n", _FIELD_NAME.sub("", given).strip())
        templates = WITH_INPUT if given else WITHOUT_INPUT
        template = templates[int(random.random() * len(templates))]
        prompt = template.format(instruction=row["instruction"].strip(), input=given)
        space = " " if prompt.endswith("Output:") else ""
        records[prompt, f"{space}{row['output'].strip()}{END_OF_TEXT}"] = None
    return [{"prompt": prompt, "completion": completion} for prompt, completion in records]

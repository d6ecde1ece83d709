"""Self-Instruct's prompt and completion: each row in one of the paper's 13 ways of writing it, drawn at random."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from random import Random

from selfinstruct.export.formats.form import Read
from selfinstruct.export.formats.rows import Record, Row, Unreadable, text_of

END_OF_TEXT = "<|endoftext|>"

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
_CUE = "Output:"
_FIELD_NAME = re.compile(r"^(?:[^\W\d_][\w -]{0,30}):[ \t]*", re.MULTILINE)


def self_instruct(rows: Iterable[Row], seed: int = 123) -> Iterator[dict[str, str]]:
    """Self-Instruct's prompt and completion in random templates.

    In half of the rows whose input carries a single field name ("Text: ..."), the name is taken off and blank lines
    are closed up. Each row draws by its own id, so a row's template does not depend on the other rows. Equal records
    are written once.
    """
    seen = set()
    for row in rows:
        random = Random(f"{seed}/{row['id']}")
        given = row["input"].strip()
        if random.random() < 0.5 and len(_FIELD_NAME.findall(given)) == 1:
            given = re.sub(r"\n{2,}", "\n", _FIELD_NAME.sub("", given).strip())
        templates = WITH_INPUT if given else WITHOUT_INPUT
        template = templates[int(random.random() * len(templates))]
        prompt = template.format(instruction=row["instruction"].strip(), input=given)
        space = " " if prompt.endswith(_CUE) else ""
        completion = f"{space}{row['output'].strip()}{END_OF_TEXT}"
        if (prompt, completion) not in seen:
            seen.add((prompt, completion))
            yield {"prompt": prompt, "completion": completion}


def read_self_instruct(record: Record) -> Read:
    """The row of one record: what stands behind the first line of the prompt is its input."""
    prompt, completion = text_of(record, "prompt"), text_of(record, "completion")
    if not completion.endswith(END_OF_TEXT):
        raise Unreadable(f"the completion does not end in {END_OF_TEXT}")
    output = completion.removesuffix(END_OF_TEXT)
    if prompt.endswith(_CUE):
        prompt, output = prompt.removesuffix(_CUE), output.removeprefix(" ")
    instruction, _, rest = prompt.strip().removeprefix("Task: ").partition("\n")
    return [{"instruction": instruction.strip(), "input": rest.strip().removeprefix("Input: "), "output": output}]

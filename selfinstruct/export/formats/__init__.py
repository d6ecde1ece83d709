"""Formats: rows as the records that trainers read, and such records as rows.

    rows.py           what a row is, and its conversation
    template.py       how a row becomes a prompt and an answer; the texts stand in ../templates
    form.py           what a format is
    plain.py          a column for each text
    chat.py           messages, ShareGPT
    texts.py          texts of a template: whole, prompt and completion, CSV, text to text
    self_instruct.py  the paper's random prompts
    foreign.py        what other programs write

>>> made = template("alpaca")
>>> made.prompt({"instruction": "Name a river.", "input": ""})[-29:]
'Name a river.\\n\\n### Response:\\n'
"""

from __future__ import annotations

from pathlib import Path

from selfinstruct.errors import SettingsError
from selfinstruct.export.formats import foreign, texts
from selfinstruct.export.formats.chat import MESSAGES, SHAREGPT
from selfinstruct.export.formats.form import Format
from selfinstruct.export.formats.plain import ALPACA, DATASETS, JSONL, PARQUET
from selfinstruct.export.formats.rows import COLUMNS, EXTRAS, Record, Row, Unreadable
from selfinstruct.export.formats.template import Template, template

__all__ = [
    "COLUMNS",
    "EXTRAS",
    "FORMATS",
    "READ_ONLY",
    "TOLD_APART",
    "WITH_TEMPLATES",
    "Format",
    "Record",
    "Row",
    "Template",
    "Unreadable",
    "format_named",
    "template",
]

# Formats that are a template's whole texts, named for it. The name "alpaca" is that of the array.
OF_TEMPLATES = ("alpaca-legacy", "alpaca-short", "guanaco", "vicuna", "llama-2", "chatml")
# Formats that write with any template, and the one that they take by themselves.
WITH_TEMPLATES = {"prompt-completion": "alpaca", "text": "alpaca", "autotrain": "guanaco"}

_FIXED = {one.name: one for one in (JSONL, ALPACA, MESSAGES, SHAREGPT, texts.TEXT_TO_TEXT, PARQUET, DATASETS)}
READ_ONLY = {
    one.name: one
    for one in (
        foreign.TASKS,
        foreign.RAW_INSTANCES,
        foreign.INSTRUCTIONS,
        foreign.REGEN,
        foreign.DISTILABEL,
        foreign.CURATOR,
        foreign.PAIRS,
    )
}
# Formats whose records are told from those of the others by their columns.
TOLD_APART = (
    *("jsonl", "alpaca", "messages", "sharegpt", "self-instruct", "prompt-completion", "text", "text-to-text"),
    *READ_ONLY,
)
# What can be written, in the order in which it is listed.
FORMATS = (
    "jsonl",
    "alpaca",
    "messages",
    "sharegpt",
    "self-instruct",
    "prompt-completion",
    "text",
    *OF_TEMPLATES,
    "autotrain",
    "text-to-text",
    "parquet",
    "datasets",
)


def format_named(name: str, template_name: str | Path | None = None, *, seed: int = 123) -> Format:
    """The format of this name; `template_name` (a name or a file) is that of the formats that write with one.

    Raises:
        SettingsError: there is no such format or template, or the format takes none.
    """
    if template_name is not None and name not in WITH_TEMPLATES:
        raise SettingsError(
            f"the format {name} takes no template; those that do are {', '.join(WITH_TEMPLATES)}, so try -f text"
        )
    if name in OF_TEMPLATES:
        return texts.text(template(name), name)
    if name in WITH_TEMPLATES:
        make = {"prompt-completion": texts.prompt_completion, "text": texts.text, "autotrain": texts.autotrain}[name]
        return make(template(template_name or WITH_TEMPLATES[name]))
    if name == "self-instruct":
        return texts.paper(seed)
    found = _FIXED.get(name) or READ_ONLY.get(name)
    if found is None:
        raise SettingsError(f"there is no format {name!r}; the formats are {', '.join((*FORMATS, *READ_ONLY))}")
    return found

"""Formats: the exact texts that trainers know, and rows that come back from them as they were."""

from __future__ import annotations

import doctest
import importlib
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.errors import SettingsError
from selfinstruct.export import export
from selfinstruct.export.formats import FORMATS, READ_ONLY, WITH_TEMPLATES, Unreadable, format_named, template
from selfinstruct.export.formats.rows import from_conversation
from selfinstruct.export.formats.template import Template, packaged
from selfinstruct.export.readers import read_set

ROW = {"id": "b0-0.0", "instruction": "Translate to German.", "input": "Good morning", "output": "Guten Morgen"}
SHORT = {"id": "b0-1.0", "instruction": "Name a colour.", "input": "", "output": "Blue."}
TALK = {
    **SHORT,
    "system": "Be brief.",
    "turns": [{"role": "user", "content": "Another one?"}, {"role": "assistant", "content": "Red."}],
}

PREAMBLE = "Below is an instruction that describes a task"
LONG_PREAMBLE = f"{PREAMBLE}, paired with an input that provides further context"
REQUEST = "Write a response that appropriately completes the request.\n\n"
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
WITH_INPUT = "### Instruction:\nTranslate to German.\n\n### Input:\nGood morning\n\n### Response:"
WITHOUT_INPUT = "### Instruction:\nName a colour.\n\n### Response:"
GOLDEN = {
    "alpaca": (
        f"{LONG_PREAMBLE}. {REQUEST}{WITH_INPUT}\nGuten Morgen",
        f"{PREAMBLE}. {REQUEST}{WITHOUT_INPUT}\nBlue.",
    ),
    "alpaca-legacy": (
        f"{LONG_PREAMBLE}. {REQUEST}{WITH_INPUT}Guten Morgen",
        f"{PREAMBLE}. {REQUEST}{WITHOUT_INPUT}Blue.",
    ),
    "alpaca-short": (f"{WITH_INPUT}\nGuten Morgen", f"{WITHOUT_INPUT}\nBlue."),
    "guanaco": (
        "### Human: Translate to German.\n\nGood morning### Assistant: Guten Morgen",
        "### Human: Name a colour.### Assistant: Blue.### Human: Another one?### Assistant: Red.",
    ),
    "vicuna": (
        f"{VICUNA} USER: Translate to German.\n\nGood morning ASSISTANT: Guten Morgen</s>",
        "Be brief. USER: Name a colour. ASSISTANT: Blue.</s>USER: Another one? ASSISTANT: Red.</s>",
    ),
    "llama-2": (
        "<s>[INST] Translate to German.\n\nGood morning [/INST] Guten Morgen </s>",
        (
            "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nName a colour. [/INST] Blue. </s>"
            "<s>[INST] Another one? [/INST] Red. </s>"
        ),
    ),
    "chatml": (
        (
            "<|im_start|>user\nTranslate to German.\n\nGood morning<|im_end|>\n"
            "<|im_start|>assistant\nGuten Morgen<|im_end|>\n"
        ),
        (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nName a colour.<|im_end|>\n"
            "<|im_start|>assistant\nBlue.<|im_end|>\n<|im_start|>user\nAnother one?<|im_end|>\n"
            "<|im_start|>assistant\nRed.<|im_end|>\n"
        ),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_texts_of_templates_are_those_that_models_know(name):
    """One space or line end more, and a tuned model meets a prompt that it was never shown."""
    made = template(name)
    assert (made.text(ROW), made.text(TALK)) == GOLDEN[name]


def test_every_packaged_template_has_its_golden_texts():
    """A new one needs them, too."""
    assert set(packaged()) == set(GOLDEN)


@pytest.mark.parametrize("name", GOLDEN)
def test_prompt_and_answer_are_the_text_without_the_marks_around_it(name):
    """Training adds the first and last token by their ids, so that none of them stands twice."""
    made = template(name)
    assert made.begin + made.prompt(ROW) + made.answer(ROW) + made.end == made.text(ROW)
    assert not made.prompt(ROW).startswith("<s>")
    assert not made.answer(ROW).endswith(("</s>", "<|im_end|>"))
    assert not made.prompt(ROW).endswith(" "), "a space at the end merges with the first token of the answer"


@pytest.mark.parametrize("name", GOLDEN)
def test_the_response_is_what_follows_the_prompt(name):
    """What alpaca-lora calls get_response; an answer may hold the mark as well."""
    made = template(name)
    said = f"One {made.response_split} two"
    assert made.response(made.prompt(ROW) + made.answer({"output": said})) == said
    assert made.response("nothing of it") == ""


RECORDS = {
    "jsonl": [ROW],
    "alpaca": [{"instruction": "Translate to German.", "input": "Good morning", "output": "Guten Morgen"}],
    "messages": [
        {
            "messages": [
                {"role": "user", "content": "Translate to German.\n\nGood morning"},
                {"role": "assistant", "content": "Guten Morgen"},
            ]
        }
    ],
    "sharegpt": [
        {
            "id": "b0-0.0",
            "conversations": [
                {"from": "human", "value": "Translate to German.\n\nGood morning"},
                {"from": "gpt", "value": "Guten Morgen"},
            ],
        }
    ],
    "prompt-completion": [
        {"prompt": f"{LONG_PREAMBLE}. {REQUEST}{WITH_INPUT}\n", "completion": "Guten Morgen"},
    ],
    "text": [{"text": GOLDEN["alpaca"][0]}],
    "autotrain": [{"text": GOLDEN["guanaco"][0]}],
    "text-to-text": [{"input_text": "Translate to German.\n\nGood morning", "target_text": "Guten Morgen"}],
    "self-instruct": [
        {"prompt": "Task: Translate to German.\n\nGood morning\n\n", "completion": "Guten Morgen<|endoftext|>"}
    ],
    "parquet": [ROW],
    "datasets": [ROW],
    **{name: [{"text": texts[0]}] for name, texts in GOLDEN.items() if name != "alpaca"},
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_records_are_those_that_trainers_read(name):
    """Their columns and texts; every format stands here."""
    assert list(format_named(name).records([ROW])) == RECORDS[name]


def test_conversations_are_written_whole():
    """System message and later turns, in both shapes of chats."""
    said = [record["content"] for record in next(format_named("messages").records([TALK]))["messages"]]
    assert said == ["Be brief.", "Name a colour.", "Blue.", "Another one?", "Red."]
    turns = next(format_named("sharegpt").records([TALK]))["conversations"]
    assert [turn["from"] for turn in turns] == ["system", "human", "gpt", "human", "gpt"]


# 1) What comes back. Words that stand for nothing in any template, and the marks of all of them.

MARKS = [
    "### Instruction:\n",
    "### Input:\n",
    "\n\n### Response:\n",
    "### Assistant:",
    " ASSISTANT:",
    "[/INST]",
    "</s>",
]
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\0#<[|:]"), max_size=12)
AWKWARD = st.sampled_from(
    [
        *"\"',;\t\r{}\\%",
        '"""',
        "{{ x }}",
        "{instruction}",
        "\u2028",
        "\ufeff",
        "将句子翻译成英文",
        "שלום",
        "नमस्ते",
        "🙂",
        "\n",
        "\n\n",
        "",
    ]
)
LINE = st.lists(st.one_of(PLAIN, AWKWARD), min_size=1, max_size=6).map(lambda parts: " ".join("".join(parts).split()))
TEXT = st.lists(st.one_of(PLAIN, AWKWARD), max_size=6).map("".join)
ANYTHING = st.lists(st.one_of(PLAIN, AWKWARD, st.sampled_from(MARKS)), max_size=8).map("".join)
NAMED = st.builds(
    lambda instruction, given, output: {"id": "1", "instruction": instruction, "input": given, "output": output},
    LINE.filter(bool),
    TEXT,
    ANYTHING,
)
TURNS = st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=2).map(
    lambda pairs: [
        {"role": role, "content": content}
        for pair in pairs
        for role, content in zip(("user", "assistant"), pair, strict=True)
    ]
)


def content(row):
    """What a format has to bring back, with or without an id."""
    return {name: value for name, value in row.items() if name != "id" and (value or name in ("input", "output"))}


EXACT = [name for name in FORMATS if name != "self-instruct"]


@pytest.mark.parametrize("name", EXACT)
@given(row=NAMED)
@settings(max_examples=60, deadline=None)
def test_rows_come_back_from_records(name, row):
    """Line ends, quotes, other scripts, braces, and the marks of the format inside an output change nothing."""
    made = format_named(name)
    (record,) = made.records([row])
    (read,) = made.read(record)
    assert content(read) == content(row)


@pytest.mark.parametrize("name", [name for name in EXACT if "turns" in format_named(name).holds])
@given(row=NAMED, turns=TURNS, system=TEXT)
@settings(max_examples=60, deadline=None)
def test_conversations_come_back(name, row, turns, system):
    """Further turns and the system message, where the format holds them."""
    made = format_named(name)
    row = {**row, "output": row["output"].replace("</s>", ""), "turns": turns}
    if "system" in made.holds:
        row["system"] = system
    (record,) = made.records([row])
    (read,) = made.read(record)
    assert content(read) == content(row)


@given(rows=st.lists(NAMED, min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_rows_come_back_from_csv(rows):
    """Quotes, commas and every kind of line end inside a field."""
    with tempfile.TemporaryDirectory() as folder:
        export(rows, Path(folder) / "train.csv")
        read = list(read_set(Path(folder) / "train.csv", "autotrain", template="guanaco").rows())
    assert [content(row) for row in read] == [content(row) for row in rows]


@given(row=NAMED)
@pytest.mark.parametrize("template", ["llama-2", "vicuna"])
def test_autotrain_adds_the_outer_tokens_itself(template, row):
    """Written as text too, each stood there twice: 165 of them in 83 rows."""
    made = format_named("autotrain", template)
    row = {**row, "output": row["output"].replace("<s>", "").replace("</s>", "") + "."}
    (record,) = made.records([row])
    assert "<s>" not in record["text"][:3]
    assert not record["text"].endswith("</s>")
    (read,) = made.read(record)
    assert content(read) == content(row)


@given(row=NAMED)
@settings(max_examples=100, deadline=None)
def test_self_instruct_brings_back_texts_that_it_takes_as_they_are(row):
    """Stripped, without a field name in front, in any of the 13 templates."""
    row = {name: value.strip().replace(":", "") for name, value in row.items()}
    made = format_named("self-instruct")
    (record,) = made.records([row])
    (read,) = made.read(record)
    if row["instruction"]:
        assert content(read) == content(row)


def test_every_template_of_self_instruct_is_read():
    """With and without an input, whichever was drawn."""
    made = format_named("self-instruct")
    rows = [{**row, "id": str(n), "output": f"{row['output']} {n}"} for n in range(100) for row in (ROW, SHORT)]
    for row, record in zip(rows, made.records(rows), strict=True):
        assert made.read(record) == [{name: row[name] for name in ("instruction", "input", "output")}]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("messages", {"instruction": "Two\n\nparagraphs.", "input": "", "output": "x"}),
        ("guanaco", {"instruction": "Say ### Assistant: twice.", "input": "", "output": "x"}),
        ("alpaca-short", {"instruction": "a\n\n### Response:\nb", "input": "", "output": "x"}),
    ],
)
def test_what_does_not_come_back_is_told(name, row):
    """The law has limits, and each format says what it loses; no other text of the row is harmed."""
    made = format_named(name)
    (record,) = made.records([row])
    (read,) = made.read(record)
    assert read != row
    assert "where" in made.loses
    assert list(made.records([read])) == [record], "what was read is written as the same record"


def test_formats_say_what_they_lose_and_hold():
    """The list in the documentation is made of it."""
    for name in (*FORMATS, *READ_ONLY):
        made = format_named(name)
        assert made.about
        assert made.marks
        assert made.loses
        assert (made.records is None) == (name in READ_ONLY)
    assert format_named("guanaco").holds == ("turns",)
    assert format_named("chatml").holds == ("system", "turns")
    assert format_named("alpaca").holds == ()
    assert format_named("prompt-completion", "chatml").holds == ("system",)


# 2) Templates of users.

ALPACA_LORA = {
    "description": "French",
    "prompt_input": "### Tâche:\n{instruction}\n\n### Entrée:\n{input}\n\n### Réponse:\n",
    "prompt_no_input": "### Tâche:\n{instruction}\n\n### Réponse:\n",
    "response_split": "### Réponse:",
}


def saved(folder, **changes):
    path = folder / "mine.json"
    path.write_text(json.dumps({**ALPACA_LORA, **changes}), encoding="utf-8")
    return path


def test_a_template_file_of_alpaca_lora_is_taken_as_it_is(tmp_path):
    """By the file, or by the folder that holds it."""
    made = template(saved(tmp_path))
    assert made.prompt(ROW).startswith("### Tâche:\nTranslate to German.\n\n### Entrée:\nGood morning\n\n")
    assert template(tmp_path) == made
    assert made.read(made.text(SHORT)) == {name: SHORT[name] for name in ("instruction", "input", "output")}
    assert export([ROW], tmp_path / "out.jsonl", "text", template=tmp_path / "mine.json") == 1
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["text"] == made.text(ROW)


def test_a_template_may_be_jinja(tmp_path):
    """With the system message, and braces that stand for themselves."""
    body = "{% if system %}({{ system }}) {% endif %}{{ instruction }} {as it is}\n{{ input }}\nA:"
    made = template(
        saved(tmp_path, prompt_input=body, prompt_no_input=body, response_split="A:", completion=" {output}")
    )
    assert made.text({**ROW, "system": "Be kind."}) == (
        "(Be kind.) Translate to German. {as it is}\nGood morning\nA: Guten Morgen"
    )
    assert made.holds == ("system",)
    assert made.read(made.text({**ROW, "system": "Be kind."})) == {**content(ROW), "system": "Be kind."}


def test_doubled_braces_of_alpaca_lora_stand_for_one(tmp_path):
    """str.format, which alpaca-lora calls, has it so."""
    made = template(saved(tmp_path, prompt_no_input="{{json}} {instruction} ### Réponse:"))
    assert made.prompt(SHORT) == "{json} Name a colour. ### Réponse:"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompt_input": "{instruction} ### Réponse:"}, r"prompt_input does not show \{input\}"),
        ({"prompt_no_input": "{instruktion} ### Réponse:"}, r"\{instruktion\} is not known"),
        ({"prompt_no_input": "{instruction ### Réponse:"}, "a brace that stands for itself is doubled"),
        ({"prompt_no_input": "{{ instruction }} {% if %} ### Réponse:"}, "prompt_no_input"),
        ({"prompt_no_input": "{{ instruction }} {{ more }} ### Réponse:"}, "its variables are instruction"),
        ({"prompt_no_input": "{{ instruction + 1 }} ### Réponse:"}, "can only concatenate"),
        ({"response_split": "### Answer:"}, "does not stand in prompt_input"),
        ({"completion": "always this"}, r"completion does not show \{output\}"),
        ({"eos": "</s>"}, "'eos' is no field; the fields are begin, completion"),
        ({"begin": 1}, "a JSON object of texts"),
    ],
)
def test_a_template_that_cannot_work_is_told_at_once(tmp_path, changes, message):
    """Not at the first row, and not as rows without their input."""
    with pytest.raises(SettingsError, match=message):
        template(saved(tmp_path, **changes))


def test_a_missing_template_shows_those_that_there_are(tmp_path):
    """Misspelt names, empty folders, files that are none."""
    with pytest.raises(SettingsError, match=r"no template 'alpacca'; name a file .* chatml, guanaco"):
        template("alpacca")
    with pytest.raises(SettingsError, match="this folder holds none"):
        template(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(SettingsError, match="cannot be read as a template"):
        template(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"prompt_input": "x"}')
    with pytest.raises(SettingsError, match="no 'prompt_no_input'"):
        template(tmp_path / "a.json")
    for name in FORMATS:
        if name not in WITH_TEMPLATES:
            with pytest.raises(SettingsError, match="takes no template"):
                format_named(name, "alpaca")


def test_templates_run_sandboxed(tmp_path):
    """A template file may come from somebody else."""
    with pytest.raises(SettingsError, match=r"unsafe"):
        template(saved(tmp_path, prompt_input="{{ instruction }} {{ input.__class__.__mro__ }} ### Réponse:"))


# 3) Conversations that are none.


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (["assistant", "user"], "turn 1 is of the assistant"),
        (["user", "user"], "turn 2 is of the user"),
        (["user"], "nobody answers"),
        (["user", "assistant", "user"], "nobody answers"),
        (["system"], "no turn of a user"),
        ([], "no turn of a user"),
        (["system", "system", "assistant"], "turn 2 is of the system"),
    ],
)
def test_turns_out_of_order_are_no_row(roles, message):
    """They would train a model on an answer to nothing."""
    with pytest.raises(Unreadable, match=message):
        from_conversation([{"role": role, "content": "x"} for role in roles])


def test_messages_are_what_chat_templates_take():
    """For tokenizers that bring a template of their own."""
    assert template("alpaca").messages(TALK) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Name a colour."},
        {"role": "assistant", "content": "Blue."},
        *TALK["turns"],
    ]


def test_a_row_without_an_input_column_has_a_prompt():
    """Evaluation and chat ask with an instruction alone."""
    assert template("alpaca").prompt({"instruction": "Name a colour."}) == template("alpaca").prompt(SHORT)


def test_templates_are_values():
    """Equal where their texts are, so that a saved name can be compared."""
    assert template("alpaca") == template("alpaca") != template("alpaca-short")
    assert isinstance(template("alpaca"), Template)


@pytest.mark.parametrize("name", ["export.formats", "export.formats.template", "export.formats.rows", "export.readers"])
def test_the_examples_in_docstrings_hold(name):
    """They are what a reader tries first."""
    result = doctest.testmod(importlib.import_module(f"selfinstruct.{name}"))
    assert result.attempted > 0
    assert result.failed == 0

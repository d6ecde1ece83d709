"""Prompts: the packaged texts, the user's own, and what they render to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from selfinstruct import Instance, Settings, SettingsError, Task
from selfinstruct.instances import InstanceStage
from selfinstruct.methods import build_method
from selfinstruct.pool import PoolView
from selfinstruct.prompts import TEMPLATES, Prompts, load_templates

NAMES = ("instructions", "classify", "classify_again", "input_first", "output_first", "alpaca")
GOLDEN = Path(__file__).parent / "golden"

SEEDS = [
    Task(f"s{n}", f"Seed instruction number {n}.", (Instance("" if n % 2 else "some input", f"output {n}"),), n < 4)
    for n in range(12)
]
VIEW = PoolView(SEEDS, [Task("b0-0", "A generated instruction."), Task("b0-1", "Another generated one.")])


def schema(asked):
    """The response format of a proposal or a request, if any, as it is sent."""
    return "" if asked.response_format is None else f"\n{json.dumps(asked.response_format)}"


def rendered(api, response_format="text"):
    """The seven prompts of an API as one text, and the schemas that go with them."""
    settings = Settings(model="m", api=api, response_format=response_format)
    prompts = Prompts(load_templates(NAMES, api), api)
    stage = InstanceStage(settings, prompts)
    task = Task("b1-0", "Sort the planets by size.")
    label = Task("b1-1", "Is the planet a gas giant?", is_classification=True)
    requests = [
        stage.verdict_request(task),
        stage.verdict_again_request(task, "It depends."),
        stage.instances_request(task),
        stage.instances_request(label),
    ]
    proposals = [
        build_method("self-instruct", settings, prompts).propose(VIEW, Random("42/7")),
        build_method("self-instruct", replace(settings, classification_only=True), prompts).propose(
            VIEW, Random("42/7")
        ),
        build_method("alpaca", settings, prompts).propose(VIEW, Random("42/7")),
    ]
    parts = [f"{one.prompt}|\nstop: {one.stop}{schema(one)}" for one in proposals]
    parts += [f"{one.text}|\nsampling: {dict(one.sampling)}{schema(one)}" for one in requests]
    return "\n=====\n".join(parts) + "\n"


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_prompts_are_the_golden_ones(api):
    """A changed word in a template changes every digest of a run; it should be seen in a review."""
    assert rendered(api) == (GOLDEN / f"prompts_{api}.txt").read_text(encoding="utf-8")


def test_prompts_that_ask_for_json_are_the_golden_ones():
    """Their words and their schemas are both part of the digests, so a version of pydantic must not change them."""
    assert rendered("chat", "json") == (GOLDEN / "prompts_json.txt").read_text(encoding="utf-8")


def test_a_prompt_is_a_function_of_pool_and_random_stream():
    """The same view and stream give the same prompt: six seeds and two generated tasks, each once."""
    method = build_method("self-instruct", Settings(model="m"), Prompts(load_templates(NAMES, "chat"), "chat"))
    proposals = [method.propose(VIEW, Random("42/7")) for _ in range(2)]
    assert proposals[0] == proposals[1] != method.propose(VIEW, Random("42/8"))
    assert len(set(proposals[0].examples)) == 8
    assert {"b0-0", "b0-1"} < set(proposals[0].examples)
    assert proposals[0].first == 9


def test_seeds_fill_the_places_of_generated_tasks():
    """At the start there are none, and a prompt shows eight seeds."""
    method = build_method("self-instruct", Settings(model="m"), Prompts(load_templates(NAMES, "chat"), "chat"))
    proposal = method.propose(PoolView(SEEDS, []), Random("1/0"))
    assert len(proposal.examples) == 8
    few = method.propose(PoolView(SEEDS[:3], []), Random("1/0"))
    assert (len(few.examples), few.first) == (3, 4)


def test_classification_only_draws_classification_seeds():
    """As the original's option does; without any such seed it says so."""
    prompts = Prompts(load_templates(NAMES, "chat"), "chat")
    method = build_method("self-instruct", Settings(model="m", classification_only=True), prompts)
    proposal = method.propose(PoolView(SEEDS, []), Random("1/0"))
    assert set(proposal.examples) == {"s0", "s1", "s2", "s3"}
    with pytest.raises(SettingsError, match="is_classification, and there are none"):
        method.propose(PoolView(SEEDS[4:], []), Random("1/0"))


def test_alpaca_shows_whole_seeds_and_the_pool_on_request():
    """Three seeds with an output; generated tasks only where pool_examples asks for them."""
    prompts = Prompts(load_templates(NAMES, "chat"), "chat")
    alone = build_method("alpaca", Settings(model="m"), prompts)
    assert len(alone.propose(VIEW, Random("1/0")).examples) == 3
    assert not alone.reads_pool
    generated = [Task("b0-0", "A generated one.", (Instance("", "its output"),))]
    mixed = build_method("alpaca", Settings(model="m", pool_examples=1), prompts)
    assert mixed.reads_pool
    proposal = mixed.propose(PoolView(SEEDS, generated), Random("1/0"))
    assert "b0-0" in proposal.examples
    assert "its output" in proposal.prompt
    with pytest.raises(SettingsError, match="no seed task has an output"):
        alone.propose(PoolView([Task("x", "No output here.")], []), Random("1/0"))


def test_own_templates_replace_ours_by_name(tmp_path):
    """One file is replaced, the others stay; NAME.j2 of the user's outranks our NAME.completions.j2."""
    (tmp_path / "instructions.j2").write_text("Mine: {{ tasks | length }} from {{ first }} by {{ api }}")
    texts = load_templates(("instructions", "classify"), "completions", tmp_path)
    prompts = Prompts(texts, "completions")
    assert prompts.render("instructions", tasks=[1, 2], first=3) == "Mine: 2 from 3 by completions"
    assert texts["classify.j2"] == (TEMPLATES / "classify.j2").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("instructoins.j2", "x", r"instructoins\.j2: no template has this name; the names are .*instructions\.j2"),
        ("instructions.j2", "{% for x in %}", r"template instructions\.j2, line 1: "),
    ],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path, name, text, message):
    """Misspelt names would be silently ignored otherwise, and syntax errors come with their line."""
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=message):
        Prompts(load_templates(("instructions",), "chat", tmp_path), "chat")


def test_an_unknown_variable_is_named_with_those_that_exist(tmp_path):
    """A template that silently renders nothing would be paid for."""
    prompts = Prompts({"classify.j2": "Is it? {{ taks.instruction }}"}, "chat")
    with pytest.raises(SettingsError, match=r"classify\.j2: 'taks' is undefined; its variables are api, task"):
        prompts.render("classify", task=SEEDS[0])


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("task.instruction + 1", "TypeError: "),
        ("'%d' % 'x'", "TypeError: "),
        ("'%z' % 1", "ValueError: "),
        ("'{5}'.format(1)", "IndexError: "),
        ("range(10 ** 9)", "OverflowError: "),
    ],
)
def test_an_expression_that_fails_is_an_error_of_the_template(expression, cause):
    """It left as a bare ZeroDivisionError in the middle of a run, and nothing named the template."""
    prompts = Prompts({"classify.j2": f"Is it? {{{{ {expression} }}}}"}, "chat")
    with pytest.raises(SettingsError, match=rf"template classify\.j2: {cause}.*; its variables are api, task"):
        prompts.render("classify", task=SEEDS[0])


def test_a_template_that_is_no_utf8_is_named(tmp_path):
    """An editor that saves Latin-1 ended the command with a UnicodeDecodeError and no file name."""
    (tmp_path / "classify.j2").write_bytes("Überlege: {{ task.instruction }}".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"classify\.j2: not UTF-8 \(at byte 0\); save the template as UTF-8"):
        load_templates(("classify",), "chat", tmp_path)
    (tmp_path / "classify.j2").unlink()
    (tmp_path / "classify.j2").mkdir()
    with pytest.raises(SettingsError, match=r"classify\.j2: cannot be read"):
        load_templates(("classify",), "chat", tmp_path)


def test_templates_write_json_for_readers():
    """Jinja's own filter writes apostrophes and markup as codes, which a model would copy."""
    prompts = Prompts({"classify.j2": '{{ {"task": task.instruction} | json }} in {{ format }}'}, "chat")
    task = Task("x", "Don't <b> 将句子")
    assert prompts.render("classify", task=task, format="json") == '{"task": "Don\'t <b> 将句子"} in json'


def test_templates_run_sandboxed():
    """A run directory may come from somebody else; its templates cannot reach into Python."""
    prompts = Prompts({"classify.j2": "{{ task.__class__.__mro__[1].__subclasses__() }}"}, "chat")
    with pytest.raises(SettingsError, match="unsafe"):
        prompts.render("classify", task=SEEDS[0])

"""Structured output: the same candidates as from text, whatever a server makes of the request for JSON."""

from __future__ import annotations

import json
import time
from collections import Counter
from functools import partial
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teacher import instruction
from test_bootstrap import derived
from test_parsing import INSTANCES, LINES, WITH_INPUT, WORDS, letters, pairs, rules

import selfinstruct as si
from selfinstruct import parsing
from selfinstruct.instances import StageSettings
from selfinstruct.llm.lessons import Refusal, refused_parameter
from selfinstruct.methods.schemas import response_format
from selfinstruct.parsing import structured
from selfinstruct.tasks import Candidate, Instance
from selfinstruct.testing import FakeLLM, FaultServer

STAGES = ("instructions", "tasks", "verdict", "input_first", "output_first")
LISTS = st.lists(WORDS, min_size=1, max_size=12)
TASKS = st.lists(st.tuples(WORDS, st.one_of(st.just(""), LINES), LINES), min_size=1, max_size=6)
LABELLED = st.lists(st.builds(Instance, st.one_of(st.just(""), LINES), WORDS), min_size=1, max_size=5)
LAYOUTS = st.fixed_dictionaries({"indent": st.sampled_from([None, 0, 2]), "ensure_ascii": st.booleans()})
AROUND = st.sampled_from(
    [
        "{}",
        "Sure! Here you are:\n{}",
        "Here is the list: {}",
        "```json\n{}\n```",
        "<think>Hm.</think>\n{}",
        "{}\n\nDone.",
    ]
)


def written(answer, layout=None, around="{}"):
    """An answer as one of the texts in which a model may send it."""
    return around.replace("{}", json.dumps(answer, **layout or {}))


def instructions(items):
    return {"instructions": items}


def examples(items, output="output"):
    return {"examples": [{output: one.output, "input": one.input} for one in items]}


def whole(tasks):
    return {"tasks": [dict(zip(("instruction", "input", "output"), task, strict=True)) for task in tasks]}


# --- The same candidates either way ----------------------------------------------------------------------------------


@given(LISTS, st.integers(1, 980), LAYOUTS, AROUND)
def test_a_list_is_the_same_as_json_and_as_text(items, first, layout, around):
    """Lists: what the reader of texts makes of the text is what this one makes of the JSON, and of the text."""
    text = "\n".join(f"{number}. {item}" for number, item in enumerate(items, first))
    expected = parsing.numbered_list(text, first)
    assert structured.numbered_list(written(instructions(items), layout, around), first).items == expected.items
    assert structured.numbered_list(text, first) == expected


@given(WITH_INPUT, LAYOUTS, AROUND)
def test_instances_are_the_same_as_json_and_as_text(found, layout, around):
    """Instances: inputs first."""
    text = "\n".join(f"Example {n}\nInput: {one.input}\nOutput: {one.output}" for n, one in enumerate(found, 1))
    expected = parsing.input_first(text)
    assert structured.input_first(written(examples(found), layout, around)).items == expected.items == found
    assert structured.input_first(text) == expected


@given(LABELLED, LAYOUTS, AROUND)
def test_labels_are_the_same_as_json_and_as_text(found, layout, around):
    """Classification instances: labels first, some without an input."""
    text = "\n".join(f"Class label: {one.output}" + (f"\nInput: {one.input}" if one.input else "") for one in found)
    expected = parsing.output_first(text)
    assert structured.output_first(written(examples(found, "label"), layout, around)).items == expected.items == found
    assert structured.output_first(text) == expected


@given(TASKS, LAYOUTS, AROUND)
def test_whole_tasks_are_the_same_as_json_and_as_text(tasks, layout, around):
    """Whole tasks: some without an input."""
    text = "".join(
        f"###\n{n}. Instruction: {said}\n{n}. Input:\n{given or '<noinput>'}\n{n}. Output:\n{output}\n"
        for n, (said, given, output) in enumerate(tasks, 4)
    )
    expected = parsing.whole_tasks(text)
    assert structured.whole_tasks(written(whole(tasks), layout, around)).items == expected.items
    assert structured.whole_tasks(text) == expected


@given(st.booleans(), LAYOUTS, AROUND)
def test_a_verdict_is_the_same_as_json_and_as_text(holds, layout, around):
    """Verdicts: a truth value is a yes or a no."""
    assert structured.verdict(written({"is_classification": holds}, layout, around)) is holds
    assert structured.verdict("Yes" if holds else "No.") is holds


def test_text_that_is_asked_for_is_never_read_as_json():
    """An output may be JSON, even such JSON; a run that asks for text reads what it always read."""
    answer = "Output: " + written(examples([Instance("a", "b")]))
    assert pairs(parsing.input_first(answer)) == [("", '{"examples": [{"output": "b", "input": "a"}]}')]
    assert rules(parsing.input_first(written(examples([Instance("a", "b")])))) == ["malformed"]


# --- Answers that are cut --------------------------------------------------------------------------------------------


@given(INSTANCES, LAYOUTS, st.data())
def test_a_cut_answer_keeps_the_items_before_the_cut(found, layout, data):
    """However many characters the token limit leaves, whole items stay and the one that it cut goes."""
    text = written(examples(found), layout)
    opened = text.index("[")
    cut_text = text[: data.draw(st.integers(opened + 1, len(text)))]
    parsed = structured.input_first(cut_text, cut=True)
    assert parsed.items == found[: len(parsed.items)]
    ends = [json.JSONDecoder().raw_decode(text, at)[1] for at, mark in enumerate(text) if at > opened and mark == "{"]
    assert len(parsed.items) == sum(end <= len(cut_text) for end in ends)
    assert rules(parsed) in ([], ["cut"])


@given(LISTS, LAYOUTS, st.data())
def test_a_cut_list_keeps_the_instructions_before_the_cut(items, layout, data):
    """A text that the limit cut is no instruction, however much of it is there."""
    text = written(instructions(items), layout)
    parsed = structured.numbered_list(text[: data.draw(st.integers(text.index("[") + 1, len(text)))], 9, cut=True)
    assert [one.instruction for one in parsed.items] == items[: len(parsed.items)]
    assert rules(parsed) in ([], ["cut"])


def test_an_answer_that_ends_early_without_reason_is_malformed():
    """Without the finish reason nobody knows that the limit did it; the piece is kept as it is."""
    parsed = structured.input_first('{"examples": [{"input": "a", "output": "b"}, {"input": "c", "outp')
    assert pairs(parsed) == [("a", "b")]
    assert [(one.rule, one.text) for one in parsed.dropped] == [("malformed", '{"input": "c", "outp')]


def test_json_that_is_whole_loses_nothing_to_a_finish_reason():
    """The limit may fall on the last bracket; a text has no such end, and loses its last item."""
    assert pairs(structured.input_first(written(examples([Instance("a", "b")])), cut=True)) == [("a", "b")]
    assert rules(structured.input_first('{"exam', cut=True)) == ["cut"]


# --- Answers that are not as they should be --------------------------------------------------------------------------

A, B = '{"input": "a", "output": "b"}', '{"input": "c", "output": "d"}'
BOTH = [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    ("answer", "expected", "dropped"),
    [
        (f"[{A}, {B}]", BOTH, []),
        (f"{A}\n{B}", BOTH, []),
        (f'{{"examples": {A}}}', [("a", "b")], []),
        (f'{{"examples": [{A} {B}]}}', BOTH, []),
        (f'{{"examples": [{A}, {B},]}}', BOTH, []),
        (f'{{"examples": [{A}, {B}', BOTH, []),
        (f'{{"examples": [{A}], "examples": [{B}]}}', BOTH, []),
        (f'{{"examples": [{A}]}}\n{{"examples": [{B}]}}', BOTH, []),
        (f'```json\n{{"examples": [{A}]}}\n```\n```json\n{{"examples": [{B}]}}\n```', BOTH, []),
        (f"Sure!\n```json\n[{A}]\n```\nHope it helps.", [("a", "b")], ["chatter", "chatter"]),
        (f'{{"thoughts": "Two of them.", "examples": [{A}, {B}]}}', BOTH, ["chatter"]),
        (f'<think>{{"examples": [{A}]}}</think>{{"examples": [{B}]}}', [("c", "d")], ["thinking"]),
        (f'{{"examples": [{A}, {{"input": "x" "output"}}, {B}]}}', BOTH, ["malformed"]),
        (f'{{"examples": [{A}, {{"input": "say "hi"", "output": "x"}}, {B}]}}', BOTH, ["malformed"]),
        (f'{{"examples": [{A}, "text", 5, null, [1], {{}}, {{"input": "x"}}, {B}]}}', BOTH, ["malformed"] * 6),
        (f'{{"examples": [{{"input": "x", "output": "y", "input": "z"}}, {B}]}}', [("c", "d")], ["malformed"]),
        ('{"examples": [{"input": 1.50, "output": true}]}', [("1.50", "true")], []),
        ('{"examples": [{"input": null, "output": NaN}]}', [("", "NaN")], []),
        ('{"examples": [{"input": "none", "output": null}]}', [("", "")], []),
        ('{"examples": [{"input": [1, {"a": "b"}], "output": {}}]}', [('[1, {"a": "b"}]', "{}")], []),
        ('{"examples": [{"output": "b"}, {"label": "c"}]}', [("", "b"), ("", "c")], []),
        ('{"examples": [{"input": "a", "output": "b", "why": "so"}]}', [("a", "b")], ["chatter"]),
        ('{"examples": [{"input": "a\nb", "output": "c\\r\\nd \\ud83d"}]}', [("a\nb", "c\nd ?")], []),
        ('{"examples": [{"input": "\\"examples\\": [", "output": "b"}]}', [('"examples": [', "b")], []),
        ('{"examples": [{"input": {"examples": [{"input": 1}]}, "output": "b"}]}', [('{"examples": [{"input": 1}]}', "b")], []),
        ('{"examples": []}', [], []),
        ('{"examples": "a and b"}', [], ["malformed"]),
        ('{"examples": [{"output": ' + "[" * 5000 + "}, " + A + "]}", [("a", "b")], ["malformed"]),
        ('{"examples": [{"output": ' + "1" * 5000 + "}, " + A + "]}", [("", "1" * 5000), ("a", "b")], []),
        ("Example 1\nInput: a\nOutput: b\nExample 2\nInput: c\nOutput: d", BOTH, []),
        (f"Input: {A}\nOutput: b", [(A, "b")], []),
        (f"Output:\n{A}", [("", A)], []),
        ("I cannot help with that.", [], ["malformed"]),
    ],
)  # fmt: skip
def test_one_flaw_costs_one_item(answer, expected, dropped):
    """Fences, prose, wrong types, names that stand twice, missing commas: the other items stay, the piece is kept."""
    for read in (structured.input_first, structured.output_first):
        parsed = read(answer)
        assert pairs(parsed) == expected
        assert rules(parsed) == dropped


@pytest.mark.parametrize(
    ("answer", "expected", "dropped"),
    [
        ('["Write a poem.", "sort it."]', ["Write a poem.", "Sort it."], []),
        ('{"instructions": ["9. Write a poem.", "10) Sort it."]}', ["Write a poem.", "Sort it."], []),
        ('{"instructions": ["1. Write a poem.", "2016. What was it?"]}', ["Write a poem.", "2016. What was it?"], []),
        ('{"instructions": ["Write **one** poem.", "Say\\n  it."]}', ["Write one poem.", "Say it."], []),
        ('{"instructions": [{"instruction": "Write a poem."}, "Sort it."]}', ["Write a poem.", "Sort it."], []),
        ('{"tasks": ["Write a poem."]}', ["Write a poem."], []),
        ('{"instructions": ["Write a poem.", "", "...", 5]}', ["Write a poem."], ["empty_item", "empty_item", "malformed"]),
        ('{"instructions": ["Say "hi" to me.", "Sort it."]}', ["Sort it."], ["malformed"]),
        ('{"instructions": ["Write a poem."\n "Sort it."]}', ["Write a poem.", "Sort it."], []),
        ('{"instructions": ["Turn {\\"a\\": [1]} into YAML."]}', ['Turn {"a": [1]} into YAML.'], []),
        ('9. Turn {"tasks": ["a"]} into YAML.\n10. Sort it.', ['Turn {"tasks": ["a"]} into YAML.', "Sort it."], []),
    ],
)  # fmt: skip
def test_lists_of_instructions_of_many_shapes(answer, expected, dropped):
    """Numbers that count the items go, years stay; a text answer about JSON is a text answer."""
    parsed = structured.numbered_list(answer, 9)
    assert [one.instruction for one in parsed.items] == expected
    assert rules(parsed) == dropped


def test_half_a_surrogate_pair_reaches_no_file():
    """JSON can say one in an escape, in texts and in names, and no UTF-8 file holds it: writing the run would fail."""
    half = "\\ud83d"
    parsed = structured.whole_tasks(
        f'{{"tasks": [{{"instruction": "a{half}", "output": "b{half}", "c{half}": "{half}"}}]}}'
    )
    assert parsed.items == [Candidate("A?", (Instance("", "b?"),))]
    assert [(piece.text, piece.detail) for piece in parsed.dropped] == [(f'"{half}"', "not asked for: c?")]


def test_whole_tasks_lose_what_has_no_instruction_or_no_output():
    """The same two rules as for texts; a number as instruction is none."""
    one = '{"instruction": "say it.", "input": "", "output": 7}'
    parsed = structured.whole_tasks(
        f'{{"tasks": [{one}, {{"instruction": "x"}}, {{"instruction": 5, "output": "y"}}]}}'
    )
    assert parsed.items == [Candidate("Say it.", (Instance("", "7"),))]
    assert [piece.detail for piece in parsed.dropped] == ["no output in it", "no instruction in it"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"is_classification": true}', True),
        ('```json\n{\n  "is_classification" : false\n}\n```', False),
        ('{"reason": "No label is fixed, yes?", "is_classification": false}', False),
        ('{"is_classification": "Yes"}', True),
        ('{"is_classification": null}', None),
        ('{"is_classification": 1}', None),
        ('{"is_classification": "truest"}', None),
        ('{"is_classification": true, "is_classification": false}', None),
        ('<think>{"is_classification": true}?</think>{"is_classification": false}', False),
        ('{"classification": false}', False),
        ("true", True),
        ("No, it is not.", False),
        ("That depends.", None),
    ],
)
def test_verdicts_of_many_shapes(answer, expected):
    """The named truth value decides, not a yes or no in a reason; neither or both is no verdict, and is asked again."""
    assert structured.verdict(answer) is expected


FRAGMENTS = st.sampled_from(
    ["{", "}", "[", "]", '"', ",", ":", "\n", " ", "\\", '{"examples": [', '{"instructions": [', '{"tasks": [', '{"instruction": "',
     '{"input": "', '", "output": "', '"}', '", "', "```json\n", "```\n", "Sure! ", "9. ", "Output: ", "null", "1.5", "\\u00e9", '"label": ']
)  # fmt: skip
NAMES = {"examples", "instructions", "tasks", "json", "null", "u", "e", "n"}


@given(
    st.lists(st.one_of(FRAGMENTS, st.integers(0, 99).map(lambda n: f"w{chr(97 + n // 10)}{chr(97 + n % 10)} ")), max_size=40),
    st.sampled_from([partial(structured.numbered_list, first=9), structured.whole_tasks, structured.input_first]),
    st.booleans(),
)  # fmt: skip
def test_no_word_of_an_answer_is_lost(fragments, read, cut):
    """Whatever an answer holds, all its words come back in items or in dropped pieces."""
    text = "".join(fragments)
    parsed = read(text, cut=cut)
    found = Counter()
    for item in parsed.items:
        parts = item.instances if isinstance(item, Candidate) else [item]
        found += letters(" ".join([getattr(item, "instruction", ""), *(f"{one.input} {one.output}" for one in parts)]))
    for piece in parsed.dropped:
        found += letters(piece.text)
    lost = letters(text) - found
    assert not {word for word in lost if word.startswith("w")}


@pytest.mark.parametrize(
    "piece",
    ["{", "[", '"', "\n", ",\n", "{\n", "[\n", '{"', '["', '{"a":', '{"a":[', ',{"a":[1\n', '\n{"a":"', '{"examples":[', '"examples":[', '"examples": ',
     '{"input": "a", "output": "b"}', '{"input": "a",', '"a", ', '"a "b", ', "```\n", "Sure: ", "Sure: {", '"is_classification": ', "\\u", " {", "}\n"],
)  # fmt: skip
def test_no_json_takes_long(piece):
    """An expression that backtracks, or an item that is read again and again, would take minutes."""
    readers = (
        partial(structured.numbered_list, first=9),
        structured.whole_tasks,
        structured.input_first,
        structured.verdict,
    )
    for opening, read in product(("", '{"examples": [', '{"instructions": ["'), readers):
        began = time.perf_counter()
        read(opening + piece * (50_000 // len(piece)) + "x")
        assert time.perf_counter() - began < 1


# --- What is asked ---------------------------------------------------------------------------------------------------


def nested(schema):
    """The schema and all those inside it."""
    yield schema
    for one in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from nested(one)


@pytest.mark.parametrize("stage", STAGES)
def test_schemas_keep_the_strict_rules(stage):
    """OpenAI refuses a strict schema with an optional field, room for others, or a keyword that it does not know."""
    sent = response_format(stage)
    assert sent["type"] == "json_schema"
    assert (sent["json_schema"]["name"], sent["json_schema"]["strict"]) == (stage, True)
    for schema in nested(sent["json_schema"]["schema"]):
        assert set(schema) <= {"type", "properties", "required", "additionalProperties", "items"}
        if schema["type"] == "object":
            assert schema["additionalProperties"] is False
            assert schema["required"] == list(schema["properties"])


def test_labels_are_asked_for_before_inputs():
    """The order of the properties is the order in which a grammar makes the model write them."""
    items = {
        stage: response_format(stage)["json_schema"]["schema"]["properties"]["examples"]["items"]
        for stage in STAGES[3:]
    }
    assert list(items["input_first"]["properties"]) == ["input", "output"]
    assert list(items["output_first"]["properties"]) == ["label", "input"]


def test_a_base_model_is_not_asked_for_json(tmp_path):
    """It continues a text and keeps to no schema; the run is not begun."""
    with pytest.raises(si.SettingsError, match=r"--response-format json goes with --api chat"):
        si.generate(tmp_path / "run", model="demo", api="completions", response_format="json")
    assert not (tmp_path / "run").exists()


def stage_settings(prefix="", defaults=(("temperature", 0.7), ("max_tokens", 9)), **options):
    return StageSettings.of(si.Settings(model="m", **options), prefix, dict(defaults))


def test_settings_that_are_not_given_are_not_sent():
    """They would change the digest of every request of an earlier run."""
    assert dict(stage_settings().sampling) == {"temperature": 0.7, "max_tokens": 9}


def test_seed_effort_and_extra_fields_go_into_every_stage():
    """The user asked for them, so none of them may be left out when a server refuses it."""
    options = {"sampling_seed": 7, "reasoning_effort": "low", "extra_body": {"top_k": 20, "temperature": 0.1}}
    for prefix in ("", "classify_", "instance_"):
        stage = stage_settings(prefix, **options)
        assert dict(stage.sampling) == {
            "temperature": 0.1, "max_tokens": 9, "seed": 7, "reasoning_effort": "low", "top_k": 20,
        }  # fmt: skip
        assert stage.optional == {"max_tokens"}


def test_a_stop_of_the_users_own_stays(tmp_path):
    """The loop's own stop strings for base models took its place in the instruction stage alone."""
    llm = FakeLLM(Twin().answer)
    options = {"api": "completions", "extra_body": {"stop": ["###"]}}
    si.generate(tmp_path / "run", llm=llm, num_tasks=3, progress=False, **options)
    assert {one.stage for one in llm.requests} == {"instructions", "classify", "instances"}
    assert all(one.sampling["stop"] == ["###"] and "stop" not in one.optional for one in llm.requests)


def test_a_stage_may_think_more_than_the_others():
    """The effort of the stage goes before the general one, and stands alone where there is no general one."""
    options = {"reasoning_effort": "low", "classify_reasoning_effort": "minimal"}
    efforts = [
        stage_settings(prefix, **options).sampling["reasoning_effort"] for prefix in ("", "classify_", "instance_")
    ]
    assert efforts == ["low", "minimal", "low"]
    alone = {"instance_reasoning_effort": "high"}
    assert "reasoning_effort" not in stage_settings(**alone).sampling
    assert stage_settings("instance_", **alone).sampling["reasoning_effort"] == "high"


@pytest.mark.parametrize(
    ("api", "asked"), [("chat", {"logprobs": True, "top_logprobs": 5}), ("completions", {"logprobs": 5})]
)
def test_log_probabilities_are_asked_for_with_the_verdict_alone(tmp_path, api, asked):
    """What they are called depends on the API; a server that has none is asked without."""
    llm = FakeLLM(Twin().answer)
    si.generate(tmp_path / "run", llm=llm, num_tasks=3, api=api, classify_logprobs=True, progress=False)
    for request in llm.requests:
        expected = asked if request.stage == "classify" else {}
        assert {name: value for name, value in request.sampling.items() if "logprobs" in name} == expected
        assert set(expected) <= request.optional


@pytest.mark.parametrize(
    "message",
    [
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "response_format is not supported",
        "Unsupported parameter: 'response_format'",
        "Unsupported fields in the request: {'response_format'}",
        "[{'type': 'extra_forbidden', 'loc': ('body', 'response_format'), 'msg': 'Extra inputs are not permitted'}]",
        'response_format type must be one of "text" or "json_object", but got: json_schema',
        "This response_format type is unavailable now",
        "The provided JSON schema contains features not supported by xgrammar.",
        "Failed to initialize samplers: failed to parse grammar",
        "This model does not support response format `json_schema`.",
    ],
)  # fmt: skip
def test_refusals_of_the_schema_are_understood(message):
    """What servers say of it; each leads to the same request without it."""
    sent = {"temperature": 0.7, "response_format": response_format("verdict")}
    assert refused_parameter(sent, Refusal(400, message)) == "response_format"


# --- Whole runs ------------------------------------------------------------------------------------------------------


class Twin:
    """A model whose answers are the same in every format: they depend on what is asked about, not on the words."""

    model = "twin"

    async def complete(self, request):
        return si.Completion(self.answer(request), "stop", None, self.model)

    def answer(self, request):
        random = Random(f"{request.stage} {request.index} {dict(request.about, first=0, examples=())}")
        as_json = request.response_format is not None
        if request.stage == "classify":
            holds = (False, False, True, None)[int(random.random() * 4)]
            said = {True: "Yes.", False: "no", None: "That depends."}[holds]
            return json.dumps({"is_classification": holds}) if as_json else said
        if request.stage == "instances":
            return self.instances(request, random, as_json=as_json)
        first, items = request.about["first"], [instruction(random) for _ in range(7)]
        items[int(random.random() * 7)] = "Draw a picture of a horse near the sea"
        if "Instruction" in request.text or '"tasks"' in request.text:
            tasks = [(item, "" if len(item) % 2 else "a lamp", f"Done with {item}.") for item in items]
            return json.dumps(whole(tasks)) if as_json else "\n".join(
                f"###\n{n}. Instruction: {said}\n{n}. Input: {given}\n{n}. Output: {output}"
                for n, (said, given, output) in enumerate(tasks, first)
            )  # fmt: skip
        return (
            json.dumps(instructions(items))
            if as_json
            else "\n".join(f"{n}. {item}" for n, item in enumerate(items, first))
        )

    def instances(self, request, random, *, as_json):
        found = [Instance(instruction(random), "Done."), Instance("x", "y" if random.random() < 0.7 else "")]
        if "Class label" in request.text or '"label"' in request.text:
            said = "\n".join(f"Class label: {one.output}\nInput: {one.input}" for one in found)
            return json.dumps(examples(found, "label")) if as_json else said
        said = "\n".join(f"Example {n}\nInput: {one.input}\nOutput: {one.output}" for n, one in enumerate(found, 1))
        return json.dumps(examples(found)) if as_json else said


@pytest.mark.parametrize("method", ["self-instruct", "alpaca"])
def test_a_run_in_json_comes_to_the_tasks_of_a_run_in_text(tmp_path, method):
    """The same answers in either format: the same tasks and rows, byte for byte, and the same rejections."""
    rejections = []
    for name in ("text", "json"):
        run = si.generate(
            tmp_path / name, llm=Twin(), method=method, num_tasks=40, response_format=name, progress=False
        )
        assert run.stopped is None
        rejections.append([(row.id, row.rule, row.score, row.neighbour, row.detail) for row in run.rejected])
    (tasks, _, rows), expected = derived(tmp_path / "json"), derived(tmp_path / "text")
    assert [tasks, rows] == [expected[0], expected[2]]
    assert rejections[0] == rejections[1]
    met = {rule for _, rule, *_ in rejections[1]}
    assert ({"keywords", "empty_output", "no_verdict"} if method == "self-instruct" else {"keywords"}) <= met


def test_a_demo_run_in_json_is_as_good_as_one_in_text(tmp_path):
    """The teacher answers by the schema: nothing of it is malformed, and its tasks have their instances."""
    for method in ("self-instruct", "alpaca"):
        run = si.generate(
            tmp_path / method, model="demo", method=method, response_format="json", num_tasks=60, progress=False
        )
        assert run.stopped is None
        assert not {"malformed", "chatter", "no_verdict"} & set(run.rejections)
        assert len(run.rejected) < 40
    texts = [
        json.loads(line)["text"] for line in (tmp_path / "self-instruct" / "ledger.jsonl").read_text().splitlines()
    ]
    assert all(text.startswith('{"') for text in texts)


def test_a_method_of_the_users_own_asks_for_text(tmp_path):
    """Its prompt wants a list, so only the stages behind it are asked for JSON."""
    llm = Twin()
    asked = FakeLLM(llm.answer, model="twin")

    def mine(pool, random):
        return f"Number them: {random.random()}"

    run = si.generate(tmp_path / "run", llm=asked, method=mine, num_tasks=5, response_format="json", progress=False)
    assert run.stopped is None
    assert {one.stage for one in asked.requests if one.response_format is None} == {"instructions"}
    assert {one.stage for one in asked.requests if one.response_format is not None} == {"classify", "instances"}


def test_a_run_in_json_replays_without_a_call(tmp_path):
    """The schema is part of each digest, and it is the same when the run is opened again."""
    si.generate(tmp_path / "run", llm=Twin(), num_tasks=10, response_format="json", progress=False)
    before = derived(tmp_path / "run")
    again = FakeLLM([], model="twin")
    si.generate(tmp_path / "run", llm=again, progress=False)
    assert again.requests == []
    assert derived(tmp_path / "run") == before
    with pytest.raises(si.SettingChanged, match="response_format"):
        si.generate(tmp_path / "run", llm=again, response_format="text", progress=False)


def body_answer(body):
    """The twin behind a server: JSON where the schema came through, text where it did not."""
    prompt = body["messages"][0]["content"]
    schema = body.get("response_format")
    if prompt.endswith(("Classification:", "Answer:")):
        return '{"is_classification": false}' if schema else "No"
    if '{"instructions"' in prompt:
        items = [instruction(Random(f"{prompt} {n}")) for n in range(8)]
        return (
            json.dumps(instructions(items)) if schema else "\n".join(f"{n}. {item}" for n, item in enumerate(items, 1))
        )
    return json.dumps(examples([Instance("x", "y")])) if schema else "Example 1\nInput: x\nOutput: y"


def test_a_server_without_schemas_is_asked_without(tmp_path, caplog):
    """One notice, then the same prompts without the parameter; what it says in text is read as text."""
    options = {"model": "m", "num_tasks": 12, "response_format": "json", "concurrency": 4, "progress": False}
    with FaultServer(body_answer, faults=lambda _: "unsupported:response_format") as server:
        run = si.generate(tmp_path / "without", base_url=server.base_url, **options)
        assert server.counts["unsupported:response_format"] <= 4, "those that were under way at once"
    assert run.stopped is None
    assert [one.message.partition(";")[0] for one in caplog.records] == ["m refuses response_format"]
    with FaultServer(body_answer) as server:
        si.generate(tmp_path / "with", base_url=server.base_url, **options)
        assert all(body["response_format"]["json_schema"]["strict"] for body in server.requests)
    assert derived(tmp_path / "without") == derived(tmp_path / "with")


def test_a_server_without_log_probabilities_is_asked_without(tmp_path, caplog):
    """Both of their parameters go, the one that depends on the other as well, and the run finishes."""

    def refused(body):
        return next((f"unsupported:{name}" for name in ("logprobs", "top_logprobs") if name in body), None)

    with FaultServer(body_answer, faults=refused) as server:
        run = si.generate(tmp_path / "run", base_url=server.base_url, model="m", num_tasks=5, response_format="json",
                          classify_logprobs=True, progress=False)  # fmt: skip
    assert run.stopped is None
    assert [one.message.partition(";")[0] for one in caplog.records] == [
        "m refuses logprobs=True",
        "m refuses top_logprobs=5",
    ]


@pytest.mark.parametrize("method", ["self-instruct", "alpaca"])
@pytest.mark.parametrize("response_format", ["text", "json"])
def test_thoughts_and_log_probabilities_are_kept_beside_the_texts(tmp_path, method, response_format):
    """Reasoning of its own field or in marks, and the verdict's log probabilities, are in the ledger and in no task."""

    def answer(body):
        twin, prompt = Twin(), body["messages"][0]["content"]
        stage = "classify" if prompt.endswith(("Classification:", "Answer:")) else "instances"
        stage = "instructions" if "new tasks" in prompt or "Now write" in prompt else stage
        request = si.Request("m", (si.Message("user", prompt),), stage=stage, about={"first": 1, "in": prompt},
                             response_format=body.get("response_format"))  # fmt: skip
        text = twin.answer(request)
        message = {"content": f"<think>Secret thoughts.</think>\n{text}"}
        if stage != "instructions":
            message = {"content": text, "reasoning_content": "Secret thoughts."}
        choice = {"message": message, "finish_reason": "stop"}
        if body.get("logprobs"):
            top = [{"token": "No", "logprob": -0.1}, {"token": "Yes", "logprob": -2.4}]
            choice["logprobs"] = {"content": [{"token": "No", "logprob": -0.1, "top_logprobs": top}]}
        return {"choices": [choice], "model": "m"}

    with FaultServer(answer) as server:
        run = si.generate(tmp_path / "run", base_url=server.base_url, model="m", method=method, num_tasks=12,
                          classify_logprobs=True, response_format=response_format, progress=False)  # fmt: skip
    assert run.stopped is None
    lines = map(json.loads, (tmp_path / "run" / "ledger.jsonl").read_text().splitlines())
    entries = [entry for entry in lines if entry["kind"] == "answer"]
    assert {entry["reasoning"] for entry in entries} == {"Secret thoughts."}
    for entry in entries:
        verdict = [{"No": -0.1, "Yes": -2.4}] if entry["key"].startswith("classify") else None
        assert entry.get("logprobs") == verdict
        assert "Secret" not in entry["text"]
    assert not any(b"Secret" in content for content in derived(tmp_path / "run"))
    assert not {"thinking", "malformed"} & set(run.rejections)

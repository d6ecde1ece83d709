"""The data card: facts of the run and nothing else, and nothing of the machine that it ran on."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from huggingface_hub import DatasetCard

import selfinstruct as si
from selfinstruct.commands.generate import command as generate
from selfinstruct.export.card import Stated, size_category, write_card, write_set_card
from selfinstruct.export.licences import FAMILIES, terms_of
from selfinstruct.export.measured import Measured, measure
from selfinstruct.export.provenance import command, last_part, model_name
from selfinstruct.methods import TEMPLATES
from selfinstruct.settings import Settings
from selfinstruct.testing import FakeLLM, FaultServer

GOLDEN = Path(__file__).parent / "golden" / "card.md"
SEEDS = [
    {"id": f"s{number}", "instruction": text, "instances": [{"input": "", "output": "Done."}]}
    for number, text in enumerate(
        ["Name three uses of a brick.", "Explain why the sky is blue.", "Greet a new colleague."]
    )
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A small run of the demo teacher."""
    return si.generate(tmp_path_factory.mktemp("runs") / "demo", model="demo", num_tasks=20, progress=False)


def a_teacher(prompt):
    """Answers for every stage: a list with one task, a verdict, an instance."""
    if "Number them" in prompt:
        return "9. Describe the lamp on your desk in two sentences."
    return "No" if prompt.endswith("Classification:") else "Output: It is green, and it flickers."


def an_info(rows, **columns):
    """What `datasets` knows of a file with so many rows and these columns."""
    import datasets
    from datasets.splits import SplitDict, SplitInfo

    return datasets.DatasetInfo(
        features=datasets.Features({name: datasets.Value(kind) for name, kind in columns.items()}),
        splits=SplitDict({"train": SplitInfo("train", num_bytes=2000, num_examples=rows)}),
        download_size=1000,
        dataset_size=2000,
    )


def test_the_card_of_a_demo_run_is_the_golden_one(demo):
    """A sentence that changes, or a fact that gets lost, should be seen in a review."""
    card = write_card(
        demo,
        repo="me/demo",
        stated=Stated(license="cc-by-4.0"),
        measured=Measured(
            sentences=["20 instructions."],
            languages=["en"],
            findings={"SI203 empty-output": 2},
            pictures={"output-lengths.svg": b"<svg/>"},
        ),
        info=an_info(len(demo.dataset), id="string", instruction="string", input="string", output="string"),
    )
    assert card.replace(f"selfinstruct {version('selfinstruct')}", "selfinstruct VERSION") == GOLDEN.read_text(
        encoding="utf-8"
    )


def test_the_metadata_is_what_was_stated_and_measured(demo):
    """Other tools write `license: mit` and `language: en` on whatever they made."""
    data = DatasetCard(demo.card()).data.to_dict()
    assert data["tags"] == ["synthetic", "instruction-tuning", "selfinstruct", "demonstration"]
    assert data["size_categories"] == ["n<1K"]
    assert not {"license", "language", "dataset_info", "configs"} & set(data)
    assert "The publisher states none." in demo.card()
    stated = write_card(demo, stated=Stated(license="mit"), measured=Measured(languages=["zh", "en"]))
    data = DatasetCard(stated).data
    assert (data.license, data.language) == ("mit", ["zh", "en"])


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """A run with everything that a card must not tell: addresses, names of variables, folders, a model by its path."""
    root = tmp_path_factory.mktemp("confidential")
    (root / "texts").mkdir()
    (root / "texts" / "mine.jsonl").write_text("\n".join(json.dumps(seed) for seed in SEEDS))
    (root / "texts" / "tests.jsonl").write_text(json.dumps({"instruction": "Draw up a plan for a day at the sea."}))
    (root / "words").mkdir()
    (root / "words" / "classify.j2").write_text("Task: {{ task.instruction }}\nClassification:")
    earlier = root / "runs" / "earlier"
    si.generate(earlier, model=FakeLLM(lambda request: a_teacher(request.text)), num_tasks=1, progress=False)
    with FaultServer(lambda body: a_teacher(body["messages"][0]["content"]).replace("desk", "shelf")) as server:
        run = si.generate(
            root / "runs" / "secret",
            model="/home/somebody/weights/Llama-3.1-8B.gguf",
            base_url=server.base_url,
            api_key_env="PATH",  # set wherever tests run
            seeds=root / "texts" / "mine.jsonl",
            against=root / "texts" / "tests.jsonl",
            prompts=root / "words",
            from_run=str(earlier),
            max_rouge=0.95,
            num_tasks=1,
            progress=False,
        )
    return run, root, server.base_url


def test_the_card_tells_nothing_of_the_machine(private):
    """A card is published: no endpoint, no folder, no name of a variable stands in it."""
    run, root, url = private
    card = write_card(run, repo="me/x", stated=Stated(cost=True, seeds_license="mine"))
    for secret in (
        str(root),
        root.name,
        url,
        "127.0.0.1",
        "http://",
        "--base-url",
        "api-key",
        "PATH",
        "somebody",
        "weights",
    ):
        assert secret not in card, secret
    for told in (
        "mine.jsonl",
        "tests.jsonl",
        "earlier",
        "Llama-3.1-8B.gguf",
        "3 tasks",
        "as the publisher states it: mine",
    ):
        assert told in card, told


def test_the_card_names_the_terms_of_each_teacher(private):
    """Whoever trains on the data is bound by them; a model that nobody knows has to be looked up."""
    run, _, _ = private
    card = run.card()
    assert "| Llama-3.1-8B.gguf | Meta | [Llama 3.1](https://www.llama.com/llama3_1/license/) |" in card
    assert "| fake | unknown | unknown, check | |" in card
    assert "How the 1 task that it began with came about is not described here." in card


def test_the_card_tells_how_answers_were_asked_for(tmp_path):
    """JSON, how much the model thought, yes and no in words, whole numbers in full; no text of the user's own fields."""
    body = {"enable_thinking": False, "seed_of": 1_234_567, "user": "somebody"}
    run = si.generate(
        tmp_path / "run", model=FakeLLM(lambda request: a_teacher(request.text)), seeds=SEEDS, num_tasks=1,
        saturation_window=1, response_format="json", reasoning_effort="low", classify_logprobs=True, extra_body=body,
        progress=False,
    )  # fmt: skip
    card = run.card()
    assert "- Answers were asked for as JSON, by a schema." in card
    assert "Decoding of classification: temperature 0, top_p 0, max_tokens 64, logprobs true, top_logprobs" in card
    assert card.count("reasoning_effort low, enable_thinking false, seed_of 1234567") == 3
    assert "user somebody" not in card


def test_protected_tasks_are_told_with_what_they_kept_out(private):
    """Whether a test set was kept out is the first question of whoever evaluates on one."""
    run, _, _ = private
    assert "1 task of tests.jsonl: a candidate with a ROUGE-L of 0.95 or more to one of them or 13 words" in run.card()


def test_tokens_are_told_on_request_only(demo):
    """What a set has cost is the affair of whoever paid for it."""
    assert "tokens went in" not in demo.card()
    assert f"{demo.spent.prompt_tokens:,} tokens went in" in write_card(demo, stated=Stated(cost=True))


def test_the_command_in_the_card_gives_the_settings_of_the_run():
    """The command that makes the set again has to be one, whatever the settings hold."""
    settings = Settings(
        model="some/model",
        num_tasks=7,
        method="alpaca",
        seeds="/data/seeds of mine.jsonl",
        keywords=("and/or", "it's"),
        banned_starts=(),
        against=("/data/a.jsonl", "b.jsonl"),
        classification_only=True,
        instance_model="other",
        temperature=0.0,
        saturation=0.0,
        base_url="http://localhost:1/v1",
        concurrency=3,
    )
    words = shlex.split(command(settings))
    assert words[:3] == ["selfinstruct", "generate", "RUN"]
    options = generate.make_context("generate", words[2:]).params
    known = Settings().to_dict()
    given = {name: value for name, value in options.items() if name in known and value is not None and value != ()}
    expected = {**settings.to_dict(), "seeds": "seeds of mine.jsonl", "against": ["a.jsonl", "b.jsonl"]}
    for name in ("base_url", "concurrency"):
        del expected[name]
    again = Settings(**given).to_dict()
    assert again["banned_starts"] == [""], "an empty phrase is none"
    again["banned_starts"] = []
    assert {name: again[name] for name in expected} == expected


def test_seeds_given_as_values_are_those_of_the_run(tmp_path):
    """`--seeds 'tasks given as values'` would be no command."""
    llm = FakeLLM(lambda request: a_teacher(request.text))
    run = si.generate(tmp_path / "run", model=llm, seeds=SEEDS, num_tasks=1, progress=False)
    assert "--seeds seeds.jsonl" in run.card()
    assert "the publisher states no licence" in run.card()


def test_a_file_that_took_the_name_of_the_packaged_seeds_is_not_told_as_these(tmp_path, monkeypatch):
    """A folder may hold a file called `en`; its tasks are not under our licence."""
    monkeypatch.chdir(tmp_path)
    Path("en").write_text("\n".join(json.dumps(seed) for seed in SEEDS))
    llm = FakeLLM(lambda request: a_teacher(request.text))
    card = si.generate("run", model=llm, seeds="en", num_tasks=1, progress=False).card()
    assert "Apache-2.0" not in card
    assert "Seeds: 3 tasks, en (" in card


@pytest.mark.parametrize(
    ("model", "families"),
    [
        ("gpt-5-mini", ["GPT"]),
        ("openai/gpt-4o", ["GPT"]),
        ("o3-mini", ["GPT"]),
        ("text-davinci-003", ["GPT"]),
        ("openai/gpt-oss-20b", ["gpt-oss"]),
        ("claude-sonnet-4-5", ["Claude"]),
        ("models/gemini-2.5-pro", ["Gemini"]),
        ("gemma-7b-it", ["Gemma 1 to 3"]),
        ("gemma3:12b", ["Gemma 1 to 3"]),
        ("google/gemma-4-27b", []),
        ("meta-llama/Llama-2-7b-chat-hf", ["Llama 2"]),
        ("meta-llama/Meta-Llama-3-8B", ["Llama 3"]),
        ("llama3.2", ["Llama 3.2"]),
        ("meta.llama3-1-8b-instruct-v1:0", ["Llama 3.1"]),
        ("Llama-3.3-70B-Instruct", ["Llama 3.3"]),
        ("meta-llama/Llama-4-Scout-17B-16E", ["Llama 4"]),
        ("mistral-small-latest", ["Mistral"]),
        ("Qwen/Qwen3-8B", ["Qwen"]),
        ("deepseek-chat", ["DeepSeek"]),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", ["Qwen", "DeepSeek"]),
        ("command-r-plus", ["Cohere"]),
        ("grok-4", ["Grok"]),
        ("microsoft/Phi-4-mini-instruct", ["Phi"]),
        ("phi3:mini", ["Phi"]),
        ("gpt4all-j", []),
        ("gpt2", []),
        ("dolphin3", []),
        ("fake", []),
    ],
)
def test_the_name_of_a_model_tells_its_family(model, families):
    """Terms that are not the model's mislead more than none; a distilled model has those of two families."""
    assert [one.family for one in terms_of(model)] == families


def test_every_family_has_an_address_and_one_sentence():
    """The table is read by people, in a column of a card."""
    for one in FAMILIES:
        assert one.link.startswith("https://"), one
        assert one.note.endswith("."), one
        assert "|" not in one.note + one.family, one


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("/models/mine/llama", "llama"),
        (r"C:\models\mine.bin", "mine.bin"),
        ("../weights/mine", "mine"),
        ("models/mine.gguf", "mine.gguf"),
    ],
)
def test_a_model_that_is_a_path_is_told_by_its_last_part(given, told):
    """Local servers take the path of the weights for the name of the model."""
    assert model_name(given) == told


def test_a_path_of_any_system_is_told_by_its_last_part():
    """A run may have been made on another system than the one that publishes it."""
    assert [last_part(path) for path in ("/a/b.jsonl", r"C:\a\b.jsonl", "b.jsonl", "a/b/")] == [
        "b.jsonl", "b.jsonl", "b.jsonl", "b",
    ]  # fmt: skip


def test_sizes_have_the_names_of_the_hub():
    """The Hub refuses a category that it does not know."""
    assert [size_category(rows) for rows in (0, 999, 1_000, 99_999, 100_000, 52_000_000)] == [
        "n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "10M<n<100M",
    ]  # fmt: skip


def test_each_method_has_its_citation():
    """A method that we ship is somebody's paper."""
    for method in TEMPLATES:
        assert (GOLDEN.parents[2] / "selfinstruct" / "export" / "templates" / f"{method}.bib").is_file(), method


def test_a_set_that_is_no_run_has_a_card_of_what_its_rows_say():
    """Nothing is known of where they come from, so nothing is said: no teacher, no seeds, no method."""
    card = write_set_card("me/x", an_info(27, question="string", answer="string"), measured=Measured())
    assert "27 rows. Columns: `question`, `answer`." in card
    for unknown in ("Seeds", "teacher", "synthetic", "Citation", "What is in it"):
        assert unknown not in card
    assert [one["name"] for one in DatasetCard(card).data.dataset_info["features"]] == ["question", "answer"]


def a_file(path, rows):
    """A Parquet file of rows."""
    import datasets

    datasets.Dataset.from_list(rows).to_parquet(str(path))
    return path


def test_the_rows_are_measured(tmp_path):
    """Languages for the metadata, the main ones only; lengths; and what a check still finds, or that it finds nothing."""
    texts = ["Describe the weather of last week in your town"] * 3 + ["请描述一下上周你所在城市的天气情况"]
    rows = [
        {"instruction": f"{text} {n}.", "input": "", "output": "It was a sunny week."} for n, text in enumerate(texts)
    ]
    found = measure(a_file(tmp_path / "rows.parquet", rows))
    assert found.languages == ["en", "zh"]
    assert found.sentences[1].startswith("4 outputs, of 5.0 words in the mean")
    assert "Languages of the tasks, as py3langid tells them (?: not sure): en 75%, zh 25%." in found.sentences
    assert found.findings == {}
    rows[0]["input"] = "<noinput>"
    assert measure(a_file(tmp_path / "flawed.parquet", rows)).findings == {"SI101 no-input": 1}


def test_of_rows_that_are_no_tasks_nothing_is_said(tmp_path):
    """Such a set can be pushed like any other."""
    assert measure(a_file(tmp_path / "other.parquet", [{"text": "Hello"}])) == Measured()


def test_a_run_is_compared_with_its_seeds(demo, tmp_path):
    """How new its instructions are is what the paper's figure 5 shows."""
    found = measure(a_file(tmp_path / "rows.parquet", demo.dataset), demo)
    assert any(sentence.startswith("Best ROUGE-L of an instruction to a seed: 0.") for sentence in found.sentences)


def test_pictures_are_whole_files_that_need_nothing_else(demo, tmp_path):
    """An SVG file is XML, unlike that in a page, and finds no style sheet on the Hub."""
    found = measure(a_file(tmp_path / "rows.parquet", demo.dataset), demo).pictures
    assert set(found) == {"instruction-lengths.svg", "output-lengths.svg", "verbs.svg"}
    for name, content in found.items():
        root = ET.fromstring(content.decode())
        shapes = [one for one in root.iter() if one.tag.endswith(("}rect", "}path")) and "fill" in one.attrib]
        assert len(shapes) > 3, name
        assert b"class=" not in content
        assert b"var(--" not in content

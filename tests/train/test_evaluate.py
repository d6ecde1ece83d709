"""An evaluation from the test set to the table: sets, held-out checks, resume, comparison, files, the command."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sacrebleu")

import tiny
import yaml
from adapters import adapter, peft_is_behind
from click.testing import CliRunner

from selfinstruct.commands.evaluate import command
from selfinstruct.errors import EndpointFailed, RunLocked, SettingsError
from selfinstruct.ledger import Ledger
from selfinstruct.testing import FaultServer
from selfinstruct.train.answer import LocalModel
from selfinstruct.train.evaluation import Means, Plan, evaluate, read_questions
from selfinstruct.train.evaluation.heldout import find_overlaps, read_training
from selfinstruct.train.evaluation.sets import Question
from selfinstruct.train.evaluation.table import columns, markdown

pytestmark = peft_is_behind

SHORT = Plan(max_new_tokens=16)


def lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def questions(tmp_path):
    """Twelve questions that the tiny LLaMA answers right."""
    return lines(tmp_path / "test.jsonl", tiny.rows(number=12))


@pytest.fixture(scope="module")
def tuned(tiny_llama, tmp_path_factory):
    """An adapter on the tiny LLaMA."""
    return adapter(tmp_path_factory.mktemp("adapters") / "tuned", tiny_llama)


# --- test sets


def test_rows_tasks_and_several_right_answers_are_questions(tmp_path):
    """A list of outputs is several references; a task with instances is a question for each."""
    rows = lines(
        tmp_path / "rows.jsonl",
        [
            {"instruction": "Name a river.", "output": ["The Rhine.", "The Danube."]},
            {"id": "t", "instruction": "Double it.", "instances": [{"input": "2", "output": "4"}, {"output": "0"}]},
        ],
    )
    assert read_questions(rows) == [
        Question("row_1", "row_1", "Name a river.", "", ("The Rhine.", "The Danube.")),
        Question("t.0", "t", "Double it.", "2", ("4",)),
        Question("t.1", "t", "Double it.", "", ("0",)),
    ]


def test_super_natural_instructions_are_questions(tmp_path):
    """Its files hold one task each; `per_task` takes the first of each, as the published figures do."""
    for name in ("task1_a", "task2_b"):
        task = {
            "Definition": ["Say the opposite."],
            "Positive Examples": [{"input": "hot", "output": "cold", "explanation": "-"}],
            "Instances": [
                {"id": f"{name}-{n}", "input": str(n), "output": [str(-n), f"minus {n}"]} for n in range(1, 4)
            ],
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(task, indent=1))
    found = read_questions(tmp_path, per_task=2)
    assert [one.id for one in found] == ["task1_a-1", "task1_a-2", "task2_b-1", "task2_b-2"]
    assert found[0] == Question("task1_a-1", "task1_a", "Say the opposite.", "1", ("-1", "minus 1"))
    assert len(read_questions(tmp_path / "task2_b.json")) == 3


def test_a_set_in_a_training_format_is_questions(tmp_path):
    """What a run exported as chat messages can be asked again as it is."""
    turns = [{"role": "user", "content": "Double it.\n\n2"}, {"role": "assistant", "content": "4"}]
    (one,) = read_questions(lines(tmp_path / "chat.jsonl", [{"messages": turns}]))
    assert (one.instruction, one.input, one.references) == ("Double it.", "2", ("4",))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no question in it"),
        ([{"instruction": "Name a river."}], "row 1: no right answer to compare with"),
        ([{"instruction": "Name a river.", "output": []}], "row 1: no right answer"),
        ([{"instruction": 3, "output": "x"}], "row 1: no question; a test set has rows of"),
        ([{"instruction": "Double.", "instances": [{"input": 2, "output": "4"}]}], "instance 1: the input is text"),
        ([{"id": "a", "instruction": "x", "output": "y"}] * 2, "'a' stands twice"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named(tmp_path, rows, says):
    """A test set that lost a column must not become an evaluation against empty references."""
    with pytest.raises(SettingsError, match=says):
        read_questions(lines(tmp_path / "bad.jsonl", rows))


# --- held out


SPEECH = "the committee met on a rainy tuesday in march to weigh the plan for a bridge over the old canal"
ASKED = [
    Question("same", "same", "Sort the list of numbers.", "3, 1, 2", ("1, 2, 3",)),
    Question("near", "near", "Please sort the list of numbers.", "9, 7", ("7, 9",)),
    Question("told", "told", "Sum it up in a word.", f"Minutes: {SPEECH}", ("Plans.",)),
    Question("new", "new", "Name a river of France.", "", ("The Loire.",)),
]
TRAINED = [
    {"instruction": "sort the list of numbers", "input": "3 1 2", "output": "1 2 3"},
    {"instruction": "Write minutes.", "input": "", "output": f"In short, {SPEECH}, and so on."},
]


def test_questions_that_stand_in_the_training_data_are_found_with_their_evidence():
    """By tasks a known instruction is enough; by instances the input has to be known, too; 13 words always are."""
    by_tasks = find_overlaps(ASKED, TRAINED)
    assert [(one.id, one.rule) for one in by_tasks] == [("same", "same"), ("near", "rouge"), ("told", "ngram")]
    assert by_tasks[1].score == pytest.approx(2 * 5 / 11)
    by_instances = find_overlaps(ASKED, TRAINED, "instances")
    assert [(one.id, one.rule) for one in by_instances] == [("same", "same"), ("told", "ngram")]
    assert by_instances[1].neighbour == " ".join(SPEECH.split()[:13])
    assert find_overlaps(ASKED[-1:], TRAINED) == []


def test_an_input_is_looked_for_with_every_instruction_like_its_own():
    """The nearest instruction of the training data is not the only one whose inputs may hold the question."""
    asked = [Question("q", "q", "Sort the list of numbers upwards.", "8, 6, 7", ("6, 7, 8",))]
    trained = [
        {"instruction": "Sort the list of numbers upwards.", "input": "3, 1, 2", "output": "1, 2, 3"},
        {"instruction": "Now sort the list of numbers upwards.", "input": "8, 6, 7", "output": "6, 7, 8"},
    ]
    (found,) = find_overlaps(asked, trained, "instances")
    assert (found.rule, found.score) == ("rouge", pytest.approx(12 / 13))


def test_training_data_of_any_format_is_read(tmp_path):
    """A set that was published as chat messages hides a known question as little as its rows do."""
    turns = [{"role": "user", "content": "Sort the list of numbers.\n\n3, 1, 2"}, {"role": "assistant", "content": "?"}]
    chat = lines(tmp_path / "chat.jsonl", [{"messages": turns}])
    assert [one.id for one in find_overlaps(ASKED, read_training([chat]))] == ["same", "near"]


def test_a_set_that_was_trained_on_is_not_called_held_out(tiny_llama, questions, tmp_path):
    """Nothing is asked, and no folder is made, before somebody has said what to do about the known questions."""
    train = lines(
        tmp_path / "train.jsonl",
        [*tiny.rows(number=3), {"id": "hum", "instruction": "Hum.", "input": "", "output": "Mmm."}],
    )
    out = tmp_path / "out"
    with pytest.raises(SettingsError, match="12 of 12 questions stand in the training data") as caught:
        evaluate(str(tiny_llama), questions, out, training=[train], plan=SHORT)
    assert "--held-out-by instances" in str(caught.value)
    assert "drop" not in str(caught.value)  # nothing would be left
    assert not out.exists()
    by_instances = {"held_out_by": "instances", "max_new_tokens": 16}
    with pytest.raises(SettingsError, match=r"3 of 12 .*--on-overlap drop"):
        evaluate(str(tiny_llama), questions, out, training=[train], plan=Plan(**by_instances))
    drop = Plan(on_overlap="drop", **by_instances)
    made = evaluate(str(tiny_llama), questions, out, training=[train], plan=drop, progress=False)
    assert made.summary["questions"] == 9
    assert made.summary["held_out"]["held_out"]
    assert "3 of 12 that stand in" in made.table


def test_what_was_not_checked_or_is_known_is_said_in_the_report(tiny_llama, questions, tmp_path):
    """No table may be read as one of a held-out set unless the questions were looked for."""
    made = evaluate(str(tiny_llama), questions, tmp_path / "a", plan=SHORT, progress=False)
    assert not made.summary["held_out"]["held_out"]
    assert "nothing says that it is held out" in made.table
    allow = Plan(max_new_tokens=16, on_overlap="allow")
    made = evaluate(str(tiny_llama), questions, tmp_path / "b", training=[questions], plan=allow, progress=False)
    assert not made.summary["held_out"]["held_out"]
    assert "NOT held out: 12 of 12 questions" in made.table


def test_the_record_of_a_training_says_what_to_look_in(tiny_llama, questions, tmp_path):
    """A tuned model knows its data, so the check is made without being asked for; changed data proves nothing."""
    from selfinstruct.train.data import read_data

    folder = adapter(tmp_path / "tuned", tiny_llama)
    train = lines(tmp_path / "train.jsonl", tiny.rows(number=12))
    record = {"settings": {"format": "plain"}, "data": {"name": str(train), "sha256": read_data(train).digest}}
    (folder / "training.json").write_text(json.dumps(record))
    with pytest.raises(SettingsError, match="12 of 12 questions stand in the training data"):
        evaluate(str(folder), questions, tmp_path / "out", plan=SHORT)
    lines(train, [{"instruction": "Hum.", "output": "Mmm."}])
    made = evaluate(str(folder), questions, tmp_path / "out", plan=SHORT, progress=False)
    assert made.summary["settings"]["training"] == []


# --- the evaluation


def test_a_tuned_model_is_compared_with_its_base(tuned, tiny_llama, questions, tmp_path):
    """One command: base and adapter in the adapter's format, the difference with its interval, every answer kept."""
    made = evaluate(str(tuned), questions, tmp_path / "out", plan=SHORT, progress=False)
    base, own, difference = made.columns
    assert (base.name, own.name, difference.less) == (str(tiny_llama), str(tuned), str(tiny_llama))
    assert base.figures["exact_match"].value == 1
    assert base.figures["stopped"].value == 1
    assert own.figures["exact_match"].value < 1
    for score, figure in difference.figures.items():
        assert figure.value == pytest.approx(own.figures[score].value - base.figures[score].value)
        assert figure.low <= figure.value <= figure.high
    assert made.summary["formats"] == {str(tiny_llama): "plain", str(tuned): "plain"}
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()]
    assert rows == list(made.predictions)
    assert len(rows) == 24
    assert rows[0]["prediction"] == rows[0]["references"][0] == "It is green."
    assert rows[0]["finish"] == "stop"
    assert rows[0]["prompt"].endswith("grass\n")
    for score in ("exact_match", "rouge_l", "chrf"):
        mean = np.mean([row["scores"][score] for row in rows if row["model"] == str(tuned)])
        assert mean == pytest.approx(own.figures[score].value)
    assert (tmp_path / "out" / "table.md").read_text() == made.table
    assert "| exact match, %            |" in made.table
    assert "tuned - llama" in made.table


class Killed(Exception):
    """The process is gone."""


def test_a_killed_evaluation_goes_on_where_it_was(tiny_llama, questions, tmp_path, monkeypatch):
    """Each batch is on disk before the next begins; the second run asks the rest alone and finds the same."""
    whole = evaluate(str(tiny_llama), questions, tmp_path / "whole", plan=SHORT, progress=False)
    means, asked = Means(batch_size=4), []
    generate = LocalModel._generate

    def dies(self, given, decoding, **more):
        if len(asked) == 8:
            raise Killed
        asked.extend(given["input_ids"].tolist())
        return generate(self, given, decoding, **more)

    monkeypatch.setattr(LocalModel, "_generate", dies)
    with pytest.raises(Killed):
        evaluate(str(tiny_llama), questions, tmp_path / "out", plan=SHORT, means=means, progress=False)
    with Ledger(tmp_path / "out" / "ledger.jsonl", writable=False) as kept:
        assert len(kept) == 8
    asked.clear()
    made = evaluate(str(tiny_llama), questions, tmp_path / "out", plan=SHORT, means=means, progress=False)
    assert len(asked) == 4
    assert made.predictions == whole.predictions


def test_prompts_that_leave_no_room_are_counted_and_not_asked(tiny_llama, questions, tmp_path, caplog):
    """A prompt beyond the model's positions gives noise or a crash: it is an empty answer that the table counts."""
    long = {"instruction": "What is it like? " * 60, "input": "", "output": "It is long."}
    lines(questions, [*tiny.rows(number=3), long])
    plan = Plan(max_new_tokens=16, format="plain")
    made = evaluate(str(tiny_llama), questions, tmp_path / "out", plan=plan, progress=False)
    assert [row["finish"] for row in made.predictions] == ["stop", "stop", "stop", "too_long"]
    assert made.columns[0].figures["stopped"].value == 0.75
    assert "1 prompts leave no room for an answer" in caplog.text
    assert "0, 1, 0" in made.table
    with pytest.raises(SettingsError, match="no prompt leaves room for 256 tokens of an answer in the 256"):
        evaluate(str(tiny_llama), questions, tmp_path / "other", plan=Plan(format="plain"), progress=False)


def test_a_folder_is_not_written_over(tiny_llama, questions, tmp_path):
    """Other contents, another set or other options: an error that says what stands there, and nothing is touched."""
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("1")
    with pytest.raises(SettingsError, match="not empty and no evaluation"):
        evaluate(str(tiny_llama), questions, other, plan=SHORT)
    with pytest.raises(SettingsError, match="is a file"):
        evaluate(str(tiny_llama), questions, other / "chapter.txt", plan=SHORT)
    out = tmp_path / "out"
    first = evaluate(str(tiny_llama), questions, out, plan=SHORT, progress=False)
    with pytest.raises(SettingsError, match="holds an evaluation with max_new_tokens 16, and this one has 8"):
        evaluate(str(tiny_llama), questions, out, plan=Plan(max_new_tokens=8))
    lines(questions, tiny.rows(number=5))
    with pytest.raises(SettingsError, match="holds an evaluation with questions '"):
        evaluate(str(tiny_llama), questions, out, plan=SHORT)
    assert json.loads((out / "evaluation.json").read_text()) == json.loads(json.dumps(first.summary))


def test_a_mistyped_model_leaves_nothing_in_the_way(tiny_llama, questions, tmp_path):
    """An evaluation that never had an answer does not claim its folder."""
    with pytest.raises(SettingsError, match="cannot be opened as a model"):
        evaluate(str(tmp_path / "tpyo"), questions, tmp_path / "out", plan=SHORT)
    assert evaluate(str(tiny_llama), questions, tmp_path / "out", plan=SHORT, progress=False).summary["finished"]


def test_two_evaluations_into_one_folder_do_not_mix(tiny_llama, questions, tmp_path):
    """The second process is told so, before it has loaded anything."""
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"), pytest.raises(RunLocked, match="another process"):
        evaluate(str(tiny_llama), questions, tmp_path / "out", plan=SHORT)


def test_a_model_is_not_compared_with_itself(tiny_llama, questions, tmp_path):
    """Twice one name in a table is a mistyped command."""
    with pytest.raises(SettingsError, match="compared with itself"):
        evaluate(str(tiny_llama), questions, tmp_path / "out", compare=[str(tiny_llama)], plan=SHORT)


# --- endpoints


def answer(body):
    """What the server says: right for grass, wrong for all else."""
    return "It is green." if "grass" in body["messages"][-1]["content"] else "Who knows."


def test_an_endpoint_is_evaluated_and_paid_once(questions, tmp_path):
    """Faults are survived, each answer is kept, and the same call again asks nothing."""
    with FaultServer(answer, faults=0.3, retry_after=0.01) as server:
        name = f"any@{server.base_url}"
        made = evaluate(name, questions, tmp_path / "out", plan=SHORT, progress=False)
        asked = server.counts["ok"]
        again = evaluate(name, questions, tmp_path / "out", plan=SHORT, progress=False)
        assert server.counts["ok"] == asked == 12
    assert made.summary == again.summary
    assert made.columns[0].figures["exact_match"].value == pytest.approx(1 / 12)
    assert server.requests[0]["messages"] == [{"role": "user", "content": "What is it like?\n\ngrass"}]
    assert server.requests[0]["temperature"] == 0


def test_an_endpoint_that_fails_for_good_keeps_what_it_answered(questions, tmp_path):
    """A key that is used up in the middle ends the evaluation at once; with another one it goes on from there."""
    answers = iter(["ok"] * 5)
    with FaultServer(answer, faults=lambda _: next(answers, "quota")) as server:
        name, means = f"any@{server.base_url}", Means(concurrency=1)
        with pytest.raises(EndpointFailed, match="5 answers are kept; the same command goes on"):
            evaluate(name, questions, tmp_path / "out", plan=SHORT, means=means, progress=False)
        answers = iter(["ok"] * 7)
        made = evaluate(name, questions, tmp_path / "out", plan=SHORT, means=means, progress=False)
    assert len(made.predictions) == 12
    assert server.counts["ok"] == 12


def test_an_endpoint_stands_beside_a_local_model(tiny_llama, questions, tmp_path):
    """Whether a small tuned model is as good as the one behind an API is one command and one table."""
    with FaultServer(answer) as server:
        beside = [f"any@{server.base_url}"]
        made = evaluate(str(tiny_llama), questions, tmp_path / "out", compare=beside, plan=SHORT, progress=False)
    assert [(one.name, one.less) for one in made.columns] == [
        ("any", None),
        (str(tiny_llama), None),
        (str(tiny_llama), "any"),
    ]
    assert made.summary["formats"] == {"any": "chat", str(tiny_llama): "alpaca"}
    assert "Format of prompts: any chat, llama alpaca." in made.table
    assert "local-chat-completions" in made.summary["lm_eval"]["any"]


def test_a_refused_question_counts_and_a_cut_answer_has_not_stopped(questions, tmp_path):
    """What the server will not answer is an empty answer, and finish_reason length is no stop."""
    kinds = {"snow": "content_policy", "coal": "length"}

    def kind(body):
        return next((kinds[word] for word in kinds if word in body["messages"][-1]["content"]), None)

    with FaultServer(answer, faults=kind) as server:
        made = evaluate(f"any@{server.base_url}", questions, tmp_path / "out", plan=SHORT, progress=False)
    finishes = [row["finish"] for row in made.predictions[:4]]
    assert finishes == ["stop", "refused", "length", "stop"]
    assert made.columns[0].figures["stopped"].value == pytest.approx(10 / 12)


def test_a_base_model_behind_an_endpoint_reads_a_template(questions, tmp_path):
    """The completions API takes the prompt of the format, not a message."""
    with FaultServer(lambda _: " It is green.") as server:
        means = Means(base_url=server.base_url, api="completions")
        evaluate("any", questions, tmp_path / "out", plan=SHORT, means=means, progress=False)
    assert server.requests[0]["prompt"].endswith("### Input:\ngrass\n\n### Response:\n")


# --- table, harness, command


def test_a_table_is_markdown_of_equal_widths():
    """The table reads in a terminal as it does on the Hub."""
    scores = {"a|b": {"exact_match": np.array([1.0, 0.0])}, "tuned": {"exact_match": np.array([1.0, 1.0])}}
    table = markdown(columns(scores), {"extra": ["1", "2"]})
    assert len({len(line) for line in table.splitlines()}) == 1
    assert table.splitlines()[0].split(" | ")[1].strip() == "a\\|b"
    assert "+50.0 [+0.0, +100.0]" in table


def test_the_task_for_the_harness_says_the_same(tiny_llama, tmp_path):
    """YAML that parses, a row a question, the prompts that were asked, columns by name and not by Jinja."""
    rows = [{**row, "output": "[1, 2]" if n == 0 else row["output"]} for n, row in enumerate(tiny.rows(number=3))]
    made = evaluate(
        str(tiny_llama),
        lines(tmp_path / "my test-set.jsonl", rows),
        tmp_path / "out",
        plan=Plan(format="plain", max_new_tokens=16),
        progress=False,
    )
    task = yaml.safe_load((tmp_path / "out" / "lm_eval" / "my_test_set.yaml").read_text())
    assert (task["doc_to_text"], task["doc_to_target"]) == ("prompt", "target")
    assert [one["metric"] for one in task["metric_list"]] == ["exact_match", "chrf++"]
    assert task["generation_kwargs"]["max_gen_toks"] == 16
    with open(task["dataset_kwargs"]["data_files"]["test"]) as file:
        docs = [json.loads(line) for line in file]
    assert docs[0] == {"id": "grass-0", "prompt": "What is it like?\n\ngrass\n", "target": "[1, 2]"}
    (command_line,) = made.summary["lm_eval"].values()
    assert f"pretrained={tiny_llama}" in command_line
    assert "--tasks my_test_set --include_path" in command_line


def test_several_references_are_one_list_for_the_harness(tiny_llama, tmp_path):
    """Its chrF++ takes one reference only, so with several the task asks for exact match alone."""
    rows = [{"instruction": "What is it like?", "input": "grass", "output": ["green", "It is green."]}]
    plan = Plan(format="plain", max_new_tokens=16)
    evaluate(str(tiny_llama), lines(tmp_path / "t.jsonl", rows), tmp_path / "out", plan=plan, progress=False)
    task = yaml.safe_load((tmp_path / "out" / "lm_eval" / "t.yaml").read_text())
    assert [one["metric"] for one in task["metric_list"]] == ["exact_match"]
    assert json.loads((tmp_path / "out" / "lm_eval" / "t.jsonl").read_text())["target"] == ["green", "It is green."]


def test_the_command_prints_the_table_or_json(tuned, questions, tmp_path):
    """The table on stdout, where it can be redirected; what to do next on stderr; with --json the summary."""
    words = [str(tuned), str(questions), "-o", str(tmp_path / "out"), "--max-new-tokens", "16", "-q"]
    said = CliRunner().invoke(command, words, standalone_mode=False)
    assert said.return_value == 0, said.exception
    assert said.stdout.startswith("12 questions of ")
    assert "peft=" in said.stderr
    again = CliRunner().invoke(command, [*words, "--json"], standalone_mode=False)
    assert json.loads(again.stdout)["columns"][2]["less"] is not None


@pytest.mark.parametrize("name", ["evaluate", "chat"])
def test_help_loads_nothing_heavy(name):
    """--help answers at once: torch and its like take twenty seconds to load."""
    program = (
        f"import sys; from selfinstruct.commands.{name} import command\n"
        "command.main(['--help'], standalone_mode=False)\n"
        "print([one for one in ('torch', 'transformers', 'gradio', 'numpy', 'sacrebleu') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "Examples:" in done.stdout

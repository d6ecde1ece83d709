"""Against the proxy of litellm, a server that this project did not write, where its command is installed.

Its models answer with fixed texts: one stage, one model, and where a model has several texts (or refusals), the proxy
draws one for each request. It runs in an environment of its own; only its command has to be on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import selfinstruct as si

LITELLM = shutil.which("litellm", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
MASTER_KEY = "sk-3f9c1e57a0b24d68c1907be45d2f8a3690d7"

INSTRUCTIONS = """\
Write a short letter that asks a baker for rye bread.
Sort these five rivers by their length.
What does a carpenter use a plane for?
Explain to a child why leaves turn red in autumn.
Name three birds that cannot fly.
Turn the recipe into a list of steps.
How many days lie between the two dates?
Find the spelling mistakes in the sentence.
Tell a customer politely that the parcel is late.
Compare candles with oil lamps.
Which planet is closest to the sun?
Shorten the following paragraph to ten words.
Suggest a title for a poem about fog.
Translate the greeting into Italian.
Plan a quiet weekend in a mountain village.
Is the statement a fact or an opinion?
Rewrite the rule so that it forbids nothing.
Give two reasons to learn an old craft.
Calculate the area of the garden.
Describe how a lock on a canal works.""".splitlines()
LAYOUTS = ["{}. {}", "{}) {}", "**{}.** {}", "Task {}: {}", "### {}. {}"]
LISTS = [
    "\n".join(layout.format(number, task) for number, task in enumerate(INSTRUCTIONS[nth :: len(LAYOUTS)], 1))
    for nth, layout in enumerate(LAYOUTS)
]
WHOLE_TASKS = [
    {"instruction": "Describe the sound of rain on a tin roof.", "input": "", "output": "A soft, steady drumming."},
    {"instruction": "Add the two numbers in the sentence.", "input": "Four pears and nine figs.", "output": "13"},
    {"instruction": "Give an antonym of the word.", "input": "narrow", "output": "wide"},
]
EXAMPLES = "Example 1\nInput: the first one\nOutput: done\n\nExample 2\nInput: the second one\nOutput: done as well"


def answering(name, said, weight=1.0):
    """A model of the proxy with one text, or one of litellm's errors, to say."""
    params = {"model": "openai/mock", "api_key": "unused", "mock_response": said, "weight": weight}
    return {"model_name": name, "litellm_params": params}


CONFIG = {
    "model_list": [
        *(answering("writer", text) for text in LISTS),
        answering("judge", "No"),
        answering("judge", "litellm.RateLimitError"),
        answering("worker", EXAMPLES, 0.7),
        answering("worker", "litellm.InternalServerError", 0.3),
        answering("structured", json.dumps({"tasks": WHOLE_TASKS})),
        answering("busy", "litellm.RateLimitError"),
        answering("small", "litellm.ContextWindowExceededError"),
        answering("prudish", "Exception: content_filter_policy"),
    ],
    "router_settings": {"num_retries": 0, "disable_cooldowns": True},
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LITELLM is None, reason="needs the command litellm on PATH: pip install 'litellm[proxy]'"),
]


@dataclass
class Proxy:
    """The running proxy: its address, and what it wrote of the requests that it got."""

    url: str
    log: Path

    def statuses(self):
        """The HTTP statuses of the calls so far."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return [int(status) for status in re.findall(r'"POST /v1/\S+ HTTP/1.1" (\d+)', text)]

    def run(self, *arguments, key=MASTER_KEY):
        """One call of our command against it."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
        here = ["--base-url", self.url, "--api-key-env", "PROXY_KEY"]
        return subprocess.run(
            [sys.executable, "-m", "selfinstruct", arguments[0], *here, *map(str, arguments[1:])],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**clean, "PYTHONIOENCODING": "utf-8", "PROXY_KEY": key},
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """The proxy, started once."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from foreign_server import free_port, started

    folder, port = tmp_path_factory.mktemp("litellm"), free_port()
    (folder / "config.yaml").write_text(json.dumps(CONFIG), encoding="utf-8")  # JSON is YAML
    command = [LITELLM, "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": MASTER_KEY}
    with started(command, f"http://127.0.0.1:{port}/health/liveliness", folder / "log", **offline):
        yield Proxy(f"http://127.0.0.1:{port}/v1", folder / "log")


def ledger(run):
    """The lines of a run's ledger."""
    return [json.loads(line) for line in (run / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("backend", ["aiohttp", "sdk"])
def test_a_run_reaches_its_target_through_refusals_and_server_errors(proxy, tmp_path, backend):
    """Three models for three stages, of which two fail often; nothing is lost, and a finished run asks nothing."""
    models = ["--model", "writer", "--classify-model", "judge", "--instance-model", "worker"]
    sizes = ["-n", 16, "--saturation", 0, "--concurrency", 8, "--backend", backend]
    before = len(proxy.statuses())
    made = proxy.run("generate", tmp_path / "run", *models, *sizes)
    assert made.returncode == 0, made.stderr
    assert "16 of 16 tasks" in made.stdout
    run = si.load(tmp_path / "run")
    assert len({task.instruction for task in run.tasks}) == 16
    assert {tuple(one.input for one in task.instances) for task in run.tasks} == {("the first one", "the second one")}

    lines = ledger(tmp_path / "run")
    answers = [line for line in lines if line["kind"] == "answer"]
    assert {(line["request"]["stage"], line["model"]) for line in answers} == {
        ("instructions", "writer"),
        ("classify", "judge"),
        ("instances", "worker"),
    }
    assert len({line["key"] for line in answers}) == len(answers)
    assert not [line for line in lines if line["kind"] == "failed"]
    assert run.spent.prompt_tokens == sum(line["usage"]["prompt_tokens"] for line in answers) > 0
    assert run.spent.completion_tokens == sum(line["usage"]["completion_tokens"] for line in answers) > 0

    statuses = proxy.statuses()[before:]
    assert statuses.count(200) == len(answers)
    assert statuses.count(429) > 0
    assert statuses.count(500) == run.spent.attempts, "a server error may have been billed, a refusal was not"
    assert set(statuses) <= {200, 429, 500}
    for path in (tmp_path / "run").rglob("*"):
        assert path.is_dir() or MASTER_KEY.encode() not in path.read_bytes(), "keys are written nowhere"

    again = proxy.run("generate", tmp_path / "run")
    assert (again.returncode, again.stdout) == (0, made.stdout)
    assert len(proxy.statuses()) == before + len(statuses), "a finished run asks nothing"


def test_plain_prompts_are_answered_by_the_completions_api(proxy, tmp_path):
    """The other API of the same server, through to tasks with instances."""
    options = ["--api", "completions", "--model", "writer", "--classify-model", "judge", "--instance-model", "worker"]
    made = proxy.run("generate", tmp_path / "run", *options, "-n", 8, "--saturation", 0, "--concurrency", 4)
    assert made.returncode == 0, made.stderr
    run = si.load(tmp_path / "run")
    assert (len(run.tasks), run.stopped) == (8, None)
    assert {line["finish_reason"] for line in ledger(tmp_path / "run")} <= {"stop", None}


def test_structured_whole_tasks_end_saturated(proxy, tmp_path):
    """Alpaca by JSON schema: a model with one text gives its three tasks, and then the run ends with status 3."""
    options = ["--method", "alpaca", "--response-format", "json", "--model", "structured", "--saturation-window", 10]
    made = proxy.run("generate", tmp_path / "run", *options, "-n", 20)
    assert made.returncode == 3, made.stderr
    run = si.load(tmp_path / "run")
    rows = [(task.instruction, task.instances[0].input, task.instances[0].output) for task in run.tasks]
    assert rows == [tuple(task.values()) for task in WHOLE_TASKS]
    assert run.stopped == "saturated"
    assert {rejected.rule for rejected in run.rejected} == {"duplicate"}


def test_check_shows_each_model_of_a_run(proxy):
    """Names, time and usage of the three stages where three models serve them."""
    models = ["--model", "writer", "--classify-model", "writer", "--instance-model", "structured"]
    checked = proxy.run("check", *models, "--json")
    assert checked.returncode == 0, checked.stderr
    writer, structured = json.loads(checked.stdout)
    assert (writer["model"], writer["stages"]) == ("writer", ["instructions", "classify"])
    assert (structured["model"], structured["answered_as"]) == ("structured", "structured")
    assert writer["seconds"] > 0
    assert writer["completion_tokens"] > 0


def test_estimate_scales_a_few_calls_and_the_run_goes_on_from_them(proxy, tmp_path):
    """Calls, tokens and money of the three stages; the calls of the probe are not made again."""
    options = ["--model", "writer", "--classify-model", "judge", "--instance-model", "worker", "--saturation", 0]
    prices = ["--price-in", 2, "--price-out", 8]
    estimated = proxy.run("estimate", tmp_path / "run", *options, *prices, "-n", 16, "--probe", 6, "--json")
    assert estimated.returncode == 0, estimated.stderr
    found = json.loads(estimated.stdout)
    assert set(found["stages"]) == {"instructions", "classify", "instances"}
    assert found["stages"]["instances"]["calls"] == 16
    instances = found["stages"]["instances"]
    cost = (2 * instances["prompt_tokens"] + 8 * instances["completion_tokens"]) / 1e6
    assert instances["cost"] == pytest.approx(cost, rel=0.1)
    probed = [line["key"] for line in ledger(tmp_path / "run") if line["kind"] == "answer"]
    assert len(probed) == found["probe_calls"] >= 13
    assert proxy.run("generate", tmp_path / "run").returncode == 0
    keys = [line["key"] for line in ledger(tmp_path / "run") if line["kind"] == "answer"]
    assert keys[: len(probed)] == probed
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nobody", "Invalid model name passed in model=nobody"),
        ("busy", "HTTP 429: litellm.RateLimitError: this is a mock rate limit error"),
        ("small", "25 requests in a row were refused"),
        ("prudish", "25 requests in a row were refused"),
    ],
)
def test_a_model_without_answers_ends_the_run_with_status_4(proxy, tmp_path, model, said):
    """An unknown one, one at its rate limit, and two that refuse each request; the proxy's words are in the message."""
    failed = proxy.run("generate", tmp_path / "run", "--model", model, "-n", 5, "--give-up", 2)
    assert failed.returncode == 4, failed.stdout
    assert said in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not [line for line in ledger(tmp_path / "run") if line["kind"] == "answer"]


@pytest.mark.parametrize("command", [["check"], ["generate", "{run}"]])
def test_a_wrong_key_ends_with_status_4(proxy, tmp_path, command):
    """A proxy without a database refuses it with status 400 and words of its own; they are shown, and the key is not."""
    key = "sk-of-somebody-else"
    arguments = [word.format(run=tmp_path / "run") for word in command]
    failed = proxy.run(*arguments, "--model", "writer", key=key)
    assert failed.returncode == 4, failed.stdout
    assert "HTTP 400: No connected db" in failed.stderr
    assert "--api-key-env" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert key not in failed.stderr


def test_one_wrong_key_of_two_costs_no_request(proxy, tmp_path, monkeypatch):
    """The wrong one is left with a notice, although its refusal is a 400 and the model has answered by the other."""
    monkeypatch.setenv("WRONG_KEY", "sk-of-somebody-else")
    options = ["--method", "alpaca", "--response-format", "json", "--model", "structured", "--saturation-window", 10]
    made = proxy.run("generate", tmp_path / "run", *options, "-n", 20, "--api-key-env", "WRONG_KEY")
    assert made.returncode == 3, made.stderr
    assert "The run goes on with the other" in made.stderr
    assert {line["kind"] for line in ledger(tmp_path / "run")} == {"answer"}

"""The command line: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfinstruct.cli import COMMANDS

GOLDEN = Path(__file__).parent / "golden"
README = Path(__file__).parents[1] / "README.md"


def run(*arguments, **environment):
    """One call of the command, without the caller's keys."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    return subprocess.run(
        [sys.executable, "-m", "selfinstruct", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**clean, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100", **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A small run of the demo teacher, made by the command."""
    path = tmp_path_factory.mktemp("runs") / "demo"
    made = run("generate", path, "--model", "demo", "-n", 25)
    assert made.returncode == 0, made.stderr
    return path


def test_generate_makes_a_run_and_says_what_it_holds(demo):
    """The summary has tasks, rows, calls, tokens, rejections, and that it is a demonstration."""
    again = run("generate", demo)
    assert again.returncode == 0
    assert "25 of 25 tasks" in again.stdout
    assert "the target is reached" in again.stdout
    assert "a demonstration, not training data" in again.stdout
    assert again.stderr == "", "quiet on a pipe"


def test_without_model_key_and_endpoint_three_ways_are_shown(tmp_path):
    """The first thing that a newcomer meets; the demo stands first, and no folder is left behind."""
    failed = run("generate", tmp_path / "run")
    assert failed.returncode == 2
    ways = [failed.stderr.index(way) for way in ("--model demo", "OPENAI_API_KEY", "--base-url")]
    assert ways == sorted(ways)
    assert not (tmp_path / "run").exists()


def test_a_missing_key_names_the_variable(tmp_path):
    """Not a traceback of the SDK."""
    failed = run("generate", tmp_path / "run", "--model", "some-model", "--api-key-env", "MY_KEY")
    assert failed.returncode == 2
    assert "MY_KEY is not set" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["generate", "{demo}", "--seed", "1"], 2, "seed was 42 when this run was begun"),
        (["generate", "{demo}", "--num-tasks", "0"], 2, "num_tasks lies between"),
        (["generate", "{tmp}", "--model", "demo"], 1, "not empty and no run"),
        (["generate", "{tmp}/new", "--model", "demo", "--seeds", "{tmp}/no.jsonl"], 2, "no.jsonl: cannot be read"),
        (["status", "{tmp}"], 1, "no run here"),
        (["export", "{demo}", "-o", "{tmp}/x", "-f", "excel"], 2, "there is no format 'excel'; the formats are jsonl"),
        (["generate", "{demo}", "--api", "soap"], 2, "soap"),
    ],
)
def test_errors_have_a_status_and_one_message(tmp_path, demo, arguments, status, message):
    """What is wrong, where, what to do; no traceback."""
    (tmp_path / "other.txt").write_text("x")
    failed = run(*(part.format(demo=demo, tmp=tmp_path) for part in arguments))
    assert failed.returncode == status
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_corrupt_ledger_is_status_1_with_its_line(tmp_path):
    """The way on stands in the message."""
    run("generate", tmp_path / "run", "--model", "demo", "-n", 3)
    ledger = tmp_path / "run" / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(lines[0] + b"garbage\n" + b"".join(lines[1:]))
    failed = run("generate", tmp_path / "run")
    assert failed.returncode == 1
    assert "ledger.jsonl, line 2" in failed.stderr


def test_dry_run_shows_the_first_prompts_and_makes_nothing(tmp_path):
    """The prompts of every stage, bounds, and no folder."""
    shown = run("generate", tmp_path / "run", "--model", "any", "-n", 1000, "--dry-run")
    assert shown.returncode == 0, shown.stderr
    for part in ("--- instructions (any; temperature 0.7", "--- classify", "--- instances", "2,125 to ", "tokens in"):
        assert part in shown.stdout
    assert not (tmp_path / "run").exists()
    alpaca = run("generate", tmp_path / "run", "--model", "any", "--method", "alpaca", "--dry-run")
    assert "--- classify" not in alpaca.stdout


def test_status_is_readable_by_people_and_machines(demo):
    """--json has the counts of the run."""
    facts = json.loads(run("status", demo, "--json").stdout)
    assert (facts["tasks"], facts["num_tasks"], facts["stopped"], facts["model"]) == (25, 25, None, "demo")
    assert facts["calls"] > 50
    assert facts["prompt_tokens"] > facts["completion_tokens"] > 0
    assert "25 of 25 tasks" in run("status", demo).stdout


def test_alpaca_runs_from_the_command_line(tmp_path):
    """The other method, whole tasks in one answer: instances come with the instruction, so there are few calls."""
    made = run("generate", tmp_path / "run", "--model", "demo", "--method", "alpaca", "-n", 30)
    assert made.returncode == 0, made.stderr
    facts = json.loads(run("status", tmp_path / "run", "--json").stdout)
    assert facts["tasks"] == 30
    assert facts["rows"] == 30
    assert facts["calls"] <= 5


def test_a_base_model_is_asked_with_plain_prompts(tmp_path):
    """--api completions, with the templates for base models, and --classification-only."""
    made = run(
        "generate", tmp_path / "run", "--model", "demo", "--api", "completions", "-n", 10, "--classification-only"
    )
    assert made.returncode == 0, made.stderr
    tasks = [json.loads(line) for line in (tmp_path / "run" / "tasks.jsonl").read_text().splitlines()]
    assert sum(task["is_classification"] for task in tasks) >= 9


def test_refilter_prints_what_would_change(demo, tmp_path):
    """A stricter threshold, written to a folder of its own."""
    shown = run("refilter", demo, "--max-rouge", 0.3, "-o", tmp_path / "strict", "--json")
    facts = json.loads(shown.stdout)
    assert facts["before"] == 25
    assert facts["after"] < 25
    assert len((tmp_path / "strict" / "tasks.jsonl").read_text().splitlines()) == facts["after"]


def test_a_closed_pipe_is_no_error(demo):
    """`selfinstruct status RUN | head -0` ends quietly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "selfinstruct", "status", str(demo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait()
    assert errors == b""


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_with_an_example_and_stands_in_the_readme(name):
    """A command that nobody can find does not exist."""
    shown = run(name, "--help")
    assert shown.returncode == 0
    assert "Example" in shown.stdout
    assert f"selfinstruct {name}" in shown.stdout
    assert f"selfinstruct {name}" in README.read_text(encoding="utf-8")


def test_help_is_the_golden_one():
    """A renamed option is a broken script of somebody's; it should be seen in a review."""
    shown = "\n".join(run(*words, "--help").stdout for words in ([], *([name] for name in COMMANDS)))
    assert shown == (GOLDEN / "help.txt").read_text(encoding="utf-8")


def test_help_and_import_are_light():
    """Neither loads openai, datasets, torch or numpy, which take seconds."""
    code = (
        "import sys\nfrom selfinstruct.cli import COMMANDS, cli\n"
        "[cli.get_command(None, name) for name in COMMANDS]\n"
        "heavy = {'openai', 'datasets', 'torch', 'numpy', 'pandas', 'aiohttp', 'pydantic', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"

"""`selfinstruct lint`: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

import selfinstruct
from selfinstruct.cli import cli
from selfinstruct.errors import SettingsError
from selfinstruct.testing import FaultServer

ROWS = [
    {"instruction": "Name a river.", "input": "", "output": "The Elbe."},
    {"instruction": "Name a lake.", "input": "<noinput>", "output": "As an AI language model, I cannot."},
    {"instruction": "Name a sea.", "input": "", "output": ""},
]


def lint(*arguments):
    return CliRunner().invoke(cli, ["lint", *map(str, arguments)], standalone_mode=False)


def error_of(*arguments):
    error = lint(*arguments).exception
    assert isinstance(error, SettingsError)
    return str(error)


@pytest.fixture
def flawed(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def test_a_line_a_finding_then_the_counts(flawed):
    """Row, code, mark, name and reason; then what a --fix would do. The status says that there is something."""
    said = lint(flawed)
    lines = said.stdout.splitlines()
    assert said.return_value == 1
    assert lines[0] == f"{flawed}: row 2: SI101 [*] no-input: input says that there is no input: <noinput>"
    assert lines[1].startswith(f"{flawed}: row 2: SI204 refusal: ")
    assert lines[-2:] == [
        "2 of 3 rows have a flaw: SI101 no-input 1, SI204 refusal 1, SI201 empty-output 1",
        "2 findings can be repaired: --fix -o FILE",
    ]


def test_a_clean_set_ends_with_status_0(flawed, tmp_path):
    """A script can ask whether a set is clean."""
    said = lint(flawed, "--select", "SI4,SI5")
    assert (said.return_value, said.stdout) == (0, "0 of 3 rows have a flaw\n")


def test_json_has_every_finding(flawed):
    """One object on standard output, and nothing else."""
    facts = json.loads(lint(flawed, "--json").stdout)
    assert facts["counts"] == {"SI101": 1, "SI201": 1, "SI204": 1}
    assert (facts["rows"], facts["flawed"], facts["fixable"]) == (3, 2, 2)
    assert facts["findings"][0] == {
        "row": 2,
        "id": None,
        "code": "SI101",
        "name": "no-input",
        "field": "input",
        "reason": "says that there is no input",
        "excerpt": "<noinput>",
        "fixable": True,
    }


def test_fix_writes_another_file_and_says_what_is_left(flawed, tmp_path):
    """The numbers of changes and drops, the findings that remain, and the same status as lint for these."""
    output, before = tmp_path / "clean.jsonl", flawed.read_bytes()
    said = lint(flawed, "--fix", "-o", output)
    assert said.return_value == 1
    assert f"{output}: 2 rows; repaired 1, dropped 1" in said.stdout
    assert "1 of 3 rows still have a flaw: SI204 refusal 1" in said.stdout
    assert flawed.read_bytes() == before
    facts = json.loads(lint(output, "--fix", "-o", tmp_path / "again.jsonl", "--json").stdout)
    assert (facts["changes"], facts["dropped"]) == ([], [])
    assert (tmp_path / "again.jsonl").read_bytes() == output.read_bytes()


def test_a_run_is_linted_and_never_changed(tmp_path):
    """--fix writes a set beside it."""
    run = tmp_path / "run"
    selfinstruct.generate(run, model="demo", num_tasks=10)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    assert lint(run).return_value == 0
    assert lint(run, "--fix", "-o", tmp_path / "clean.parquet").return_value == 0
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_fix_without_an_output_is_an_error_that_says_so(flawed):
    """Nothing is ever repaired in place."""
    assert "-o clean.jsonl" in error_of(flawed, "--fix")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-o", "x.jsonl"], "without --fix"),
        (["--judge-ledger", "j.jsonl"], "without --judge"),
        (["--fix", "-o", "x.jsonl", "--judge", "any"], "run the one, then the other"),
        (["--select", "SI77"], "--rules"),
    ],
)
def test_options_that_have_no_part_are_errors(flawed, options, said):
    """An option that does nothing would promise something."""
    assert said in error_of(flawed, *options)


def test_rules_are_listed_and_explained_without_a_set():
    """All of them, or those that were asked for."""
    every = lint("--rules")
    assert every.return_value == 0
    assert every.stdout.count("\nSI") >= 25
    (one,) = lint("--explain", "mojibake").stdout.splitlines()
    assert one.startswith("SI406 mojibake: ")
    assert one.endswith("[*] --fix decodes it rightly (ftfy).")
    assert [rule["code"] for rule in json.loads(lint("--explain", "SI9", "--json").stdout)] == [
        "SI901",
        "SI902",
        "SI903",
    ]


def test_without_a_set_the_status_is_that_of_wrong_usage():
    """And the message says what is missing."""
    code = "import sys; sys.argv = ['selfinstruct', 'lint']; from selfinstruct.cli import main; main()"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "IN is missing" in said.stderr


def test_the_judge_asks_an_endpoint_and_keeps_its_answers(flawed, tmp_path):
    """Over the real client, with faults; the second time there is no server any more."""
    ledger = tmp_path / "judged.jsonl"

    def answer(body):
        text = body["messages"][0]["content"]
        return "no || wrong || It names none." if "Name a sea" in text else "yes || fine"

    options = ["--select", "SI9", "--judge", "any", "--judge-ledger", ledger, "--json", "--base-url"]
    with FaultServer(answer, faults=0.3) as server:
        first = lint(flawed, *options, server.base_url)
        url = server.base_url
    again = lint(flawed, *options, url)
    facts = json.loads(first.stdout)
    assert (first.return_value, facts["judged"], facts["counts"]) == (1, 3, {"SI901": 1})
    assert again.stdout == first.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals of a terminal")
def test_an_interrupted_judge_keeps_its_answers_and_goes_on(tmp_path):
    """Ctrl-C awaits what is in flight and ends with 130; together both calls ask about each row once."""
    rows = [{**ROWS[0], "input": str(number)} for number in range(60)]
    path, ledger, asked = tmp_path / "set.jsonl", tmp_path / "judged.jsonl", []
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    def answer(body):
        asked.append(body["messages"][0]["content"])
        return "yes || fine"

    with FaultServer(answer, latency=0.05) as server:
        options = ["--judge", "any", "--judge-ledger", ledger, "--concurrency", 2, "--base-url", server.base_url]
        command = [sys.executable, "-m", "selfinstruct", "lint", path, *options]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 30
            while len(asked) < 5 and time.monotonic() < deadline:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        assert process.returncode == 130
        assert 5 <= len(asked) < len(rows)
        said = lint(path, *options, "--json")
    assert json.loads(said.stdout)["judged"] == len(rows)
    assert len(asked) == len(set(asked)) == len(rows)


def test_help_loads_no_package_of_the_rules():
    """The command line starts at once."""
    code = (
        "import sys; sys.argv = ['selfinstruct', 'lint', '--help']\n"
        "from selfinstruct.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('ftfy', 'phonenumbers', 'py3langid', 'detect_secrets', 'numpy', 'openai') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"

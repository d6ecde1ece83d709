"""Against a real OpenAI-compatible server that this project did not write, where one is installed."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

INSTALLED = all(find_spec(name) for name in ("torch", "transformers", "uvicorn", "fastapi"))


@pytest.mark.slow
@pytest.mark.skipif(not INSTALLED, reason="needs torch and transformers[serving]")
@pytest.mark.filterwarnings("ignore")
def test_a_run_against_transformers_serve(tmp_path):
    """Text, usage and finish reason of a real server are in the ledger; gibberish ends saturated with status 3."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from foreign_server import run_against_it

    run = run_against_it(tmp_path)
    assert (run.stopped, run.exit_status) == ("saturated", 3)
    lines = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    answers = [line for line in lines if line["request"]["stage"] == "instructions"]
    assert len(answers) >= 12
    assert any(line["text"].strip() for line in answers)
    assert {line["finish_reason"] for line in answers} <= {"stop", "length"}
    assert all(line["usage"]["prompt_tokens"] > 100 for line in answers)
    assert all(0 < line["usage"]["completion_tokens"] <= 24 for line in answers)
    assert run.spent.prompt_tokens == sum(line["usage"]["prompt_tokens"] for line in lines)

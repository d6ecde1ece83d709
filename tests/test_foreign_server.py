"""Against `transformers serve`, a server that this project did not write, where it is installed."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import selfinstruct as si

INSTALLED = all(find_spec(name) for name in ("torch", "transformers", "uvicorn", "fastapi"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason="needs torch and transformers[serving]"),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The URL of the server and the model behind it, which has two layers and random weights."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
    from foreign_server import make_tiny_model, serve

    folder = tmp_path_factory.mktemp("served")
    make_tiny_model(folder / "tiny")
    with serve(folder / "tiny", folder / "server.log") as url:
        yield url, folder / "tiny"


@pytest.mark.parametrize(
    "options",
    [{}, {"api": "completions"}, {"response_format": "json"}, {"backend": "sdk"}, {"method": "alpaca"}],
    ids=lambda options: " ".join(map(str, options.values())) or "as it comes",
)
def test_a_run_of_gibberish_ends_saturated(served, tmp_path, options):
    """Text, usage and finish reason of a real server are in the ledger, by both APIs and both ways to them."""
    from foreign_server import run_against

    run = run_against(*served, tmp_path / "run", **options)
    assert (run.stopped, run.exit_status) == ("saturated", 3)
    lines = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["kind"] for line in lines} == {"answer"}
    answers = [line for line in lines if line["request"]["stage"] == "instructions"]
    assert len(answers) >= 12
    assert any(line["text"].strip() for line in answers)
    assert {line["finish_reason"] for line in answers} <= {"stop", "length"}
    assert all(line["usage"]["prompt_tokens"] > 100 for line in answers)
    assert all(0 < line["usage"]["completion_tokens"] <= 24 for line in answers)
    assert run.spent.prompt_tokens == sum(line["usage"]["prompt_tokens"] for line in lines)


def test_check_and_its_refusal_of_another_model(served):
    """The name that the server gives its model, and its own words for a model that it does not serve."""
    url, model = served
    (found,) = si.check(model=str(model), base_url=url, max_tokens=8)
    assert found.answered_as.startswith(str(model))
    assert found.completion_tokens == 8
    assert not found.settled, "it refuses no parameter; those that it does not know it leaves out of account"
    with pytest.raises(si.EndpointFailed, match="HTTP 400: Server is pinned to"):
        si.check(model="another", base_url=url, max_tokens=8)

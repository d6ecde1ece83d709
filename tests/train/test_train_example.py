"""The example of the whole way runs as it stands."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sacrebleu")

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_alpaca.py"


@pytest.mark.slow
def test_the_way_from_a_run_to_a_chat_turn(tmp_path):
    """A run, a base, an adapter, a merge, a table of scores and an answer, in one call."""
    spec = importlib.util.spec_from_file_location("train_alpaca", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    tuned, scores = example.tune_and_measure(tmp_path, num_tasks=120, epochs=1)
    assert tuned.losses[-1].step == tuned.record["plan"]["steps"]
    assert tuned.record["merged"]["drift"] < 1e-4
    assert "stopped by itself" in scores.table
    assert isinstance(tuned.ask("Name a colour.", max_new_tokens=8), str)

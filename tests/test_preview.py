"""What a run would ask and could use: the prompts, and numbers that claim no more than they know."""

from __future__ import annotations

import pytest

from selfinstruct.preview import preview


@pytest.mark.parametrize("method", ["self-instruct", "alpaca"])
def test_the_estimate_says_what_it_rests_on(tmp_path, method):
    """It was called a bound, though later prompts are longer and tasks that fail cost calls on top."""
    found = preview(tmp_path / "run", model="any", num_tasks=1000, method=method)
    text = str(found)
    assert "--- estimate\n" in text
    assert "bound" not in text.partition("--- estimate")[2]
    low, high = found.calls
    assert f"{low:,} to {high:,} calls; a task that ends without instances costs its calls on top" in text
    assert f"about {found.prompt_tokens:,} tokens in, if prompts are as long as these" in text
    assert f"and at most {found.completion_tokens:,} out, if every answer is as long as its limit" in text
    assert text.endswith("no call was made")
    assert not (tmp_path / "run").exists()

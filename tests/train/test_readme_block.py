"""The README's example of tuning, with a small model in the place of the one that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("torch")

import selfinstruct as si

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_example_of_tuning_runs(tmp_path, monkeypatch, tiny_llama):
    """As it stands, but for the name of the base, the publishing, and a number of steps that takes seconds."""
    (code,) = re.findall(
        r"^```python\n(from selfinstruct.train import finetune\n.*?)^```$", README, re.MULTILINE | re.DOTALL
    )
    monkeypatch.chdir(tmp_path)
    si.generate("runs/first", model="demo", num_tasks=20, progress=False)
    assert '"Qwen/Qwen3-0.6B"' in code
    code = code.replace('"Qwen/Qwen3-0.6B", "adapters/first"', f"{str(tiny_llama)!r}, 'adapters/first', max_steps=2")
    code, published = re.subn(r", tuned\.push_to_hub\([^)]*\)", "", code)
    assert published == 1
    names = {}
    exec(code, names)
    assert len(names["tuned"].losses) >= 1
    assert (tmp_path / "adapters" / "first" / "training.json").is_file()
